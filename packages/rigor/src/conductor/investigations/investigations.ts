import { setTimeout as sleep } from "node:timers/promises";
import type { Kysely } from "kysely";
import type { Lab } from "../../bench/lab/lab.ts";
import { readSettings } from "../../bench/lab/settings.ts";
import { RigorError } from "../../domain/errors.ts";
import { investigationEnd } from "../../domain/investigations/outcome.ts";
import { spendsOn, usedUp, type Spent } from "../../domain/issues/agent-budget.ts";
import { whyNoAgent } from "../../domain/issues/steps.ts";
import type { InvestigationRecord } from "../../domain/investigations/records.ts";
import type { IssueDriving } from "../issue-driving.ts";
import { begin, type Question } from "./begin.ts";
import { InvestigationDirectory } from "./directory.ts";
import type { Findings } from "./findings.ts";
import { findInvestigation, investigationById, investigationsOn, investigationsToEnd } from "./queries.ts";
import { agentsAtWork } from "../gather.ts";
import { hangingTools } from "../hanging-tools.ts";
import { findSession } from "../queries.ts";
import type { Database } from "../../store/tables.ts";
import type { SessionKeeper } from "../session-keeper.ts";
import type { InvestigationServers } from "./tool-servers.ts";

/** How long an end that was asked for may take, in milliseconds. */
const endPatience = 30_000;

export interface InvestigationParts {
  lab: Lab;
  sessions: SessionKeeper;
  servers: InvestigationServers;
  issues: IssueDriving;
  findings: Findings;
}

/** One agent for each question. Sessions are kept by the {@link SessionKeeper}; here is what they are for. */
export class Investigations {
  readonly #lab: Lab;
  readonly #sessions: SessionKeeper;
  readonly #servers: InvestigationServers;
  readonly #settling = new Set<Promise<void>>();
  readonly #ending = new Set<Promise<unknown>>();
  readonly #issues: IssueDriving;
  readonly #findings: Findings;
  #unsubscribe: (() => void) | null = null;

  constructor(parts: InvestigationParts) {
    this.#lab = parts.lab;
    this.#sessions = parts.sessions;
    this.#servers = parts.servers;
    this.#issues = parts.issues;
    this.#findings = parts.findings;
  }

  /** From now on ends in the log what ends. */
  follow(): void {
    this.#unsubscribe = this.#lab.store.subscribe((events) => {
      const ended = events.filter(({ kind }) => kind === "session.ended").map(({ entity }) => entity);
      if (ended.length > 0) this.#settle();
      if (ended.length > 0) void this.admit();
      for (const { entity } of events.filter(({ kind }) => kind === "session.stalled")) void this.#showHang(entity);
    });
    this.#servers.follow();
  }

  /** Ends in the log what ended while no daemon was there. */
  async catchUp(): Promise<void> {
    await this.#settleEnded();
    await this.#tidy();
  }

  /** That a tool hangs is seen in the files at once. */
  async #showHang(sessionId: string): Promise<void> {
    const { db } = this.#lab.store;
    try {
      const { issue_id, subject, member } = await findSession(db, sessionId);
      if (issue_id === null && member === this.#issues.member) await this.#findings.writePages(subject);
    } catch (error) {
      this.#lab.log.error({ err: error, session: sessionId }, "the files of an investigation could not be written");
    }
  }

  /** Writes the pages of those that were ended from another machine while this one had no daemon, and ends their servers. */
  async #tidy(): Promise<void> {
    const { member } = this.#issues;
    if (member === null) return;
    for (const one of await investigationsOn(this.#lab.store.db, member, "ended")) {
      if (!new InvestigationDirectory(one.directory).isOpen) continue;
      await this.#servers.stop(await this.#findings.writePages(one.id));
    }
  }

  async close(): Promise<void> {
    this.#unsubscribe?.();
    await Promise.all([...this.#settling, this.#servers.close()]);
  }

  /** Starts investigations of a question, each on its own. @throws RigorError where nothing was started */
  async start(actor: string, question: Question, count: number): Promise<number[]> {
    const numbers = await begin(this.#lab, this.#issues.member, actor, question, count);
    await this.admit();
    return numbers;
  }

  /** Ends those at work here when the budget of the day is used up, as those of issues are: each would go on to its own limits. */
  async endOverrunning(): Promise<void> {
    const { db } = this.#lab.store;
    const running = await investigationsOn(db, this.#issues.member, "running");
    if (running.length === 0) return;
    const { spent_today } = await agentsAtWork(db);
    for (const one of running) {
      await this.#endIfOverrun(one, spent_today).catch((error: unknown) => {
        this.#lab.log.error({ err: error, investigation: one.number }, "its budget could not be looked at; again soon");
      });
    }
  }

  async #endIfOverrun({ project, session_id }: InvestigationRecord, spentToday: Spent): Promise<void> {
    const session = await findSession(this.#lab.store.db, session_id);
    const used = usedUp(spentToday, readSettings(project).agents.budget.day);
    if (used === null || !spendsOn(session)) return;
    await this.#sessions.setAside(session, `Agents have used ${used} of this day's budget.`);
  }

  /** Begins those that wait, as far as the limits of agents let them. */
  async admit(): Promise<void> {
    const { log, store } = this.#lab;
    if (!this.#issues.isSafe) return;
    try {
      if ((await investigationsOn(store.db, this.#issues.member, "waiting")).length === 0) return;
      await store.transact("conductor", async (transaction) => {
        for (const one of await investigationsOn(transaction.db, this.#issues.member, "waiting")) {
          if ((await whyWaiting(transaction.db, one)) !== null) continue;
          await transaction.append([{ kind: "investigation.begun", entity: one.id, data: {} }]);
        }
      });
      this.#sessions.launchWaiting();
    } catch (error) {
      log.error({ err: error }, "investigations could not be begun; it is tried again");
    }
  }

  /** What an investigation waits for: its machine, to begin, its tool servers. Null for one that waits for nothing. */
  async waitsFor(one: InvestigationRecord): Promise<string | null> {
    const why = (await this.#whyForsaken(one)) ?? (await whyWaiting(this.#lab.store.db, one));
    return why ?? (this.#servers.waitsOf(one.id).join("; ") || null);
  }

  async #whyForsaken({ state, session_id }: InvestigationRecord): Promise<string | null> {
    if (state === "ended" || this.#issues.member === null) return null;
    const { member } = await findSession(this.#lab.store.db, session_id);
    if (await this.#issues.isAlive(member)) return null;
    return `no daemon is heard of on ${await this.#issues.machineOf(member)}, where it is`;
  }

  /** Ends one by a person's word, and waits until that is on record. */
  async stop(number: number, reason: string): Promise<void> {
    const { db } = this.#lab.store;
    const { session_id: session } = await findInvestigation(db, number);
    await this.#sessions.dismiss(session, reason);
    const deadline = performance.now() + endPatience;
    while ((await findInvestigation(db, number)).state !== "ended" && performance.now() < deadline) await sleep(50);
  }

  /**
   * A tool server ended under the agent: its measurements cannot be trusted to go on, so that the agent is stopped.
   *
   * @param isOver it has ended by itself
   */
  async disrupt(
    { id, session_id: session }: InvestigationRecord,
    loss: { server: string; evidence: string },
    isOver: boolean,
  ): Promise<void> {
    const { disruption } = await investigationById(this.#lab.store.db, id);
    if (disruption === null)
      await this.#findings.write(id, { kind: "investigation.disrupted", entity: id, data: loss });
    if (!isOver) await this.#sessions.dismiss(session, loss.evidence);
  }

  /** Waits until what is on record as ended has its files. */
  async untilWritten(): Promise<void> {
    await Promise.allSettled(this.#ending);
  }

  /** Writes an end, on record and then into the files; null where that was done already, or is not to be. */
  async #end(id: string, isHere: boolean): Promise<InvestigationRecord | null> {
    const ended = await this.#lab.store.transact("conductor", async (transaction) => {
      const now = await investigationById(transaction.db, id);
      const session = await findSession(transaction.db, now.session_id);
      if (now.state === "ended" || session.state !== "ended") return false;
      const hanging = (await hangingTools(transaction.db, session.id)).map(({ tool }) => tool);
      const end = investigationEnd(now, session, hanging);
      await transaction.append([{ kind: "investigation.ended", entity: id, data: end }]);
      return true;
    });
    if (!ended) return null;
    return isHere ? this.#findings.writePages(id) : investigationById(this.#lab.store.db, id);
  }

  #settle(): void {
    const work = this.#settleEnded()
      .catch((error: unknown) =>
        this.#lab.log.error({ err: error }, "the end of an investigation could not be written"),
      )
      .finally(() => this.#settling.delete(work));
    this.#settling.add(work);
  }

  /**
   * Writes the end of every investigation whose session has ended, and lets go of its servers. Those of other machines are
   * for their daemons to end, as long as there is one.
   */
  async #settleEnded(): Promise<void> {
    const { store } = this.#lab;
    for (const { id, member } of await investigationsToEnd(store.db)) {
      const isHere = member === this.#issues.member;
      if (!isHere && (await this.#issues.isAlive(member))) continue;
      const ending = this.#end(id, isHere).finally(() => this.#ending.delete(ending));
      this.#ending.add(ending);
      const ended = await ending;
      if (ended !== null && isHere) await this.#servers.stop(ended);
    }
  }
}

/**
 * Why an investigation has not begun; null for one that may begin, or has. Settings that cannot be read hold those of their
 * repository only.
 */
async function whyWaiting(db: Kysely<Database>, one: InvestigationRecord): Promise<string | null> {
  if (one.state !== "waiting") return null;
  try {
    return whyNoAgent(readSettings(one.project).agents, await agentsAtWork(db));
  } catch (error) {
    if (error instanceof RigorError && error.code === "file-invalid") return error.message;
    throw error;
  }
}
