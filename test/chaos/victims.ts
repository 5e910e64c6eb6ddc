/** What is killed at random, and what the laboratory's log says afterwards. */
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { AttemptRecord, ExperimentRecord, RunRecord } from "../../packages/rigor/src/domain/records.ts";
import { compareWithLog, type Difference } from "../../packages/rigor/src/store/rebuild.ts";
import type { LoggedEvent } from "../../packages/rigor/src/store/store.ts";
import { decodeRow } from "../../packages/rigor/src/store/tables.ts";
import type { TestLab } from "./lab.ts";
import { environmentOf, type Process } from "./processes.ts";

/** `wrapper`: the script of a job. `command`: what it runs. `starter`: the shell that starts jobs on this machine. */
export type Kind = "daemon" | "client" | "wrapper" | "command" | "starter";

export interface Victim {
  pid: number;
  /** Empty for what belongs to no attempt. */
  attempt: string;
  /** Of the run, where it is a command. */
  arm: string;
  seed: number;
}

/** All that could be killed as this kind now. */
export function victimsOf(lab: TestLab, kind: Kind): Victim[] {
  return withoutForks(lab.processes()).flatMap((one) => asVictim(lab, kind, one) ?? []);
}

/** A shell that forked to start a program looks like its parent for a moment; only the parent is what it looks like. */
function withoutForks(processes: readonly Process[]): Process[] {
  const commands = new Map(processes.map((one) => [one.pid, one.command.join("\0")]));
  return processes.filter((one) => commands.get(one.parent) !== one.command.join("\0"));
}

/** Null if the process is not of this kind. */
function asVictim(lab: TestLab, kind: Kind, { command, leader, directory, pid }: Process): Victim | null {
  const victim = { pid, attempt: "", arm: "", seed: Number.NaN };
  switch (kind) {
    case "daemon":
      return command.some((word) => word.endsWith("/daemon/main.ts")) ? victim : null;
    case "client":
      return command.some((word) => word.endsWith("/rigor.js")) ? victim : null;
    case "starter":
      return command.includes("rigor-starter") ? victim : null;
    case "wrapper":
      if (!leader || !command[1]?.endsWith("/job.sh") || !/-\d+$/.test(directory)) return null;
      return { ...victim, attempt: basename(directory) };
    default: {
      if (!directory.startsWith(join(lab.home, "checkouts")) || !command.includes("run.sh")) return null;
      const [output, arm, seed] = ["RIGOR_OUTPUT", "RIGOR_ARM", "RIGOR_SEED"].map((name) => environmentOf(pid, name));
      return output && arm ? { pid, attempt: basename(dirname(output)), arm, seed: Number(seed) } : null;
    }
  }
}

/** All that the log and the tables have. */
export interface Recorded {
  experiments: ExperimentRecord[];
  runs: RunRecord[];
  attempts: AttemptRecord[];
  events: LoggedEvent[];
  /** Between the tables and what the log gives. */
  differences: Difference[];
}

/** Reads the database. No daemon may be running. */
export function whatIsRecorded(lab: TestLab): Promise<Recorded> {
  return lab.withStore(async (store) => {
    const { db } = store;
    return {
      experiments: (await db.selectFrom("experiments").selectAll().execute()).map((row) =>
        decodeRow("experiments", row),
      ),
      runs: (await db.selectFrom("runs").selectAll().execute()).map((row) => decodeRow("runs", row)),
      attempts: (await db.selectFrom("attempts").selectAll().execute()).map((row) => decodeRow("attempts", row)),
      events: await store.eventsAfter(0, 1_000_000),
      differences: await compareWithLog(store),
    };
  });
}

/** Attempts that were the present one of their run when somebody cancelled it. */
export function givenUp(events: readonly LoggedEvent[]): Set<string> {
  const present = new Map<string, string>();
  const given = new Set<string>();
  for (const { kind, entity, data } of events) {
    if (kind === "attempt.queued") present.set((data as { run_id: string }).run_id, entity);
    const attempt = present.get(entity);
    if (kind === "run.cancelled" && attempt !== undefined) given.add(attempt);
  }
  return given;
}

/** Lines `WORD ATTEMPT ...` that the runs themselves wrote. */
export class Journal {
  readonly #lines: string[][];

  constructor(path: string) {
    this.#lines = readFileSync(path, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" "));
  }

  /** Attempts with a line of this word, in order of time. */
  attempts(word: string): string[] {
    return this.lines(word).map(([attempt = ""]) => attempt);
  }

  /** What follows the word, line by line: the attempt, and what it said. */
  lines(word: string): string[][] {
    return this.#lines.filter(([first]) => first === word).map(([, ...rest]) => rest);
  }
}
