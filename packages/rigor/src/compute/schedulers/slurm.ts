import { randomBytes } from "node:crypto";
import type { SlurmCompute } from "../../domain/files/compute-schema.ts";
import type { HostShell } from "../../hosts/shell.ts";
import {
  historyFormat,
  type HistoryRecord,
  type QueueRecord,
  queueFormat,
  readConfiguration,
  readHistory,
  readQueue,
  readSubmission,
  wordsOf,
  writeIndexes,
} from "./slurm-answers.ts";
import { SchedulerCommands } from "./commands.ts";
import { fitting, keysOf, portions } from "./members.ts";
import { batchScript, slurmVariables, submissionOptions, testOptions } from "./slurm-script.ts";
import { endedMembers, queuedMembers } from "./slurm-states.ts";
import {
  type AskedBatch,
  type Batch,
  type JobReport,
  type Member,
  memberKey,
  type Scheduler,
  type SchedulerFacts,
} from "./scheduler.ts";

/** Batches in one question to the job history, so that their ids or names fit into an argument. */
const historyPortion = 1_000;

/** How far back the history is searched for a batch whose id was never learnt: sites refuse to search all of it. */
const historyReach = "now-30days";

/**
 * Slurm from 22.05 on, by its commands. Calls of a method: `probe` two; `submit` one; `report` one, and when members
 * have left the queue since the last time, one of the job history for batches with an id and one for those without (for
 * each 1,000 batches); `cancel` two, or one when nothing is alive.
 */
export class SlurmScheduler implements Scheduler {
  readonly kind = "slurm";
  readonly #commands: SchedulerCommands;
  readonly #options: SlurmCompute;
  /** False once Slurm has said that the site keeps none. */
  #hasHistory = true;
  /**
   * How members ended that were asked about, so that the history is asked once about each; null where it knows nothing
   * of a member. The queue overrules it: a job that has ended may be started again.
   */
  #settled: ReadonlyMap<string, JobReport | null> = new Map();

  constructor(shell: HostShell, options: SlurmCompute) {
    this.#commands = new SchedulerCommands(shell, { name: "Slurm", variables: slurmVariables, wordsOf });
    this.#options = options;
  }

  async probe(): Promise<SchedulerFacts> {
    const configuration = await this.#commands.ask("scontrol", ["show", "config"]);
    const { version, array_limit } = readConfiguration(configuration);
    const test = await this.#commands.run("sbatch", testOptions(this.#options), "#!/bin/sh\n");
    if (test.status !== 0 && unanswered.test(test.stderr)) throw this.#commands.refusal("sbatch", test);
    return {
      version,
      array_limit: this.#options.array ? array_limit : 1,
      problems: test.status === 0 ? [] : [wordsOf(test.stderr)],
    };
  }

  async submit(batch: Batch): Promise<string> {
    const args = submissionOptions(batch, this.#options);
    const keys = new Set(keysOf(batch));
    this.#settled = new Map([...this.#settled].filter(([key]) => !keys.has(key)));
    return readSubmission(await this.#commands.ask("sbatch", args, batchScript(batch, this.#options)));
  }

  async report(batches: readonly AskedBatch[]): Promise<Map<string, JobReport>> {
    if (batches.length === 0) return new Map();
    const queue = queuedMembers(await this.#queue(), batches);
    const isOpen = (key: string): boolean => !queue.has(key) && !this.#settled.has(key);
    const history = await this.#history(batches.filter((batch) => keysOf(batch).some(isOpen)));
    const known = new Map([...history, ...this.#settled, ...reportsOf(queue)]);
    const reports = new Map<string, JobReport>();
    const settled = new Map<string, JobReport | null>();
    for (const key of batches.flatMap(keysOf)) {
      const report = known.get(key);
      if (report === undefined) continue;
      if (report === null || report.state === "ended") settled.set(key, report);
      if (report !== null) reports.set(key, report);
    }
    this.#settled = settled;
    return reports;
  }

  memberId({ id, size }: { id: string; size: number }, index: number): string {
    return size === 1 ? id : `${id}_${index}`;
  }

  async cancel(members: readonly { member: Member; id: string | null }[]): Promise<void> {
    if (members.length === 0) return;
    const wanted = new Set(members.map(({ member }) => memberKey(member)));
    const batches = [...new Set(members.map(({ member }) => member.batch))].map((name) => ({ name, size: Infinity }));
    const queue = [...queuedMembers(await this.#queue(), batches)].filter(([, { report }]) => report.state !== "ended");
    // By name, never by an old id: Slurm gives the ids of forgotten jobs to others when its counter begins anew.
    const ids = [...Map.groupBy(queue, ([, { record }]) => record.id)].flatMap(([id, alive]) => {
      const chosen = alive.filter(([key]) => wanted.has(key)).map(([, { index }]) => index);
      // Of a whole array that is cancelled Slurm keeps a record, of single members that wait it keeps none.
      if (chosen.length === alive.length) return id;
      return chosen.length === 0 ? [] : `${id}_${writeIndexes(chosen)}`;
    });
    for (const asked of fitting(ids)) await this.#end(asked);
  }

  async #end(ids: readonly string[]): Promise<void> {
    const answer = await this.#commands.runForAll("scancel", ids);
    const said = answer.stderr.split("\n").filter((line) => !alreadyEnded.test(line));
    // scancel tells of errors with exit status 0, too.
    const failed =
      said.some((line) => line.startsWith("scancel: error: ")) || (answer.status !== 0 && said.join("") !== "");
    if (failed) throw this.#commands.refusal("scancel", answer);
  }

  /** All jobs of this user that the controller knows: also those of hidden partitions, and those that ended lately. */
  async #queue(): Promise<QueueRecord[]> {
    const mark = newMark();
    const filters = ["--me", "--all", "--states=all", "--array", "--noheader"];
    return readQueue(await this.#commands.ask("squeue", [...filters, `--Format=${queueFormat(mark)}`]), mark);
  }

  /** What the job history knows of the end of members; null where it knows nothing, no entry where it did not answer. */
  async #history(batches: readonly AskedBatch[]): Promise<Map<string, JobReport | null>> {
    const reports = new Map<string, JobReport | null>();
    const questions = [
      ...portions(
        batches.filter(({ id }) => id !== null),
        historyPortion,
      ),
      ...portions(
        batches.filter(({ id }) => id === null),
        historyPortion,
      ),
    ];
    for (const asked of questions) {
      const records = await this.#ended(asked);
      if (records === null) continue;
      for (const key of asked.flatMap(keysOf)) reports.set(key, null);
      for (const [key, report] of reportsOf(endedMembers(records, asked))) reports.set(key, report);
    }
    return reports;
  }

  /** Null where there is no history, or no answer: that is no reason to know less than the queue tells. */
  async #ended(batches: readonly AskedBatch[]): Promise<HistoryRecord[] | null> {
    if (!this.#hasHistory) return null;
    const ids = batches.flatMap(({ id }) => id ?? []);
    const names = batches.map(({ name }) => name).join(",");
    const which = ids.length > 0 ? [`--jobs=${ids.join(",")}`] : [`--name=${names}`, `--starttime=${historyReach}`];
    const mark = newMark();
    const format = ["--allocations", "--noheader", "--parsable", `--delimiter=${mark}`, `--format=${historyFormat}`];
    const answer = await this.#commands.run("sacct", [...format, ...which]);
    if (answer.status === 0) return readHistory(answer.stdout.toString("utf8"), mark);
    if (noHistory.test(answer.stderr) || answer.status === 127) this.#hasHistory = false;
    return null;
  }
}

const unanswered = /Unable to contact slurm controller|Socket timed out|connect failure|Connection refused/i;
const noHistory = /Slurm accounting storage is disabled/;
const alreadyEnded = /Invalid job id specified|Job\/step already completing or completed/;

/** Characters that appear in no name, for one answer. */
const newMark = (): string => `|${randomBytes(6).toString("hex")}|`;

const reportsOf = (findings: ReadonlyMap<string, { report: JobReport }>): [string, JobReport][] =>
  [...findings].map(([key, { report }]) => [key, report]);
