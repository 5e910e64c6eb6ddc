import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeJob } from "../../packages/rigor/src/compute/executors/executor.testing.ts";
import { jobScript } from "../../packages/rigor/src/compute/attempt/job-script.ts";
import {
  type Allocation,
  type Batch,
  type JobReport,
  memberKey,
  type Scheduler,
} from "../../packages/rigor/src/compute/schedulers/scheduler.ts";
import type { Answer, HostShell, ScriptOptions } from "../../packages/rigor/src/hosts/shell.ts";
import { until } from "../clusters/host.ts";

export const waitLimitMs = 120_000;

/** A login on which variables are set, and which counts the commands of a scheduler that it is asked to run. */
export class CountingLogin implements HostShell {
  readonly host = "login";
  readonly calls: string[] = [];
  readonly #shell: HostShell;
  readonly #exports: string;
  readonly #programs: RegExp;

  constructor(shell: HostShell, variables: Readonly<Record<string, string>>, programs: readonly string[]) {
    this.#shell = shell;
    this.#exports = Object.entries(variables)
      .map(([name, value]) => `export ${name}='${value}'\n`)
      .join("");
    this.#programs = new RegExp(String.raw`\b(?:${programs.join("|")})\b`, "g");
  }

  run(script: string, options?: ScriptOptions): Promise<Answer> {
    this.calls.push(...(script.match(this.#programs) ?? []));
    return this.#shell.run(this.#exports + script, options);
  }

  close(): Promise<void> {
    return this.#shell.close();
  }
}

const little: Allocation = { cpus: 1, gpus: 0, memory: 50 * 2 ** 20, time: 600 };

export type Submitted = Batch & { id: string | null };
/** By index of the member. */
export type Reports = (JobReport | undefined)[];

/** Batches at a scheduler, and what becomes of them. */
export class SchedulerBench {
  readonly login: CountingLogin;
  readonly scheduler: Scheduler;
  readonly #scratch: string;
  /** Last part of the name of the next batch. */
  #next = 0;

  /** @param scratch folder that the login and all nodes see */
  constructor(scheduler: Scheduler, login: CountingLogin, scratch: string) {
    this.scheduler = scheduler;
    this.login = login;
    this.#scratch = scratch;
  }

  /** A batch whose members run a script of `sh` in a directory of an awkward name. */
  batch(script: string, size = 1, allocation: Partial<Allocation> = {}): Batch {
    this.#next += 1;
    const name = `rigor-${process.pid.toString(36)}-${Math.random().toString(36).slice(2, 8)}-${this.#next}`;
    const directory = join(this.#scratch, `it's ${name} "%j" $HOME %%`);
    mkdirSync(directory);
    writeFileSync(join(directory, "member.sh"), script);
    return { name, size, script: join(directory, "member.sh"), directory, allocation: { ...little, ...allocation } };
  }

  async submit(script: string, size?: number, allocation?: Partial<Allocation>): Promise<Submitted> {
    const batch = this.batch(script, size, allocation);
    return { ...batch, id: await this.scheduler.submit(batch) };
  }

  /** What is known of the members of a batch, by their index. */
  async report(batch: Submitted): Promise<Reports> {
    const reports = await this.scheduler.report([batch]);
    return Array.from({ length: batch.size }, (_, index) => reports.get(memberKey({ batch: batch.name, index })));
  }

  /** Waits until a batch is as it should be, and returns all that was reported until then. */
  async until(batch: Submitted, condition: (reports: Reports) => boolean): Promise<Reports[]> {
    const seen: Reports[] = [];
    const look = async (): Promise<boolean> => {
      seen.push(await this.report(batch));
      return condition(seen.at(-1) ?? []);
    };
    await until(look, waitLimitMs, () => `${batch.name} (${batch.id}) is ${JSON.stringify(seen.at(-1))}.`);
    return seen;
  }

  async untilAll(batch: Submitted, state: JobReport["state"]): Promise<Reports> {
    const seen = await this.until(batch, (reports) => reports.every((report) => report?.state === state));
    return seen.at(-1) ?? [];
  }

  /** How all members of a batch ended. */
  async ends(batch: Submitted): Promise<(string | undefined)[]> {
    const reports = await this.untilAll(batch, "ended");
    return reports.map((report) => (report?.state === "ended" ? report.cause : undefined));
  }

  cancel(batch: Submitted, indexes: readonly number[]): Promise<void> {
    return this.scheduler.cancel(indexes.map((index) => ({ member: { batch: batch.name, index }, id: batch.id })));
  }
}

/**
 * Puts the script of a real attempt beside that of a batch, for members that become it by `exec /bin/sh attempt/job.sh`.
 *
 * @returns the attempt's directory
 */
export function writeAttempt({ directory }: Batch, command: string): string {
  const attempt = join(directory, "attempt");
  mkdirSync(join(attempt, "output"), { recursive: true });
  const place = { directory: attempt, finished_log: null, booted_at: null, kicked: false, scheduled: true };
  writeFileSync(join(attempt, "job.sh"), jobScript({ ...makeJob("/", command), grace: 2 }, place));
  return attempt;
}

export const written = (batch: Batch, name: string): string => readFileSync(join(batch.directory, name), "utf8");

export const isRunning = (report: JobReport | undefined): boolean => report?.state === "running";
