import type { PbsCompute } from "../../domain/files/compute-schema.ts";
import type { Answer, HostShell } from "../../hosts/shell.ts";
import { SchedulerCommands, unreadable } from "./commands.ts";
import { fitting, keysOf, portions, rangesOf } from "./members.ts";
import {
  type PbsJob,
  pbsMemberId,
  pbsWords,
  readPbsIds,
  readPbsRefusals,
  readPbsStatus,
  readPbsSubmission,
} from "./pbs-answers.ts";
import { readPbsFacts } from "./pbs-facts.ts";
import { batchScript, pbsVariables, submissionOptions } from "./pbs-script.ts";
import { pbsMembers } from "./pbs-states.ts";
import {
  type AskedBatch,
  type Batch,
  type JobReport,
  type Member,
  memberKey,
  type Scheduler,
  type SchedulerFacts,
} from "./scheduler.ts";

/** Batches in one question, so that their ids fit into a line. */
const portion = 500;

/**
 * OpenPBS and PBS Professional, by their commands. Calls of a method: `probe` two; `submit` one; `report` one for each 500
 * batches that have not ended; `cancel` two, or one when nothing is alive. `report` and `cancel` make one more for each
 * batch whose id was never learnt, until they have found it.
 */
export class PbsScheduler implements Scheduler {
  readonly kind = "pbs";
  readonly #commands: SchedulerCommands;
  readonly #options: PbsCompute;
  /** False once PBS has said that the site keeps none. */
  #hasHistory = true;
  /** Ids that were found by the name of a batch: more than one where it was submitted twice. */
  readonly #found = new Map<string, readonly string[]>();
  /** How members ended that were asked about: PBS starts nothing again that has ended, and forgets it some day. */
  #settled: ReadonlyMap<string, JobReport> = new Map();

  constructor(shell: HostShell, options: PbsCompute) {
    this.#commands = new SchedulerCommands(shell, { name: "PBS", variables: pbsVariables, wordsOf: pbsWords });
    this.#options = options;
  }

  async probe(): Promise<SchedulerFacts> {
    const { queue } = this.#options;
    const server = await this.#commands.ask("qstat", ["-B", "-f", "-F", "json"]);
    const queues = await this.#commands.run("qstat", ["-Q", "-f", "-F", "json", ...(queue === null ? [] : [queue])]);
    const words = queues.status === 0 ? null : pbsWords(queues.stderr);
    if (words !== null && !/queue/i.test(words)) throw this.#commands.refusal("qstat", queues);
    const facts = readPbsFacts(server, queues.stdout.toString("utf8"), queue);
    if (!facts.history) this.#hasHistory = false;
    return {
      version: facts.version,
      array_limit: this.#options.array ? facts.array_limit : 1,
      problems: words === null ? facts.problems : [words],
    };
  }

  async submit(batch: Batch): Promise<string> {
    const keys = new Set(keysOf(batch));
    this.#settled = new Map([...this.#settled].filter(([key]) => !keys.has(key)));
    this.#found.delete(batch.name);
    const args = submissionOptions(batch, this.#options);
    const answer = await this.#commands.ask("qsub", args, batchScript(batch, this.#options));
    const id = readPbsSubmission(answer);
    if (id === null) throw unreadable("qsub", answer);
    return id;
  }

  async report(batches: readonly AskedBatch[]): Promise<Map<string, JobReport>> {
    const open = batches.filter((batch) => keysOf(batch).some((key) => !this.#settled.has(key)));
    const jobs = await this.#jobs(await this.#idsOf(open), { ended: true });
    const known = new Map(this.#settled);
    for (const [key, { report }] of pbsMembers(jobs, open)) known.set(key, report);
    const reports = new Map<string, JobReport>();
    for (const key of batches.flatMap(keysOf)) {
      const report = known.get(key);
      if (report !== undefined) reports.set(key, report);
    }
    this.#settled = new Map([...reports].filter(([, { state }]) => state === "ended"));
    const asked = new Set(batches.map(({ name }) => name));
    for (const name of this.#found.keys()) if (!asked.has(name)) this.#found.delete(name);
    return reports;
  }

  memberId({ id }: { id: string }, index: number): string {
    return pbsMemberId(id, index);
  }

  async cancel(members: readonly { member: Member; id: string | null }[]): Promise<void> {
    const wanted = new Set(members.map(({ member }) => memberKey(member)));
    const batches = new Map(
      members.map(({ member, id }) => [member.batch, { name: member.batch, size: Infinity, id }]),
    );
    const jobs = await this.#jobs(await this.#idsOf([...batches.values()]), { ended: false });
    const found = pbsMembers(jobs, [...batches.values()]);
    // By name, never by an old id: PBS gives the ids of forgotten jobs to others when its counter begins anew.
    const alive = [...found].filter(([, { report }]) => report.state !== "ended");
    const ids = [...Map.groupBy(alive, ([, { job }]) => arrayOf(job))].flatMap(([id, living]) => {
      const chosen = living.filter(([key]) => wanted.has(key));
      if (chosen.length === living.length) return id;
      return rangesOf(chosen.map(([, { index }]) => index)).map(({ first, last }) => pbsMemberId(id, first, last));
    });
    for (const asked of fitting(ids)) await this.#end(asked);
  }

  async #end(ids: readonly string[]): Promise<void> {
    const answer = await this.#commands.runForAll("qdel", ids);
    // What has ended meanwhile is refused.
    const isOver = answer.status === 0 || readPbsRefusals(answer.stderr).refused.size > 0;
    if (!isOver || readPbsRefusals(answer.stderr).other.length > 0) throw this.#commands.refusal("qdel", answer);
  }

  /** All jobs of these ids with their members; those that have ended only on demand, and where a history is kept. */
  async #jobs(ids: readonly string[], { ended }: { ended: boolean }): Promise<PbsJob[]> {
    const answers: PbsJob[][] = [];
    for (const asked of portions(ids, portion)) answers.push(await this.#status(asked, ended));
    return answers.flat();
  }

  async #status(ids: readonly string[], ended: boolean): Promise<PbsJob[]> {
    const options = [...(ended && this.#hasHistory ? ["-x"] : []), "-f", "-F", "json", "-t"];
    const answer = await this.#commands.run("qstat", [...options, ...ids]);
    const status = readPbsStatus(commandAnswer(answer));
    if (!status.readable) throw this.#commands.refusal("qstat", answer);
    if ([...status.refused.values()].includes("no-history")) {
      this.#hasHistory = false;
      return this.#status(ids, ended);
    }
    const unanswered = ids.find((id) => !status.jobs.has(id) && !status.refused.has(id));
    if (unanswered !== undefined) throw unreadable("qstat", `nothing about ${unanswered}`);
    return [...status.jobs.values()];
  }

  async #idsOf(batches: readonly Pick<AskedBatch, "name" | "id">[]): Promise<string[]> {
    const ids: string[] = [];
    for (const { name, id } of batches) ids.push(...(id === null ? await this.#find(name) : [id]));
    return ids;
  }

  async #find(name: string): Promise<readonly string[]> {
    const known = this.#found.get(name);
    if (known !== undefined) return known;
    const found = await this.#select(name);
    if (found.length > 0) this.#found.set(name, found);
    return found;
  }

  /** The jobs of this user, as the host knows the user, that have a name. */
  async #select(name: string): Promise<string[]> {
    const select = this.#commands.line("qselect", [...(this.#hasHistory ? ["-x"] : []), "-N", name]);
    const answer = await this.#commands.runScript(`${select} -u "$(id -un)"`);
    if (readPbsRefusals(answer.stderr).refused.size > 0 && this.#hasHistory) {
      this.#hasHistory = false;
      return this.#select(name);
    }
    if (answer.status !== 0) throw this.#commands.refusal("qselect", answer);
    return readPbsIds(answer.stdout.toString("utf8"));
  }
}

const commandAnswer = ({ status, stdout, stderr }: Answer) => ({
  stdout: stdout.toString("utf8"),
  stderr,
  exit: status,
});

/** The id to which a member belongs; that of a job that is no member is its own. */
const arrayOf = ({ id, role }: PbsJob): string => (role === "member" ? id.replace(/\[\d+\]/, "[]") : id);
