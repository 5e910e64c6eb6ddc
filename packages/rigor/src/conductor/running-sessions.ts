import { setTimeout as sleep } from "node:timers/promises";
import type { Backend, HangingCall, RunningSession, SessionEnd, SessionOrder } from "../agents/backends/backend.ts";
import { nextFor } from "../agents/backends/verdict.ts";
import type { SessionOutcome, Usage } from "../agents/transcripts/entry.ts";
import type { Lab } from "../bench/lab/lab.ts";
import { RigorError } from "../domain/errors.ts";
import type { AgentSettings } from "../domain/issues/agent-settings.ts";
import type { SessionRecord } from "../domain/issues/records.ts";
import { isFull } from "../hosts/system-errors.ts";
import { databaseError, isEverywhere } from "../store/errors.ts";
import { gatherFacts } from "./gather.ts";
import type { Orders } from "./orders.ts";
import { findSession } from "./queries.ts";
import { SessionLog, type Conclusion } from "./session-log.ts";

/** The back end of a name, as a repository has configured it. @throws RigorError for one that cannot be used */
export type BackendOf = (name: string, settings: AgentSettings) => Promise<Backend>;

/** How often a session may be interrupted by the end of the daemon before it counts as failed. */
const mostRestarts = 3;
/** How long an agent may go on after it has handed in. */
const farewellMs = 60_000;
const retryMs = 5_000;

/** How a session ended whose issue was held or cancelled: through no fault of its own. */
const setAside = "set-aside";

interface Started {
  backend: Backend;
  running: RunningSession;
  workspace: string;
}

/** The sessions that run here: each is started, followed, and its end written. */
export class RunningSessions {
  readonly #lab: Lab;
  readonly #backendOf: BackendOf;
  readonly #orders: Orders;
  readonly #log: SessionLog;
  readonly #running = new Map<string, RunningSession | null>();
  readonly #following = new Set<Promise<void>>();
  /** Sessions that are being ended because of their issue. */
  readonly #setAside = new Set<string>();
  #stopped = false;

  constructor(lab: Lab, backendOf: BackendOf, orders: Orders) {
    this.#lab = lab;
    this.#backendOf = backendOf;
    this.#orders = orders;
    this.#log = new SessionLog(lab);
  }

  has(id: string): boolean {
    return this.#running.has(id);
  }

  /** Starts a session that is on record as `starting`, unless it is being started already. */
  launch(id: string): void {
    if (this.#stopped || this.#running.has(id)) return;
    this.#running.set(id, null);
    const work: Promise<void> = this.#launch(id)
      .catch((error: unknown) => {
        this.#lab.log.error({ err: error, session: id }, "a session could not be followed; it is tried again");
      })
      .finally(() => {
        this.#running.delete(id);
        this.#setAside.delete(id);
        this.#following.delete(work);
      });
    this.#following.add(work);
  }

  /** Ends a session as stopped, or as set aside. */
  async end(session: SessionRecord, reason: string, outcome: "stopped" | "set-aside"): Promise<void> {
    const running = this.#running.get(session.id);
    if (running !== undefined && running !== null) {
      if (outcome === setAside) this.#setAside.add(session.id);
      return running.stop(reason);
    }
    await this.conclude(session, { outcome, evidence: reason, next: null });
  }

  /** Ends a session that has no process here, and lets go of what it was given. */
  async conclude(session: SessionRecord, end: Conclusion): Promise<void> {
    await this.#log.conclude(session, end);
    await this.#orders.release(session);
  }

  /** Lets go of everything: what is stopped here goes on with the next daemon. Only processes end. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.#orders.abandon();
    await Promise.all(
      [...this.#running.values()].flatMap((running) => (running === null ? [] : [running.stop("The daemon ends.")])),
    );
    await Promise.all(this.#following);
  }

  async #launch(id: string): Promise<void> {
    // The list that named it may be older than what was done since.
    const session = await findSession(this.#lab.store.db, id);
    if (session.state !== "starting") return;
    let started: Started | null;
    try {
      started = await this.#start(session);
    } catch (error) {
      if (isEverywhere(databaseError(error))) throw error;
      // What was given up because the daemon ends is started by the next one.
      if (this.#stopped) return;
      this.#lab.log.warn({ err: error, session: id }, "a session could not be started");
      await this.conclude(session, failedStart(error));
      return;
    }
    if (started !== null) await this.#follow(session, started);
  }

  /** Null where nobody is to be followed: a person does the work, or there is nothing left to do. */
  async #start(session: SessionRecord): Promise<Started | null> {
    const { issue_id } = session;
    if (issue_id === null) {
      const backend = await this.#backendOf(session.backend, await this.#orders.settingsOfInvestigation(session));
      return this.#startAgent(session, backend, await this.#orders.makeInvestigation(session));
    }
    const facts = await gatherFacts(this.#lab.store.db, issue_id);
    const { state } = facts.issue;
    if (state === "on-hold" || state === "cancelled") {
      await this.conclude(session, { outcome: setAside, evidence: `The issue is ${state}.`, next: null });
      return null;
    }
    if (session.backend === "human") {
      await this.#orders.forPerson(facts, session);
      await this.#log.append({ kind: "session.launched", entity: session.id, data: { process: null } });
      return null;
    }
    const backend = await this.#backendOf(session.backend, facts.settings);
    return this.#startAgent(session, backend, await this.#orders.make(facts, session));
  }

  async #startAgent(session: SessionRecord, backend: Backend, order: SessionOrder): Promise<Started | null> {
    if (session.restarts > 0 && (await this.#isOver(session, order, await backend.settle(order)))) return null;
    const onHang = (call: HangingCall): void => void this.#tellHang(session.id, call);
    const onUsage = (usage: Usage): void => void this.#tellUsage(session.id, usage);
    const running = await backend.start({ ...order, onHang, onUsage });
    this.#running.set(session.id, running);
    return (await this.#isWanted(session, running)) ? { backend, running, workspace: order.workspace } : null;
  }

  async #tellHang(id: string, call: HangingCall): Promise<void> {
    try {
      await this.#log.appendIf(id, "running", { kind: "session.stalled", entity: id, data: call });
    } catch (error) {
      this.#lab.log.error({ err: error, session: id, tool: call.tool }, "that a tool hangs could not be written");
    }
  }

  async #tellUsage(id: string, usage: Usage): Promise<void> {
    try {
      await this.#log.tellUsage(id, usage);
    } catch (error) {
      // The next answer of the model tells it again, and so does the end.
      this.#lab.log.warn({ err: error, session: id }, "what a session has used could not be written");
    }
  }

  /** Whether a session that was interrupted had come to its end, or may not go on; that is written. */
  async #isOver(session: SessionRecord, { workspace }: SessionOrder, end: SessionEnd | null): Promise<boolean> {
    if (end !== null) {
      await this.#end(session, workspace, end);
      await this.#orders.release(session);
    } else if (session.submission_id !== null) {
      const evidence = "It had handed in before it was interrupted.";
      await this.conclude(session, { outcome: "finished", evidence, next: null });
    } else if (session.restarts > mostRestarts) {
      throw new RigorError("not-possible", `It was interrupted ${session.restarts} times.`, {
        next: "Look into daemon.log why the daemon ends again and again.",
      });
    } else return false;
    return true;
  }

  /** Writes that it runs. Its process is ended where that cannot be written, or where somebody ended it meanwhile. */
  async #isWanted(session: SessionRecord, running: RunningSession): Promise<boolean> {
    const process = running.process === null ? null : { pid: running.process.pid, started: running.process.started };
    try {
      const isWanted = await this.#log.appendIf(session.id, "starting", {
        kind: "session.launched",
        entity: session.id,
        data: { process },
      });
      if (!isWanted || this.#stopped) void running.stop("It was ended while it was started.");
      if (!isWanted) {
        await running.ended;
        await this.#orders.release(session);
      }
      return isWanted;
    } catch (error) {
      await running.stop("It could not be written that it runs.");
      throw error;
    }
  }

  async #follow(session: SessionRecord, { backend, running, workspace }: Started): Promise<void> {
    let farewell: NodeJS.Timeout | undefined;
    const unsubscribe = this.#lab.store.subscribe((events) => {
      for (const { kind, data } of events.filter(({ entity }) => entity === session.id)) {
        if (kind === "session.submitted") {
          farewell = setTimeout(() => void running.stop("It had handed in."), farewellMs);
        } else if (kind === "session.dismissed") void running.stop((data as { reason: string }).reason);
        else if (kind === "session.ended") void running.stop("It was ended from elsewhere.");
      }
    });
    try {
      const end = await explained(backend, await running.ended);
      // It goes on with the next daemon, or is found to have handed in.
      if (this.#stopped && end.outcome === "stopped") return;
      if (end.outcome !== "stopped") await this.#orders.explainEnd(session);
      await this.#writeInTheEnd(session, workspace, end);
    } finally {
      unsubscribe();
      clearTimeout(farewell);
      await this.#releaseInTheEnd(session);
    }
  }

  /** On a full disk, once there is room. */
  async #writeInTheEnd(session: SessionRecord, workspace: string, end: SessionEnd): Promise<void> {
    for (;;) {
      try {
        return await this.#end(session, workspace, end);
      } catch (error) {
        if (this.#stopped) throw error;
        this.#lab.log.error({ err: error, session: session.id }, "the end of a session is not written; again soon");
        await sleep(retryMs, undefined, { ref: false });
      }
    }
  }

  /** Where the database is lost, once it is back: nobody else asks for it while this daemon lives. */
  async #releaseInTheEnd(session: SessionRecord): Promise<void> {
    for (;;) {
      try {
        return await this.#orders.release(session);
      } catch (error) {
        if (this.#stopped || !isEverywhere(databaseError(error))) throw error;
        this.#lab.log.error({ err: error, session: session.id }, "a session is not let go of; again soon");
        await sleep(retryMs, undefined, { ref: false });
      }
    }
  }

  #end(session: SessionRecord, workspace: string, end: SessionEnd): Promise<void> {
    const isSetAside = this.#setAside.has(session.id) && end.outcome === "stopped";
    return this.#log.end(session, workspace, end, isSetAside ? setAside : end.outcome);
  }
}

/** An agent that came to no turn may not be installed: that is said in better words than the system's. */
async function explained(backend: Backend, end: SessionEnd): Promise<SessionEnd> {
  if (end.outcome !== "failed" || end.usage.turns > 0) return end;
  const { usable, problem, remedy } = await backend.probe();
  return usable || problem === null ? end : { ...end, evidence: problem, next: remedy };
}

/** How a session ends that could not even begin. */
function failedStart(error: unknown): { outcome: SessionOutcome; evidence: string; next: string | null } {
  const evidence = error instanceof Error ? error.message : String(error);
  if (isFull(error)) return { outcome: "disk-full", evidence, next: nextFor("disk-full", "") };
  return { outcome: "failed", evidence, next: error instanceof RigorError ? (error.next ?? null) : null };
}
