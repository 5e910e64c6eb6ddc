import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { RigorError } from "../../domain/errors.ts";
import { exitReasons } from "./job.ts";
import type { ExitRecord, JobSpec } from "./job.ts";
import type { ProcessRecord } from "../../hosts/processes.ts";
import { hasCode, isMissing } from "../../hosts/system-errors.ts";

const safeName = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$/;

/** Where an attempt lies below the folder of all attempts: `<first two characters of the run>/<attempt>`. */
export function attemptPath(run: string, attempt: string): string {
  for (const name of [run, attempt]) {
    if (!safeName.test(name)) {
      throw new RigorError("internal", `"${name}" cannot name a directory of an attempt.`);
    }
  }
  return `${run.slice(0, 2)}/${attempt}`;
}

/** Records longer than this are not records of ours. */
const recordLimit = 64 * 1024;

/**
 * The directory that Rigor and a job share. Every path of the protocol is named here and nowhere else.
 *
 * Rigor writes `spec.json`, `parameters.json`, `job.sh` and `cancel`; the job's script writes the rest. The command
 * itself is given only `output/`, so that it cannot overwrite the record of its own end.
 */
export class AttemptDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The directory of one attempt in a data directory. */
  static in(dataDirectory: string, run: string, attempt: string): AttemptDirectory {
    return new AttemptDirectory(join(AttemptDirectory.root(dataDirectory), attemptPath(run, attempt)));
  }

  /** The folder of all attempts. */
  static root(dataDirectory: string): string {
    return join(dataDirectory, "attempts");
  }

  get attempt(): string {
    return basename(this.path);
  }

  get spec(): string {
    return join(this.path, "spec.json");
  }
  get parameters(): string {
    return join(this.path, "parameters.json");
  }
  get script(): string {
    return join(this.path, "job.sh");
  }
  /** Made once, by whoever may start the job or forbid that it starts. */
  get claim(): string {
    return join(this.path, "claim");
  }
  /** Beside the claim: it was taken so that the job cannot start. */
  get withdrawn(): string {
    return join(this.path, "withdrawn");
  }
  /** Exports of secret variables, from the submission to the start of the command. */
  get secrets(): string {
    return join(this.path, "secrets.sh");
  }
  get process(): string {
    return join(this.path, "process");
  }
  /** Made by Rigor before it signals: tells a cancelled job from one that was terminated by others. */
  get cancel(): string {
    return join(this.path, "cancel");
  }
  get stdout(): string {
    return join(this.path, "stdout.log");
  }
  get stderr(): string {
    return join(this.path, "stderr.log");
  }
  get heartbeat(): string {
    return join(this.path, "heartbeat");
  }
  get gpu(): string {
    return join(this.path, "gpu.csv");
  }
  get exit(): string {
    return join(this.path, "exit.json");
  }
  get environment(): string {
    return join(this.path, "environment.json");
  }
  /** `RIGOR_OUTPUT`: the only place that the command is told to write to. */
  get output(): string {
    return join(this.path, "output");
  }
  /** `RIGOR_NEEDS`: links to what the run is given of others. */
  get needs(): string {
    return join(this.path, "needs");
  }
  get metrics(): string {
    return join(this.output, "metrics.jsonl");
  }
  get checkpoints(): string {
    return join(this.output, "checkpoints");
  }

  hasCheckpoints(): boolean {
    return existsSync(this.checkpoints) && readdirSync(this.checkpoints).length > 0;
  }

  /** Makes the directory and its output folder, for the owner only. */
  create(): void {
    mkdirSync(this.output, { recursive: true, mode: 0o700 });
  }

  /** Takes the claim, so that a job that has not started never will. False when it has started. */
  withdraw(): boolean {
    this.create();
    try {
      writeFileSync(this.claim, "", { flag: "wx", mode: 0o600 });
    } catch (error) {
      if (hasCode(error, "EEXIST")) return existsSync(this.withdrawn);
      throw error;
    }
    writeFileSync(this.withdrawn, "", { mode: 0o600 });
    return true;
  }

  /** Writes a file so that a reader, or a shell that still reads an older one, never sees half of it. */
  replace(path: string, content: string): void {
    const next = `${path}.next`;
    writeFileSync(next, content, { mode: 0o600 });
    renameSync(next, path);
  }

  /**
   * How the job ended, or null while no complete record exists. An unreadable record is not an end, and neither is
   * another attempt's.
   */
  readExit(): ExitRecord | null {
    const exit = readRecord(this.exit, exitSchema);
    return exit?.attempt === this.attempt ? exit : null;
  }

  /** Which process executes the job, or null while no complete record exists. */
  readProcess(): ProcessRecord | null {
    return readRecord(this.process, processSchema);
  }

  /** The job as it was written to be started; null where that can no longer be read. */
  readSpec(): JobSpec | null {
    try {
      return JSON.parse(readFileSync(this.spec, "utf8")) as JobSpec;
    } catch (error) {
      if (error instanceof SyntaxError || isMissing(error)) return null;
      throw error;
    }
  }

  /** Seconds between TERM and KILL that the job asked for; none where its specification can no longer be read. */
  readGrace(): number {
    try {
      return z.object({ grace: z.number() }).safeParse(JSON.parse(readFileSync(this.spec, "utf8"))).data?.grace ?? 0;
    } catch (error) {
      if (error instanceof SyntaxError || isMissing(error)) return 0;
      throw error;
    }
  }

  /** Epoch milliseconds of the last sign of life that the job gave, or null before the first. */
  lastBeatMs(): number | null {
    return modified(this.heartbeat) ?? modified(this.process);
  }
}

const exitSchema = z.object({
  attempt: z.string(),
  code: z.int().nullable(),
  signal: z.string().nullable(),
  reason: z.enum(exitReasons),
  oom_kills: z.int().nullable(),
  memory_peak: z.int().nullable(),
  gpu_memory_peak: z.int().nullable(),
  restarts: z.int().nonnegative().default(0),
  resumed: z.boolean().default(false),
  code_changed: z.int().nonnegative().default(0),
  code_added: z.int().nonnegative().default(0),
  duration: z.number().nonnegative(),
  started_at: z.number(),
  finished_at: z.number(),
}) satisfies z.ZodType<ExitRecord>;

const processSchema = z.object({
  host: z.string(),
  pid: z.int().min(2),
  started: z.string().min(1),
  boot: z.string(),
}) satisfies z.ZodType<ProcessRecord>;

function readRecord<T>(path: string, schema: z.ZodType<T>): T | null {
  const text = readIfThere(path);
  if (text === null || text.length > recordLimit || !text.endsWith("\n")) return null;
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Null also for a directory of this name: it is no record. */
function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isMissing(error) || hasCode(error, "EISDIR")) return null;
    throw error;
  }
}

function modified(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? null;
}
