import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endRemains } from "../agents/backends/agent-process.ts";
import { SessionDirectory } from "../agents/backends/session-directory.ts";
import type { Lab } from "../bench/lab/lab.ts";
import { RigorError } from "../domain/errors.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import type { IssueFacts } from "../domain/issues/facts.ts";
import type { RoleName, SessionRecord } from "../domain/issues/records.ts";
import { spendsOn } from "../domain/issues/agent-budget.ts";
import { whoDoes } from "../domain/issues/steps.ts";
import type { Orders } from "./orders.ts";
import { hasBegun } from "./investigations/queries.ts";
import type { IssueDriving } from "./issue-driving.ts";
import { RunningSessions, type BackendOf } from "./running-sessions.ts";
import { SessionLog } from "./session-log.ts";
import { endedSessionsOf, findSession, liveSessions } from "./queries.ts";

/** How long an end that was asked of another machine may take. */
const dismissPatienceMs = 30_000;

/**
 * Starts what the log says has been started, and ends what is to end. A session is written before its process is started;
 * what the daemon's end interrupts goes on with the next one.
 */
export class SessionKeeper {
  readonly #lab: Lab;
  readonly #orders: Orders;
  readonly #issues: IssueDriving;
  readonly #running: RunningSessions;
  readonly #log: SessionLog;
  #settling: Promise<void> | null = null;
  #stopped = false;

  constructor(lab: Lab, backendOf: BackendOf, orders: Orders, issues: IssueDriving) {
    this.#lab = lab;
    this.#orders = orders;
    this.#issues = issues;
    this.#running = new RunningSessions(lab, backendOf, orders);
    this.#log = new SessionLog(lab);
  }

  /** The event that says that somebody is to do a role's work. {@link launchWaiting} follows its commit. */
  intend(facts: IssueFacts, role: RoleName, subject: string): DomainEvent {
    const id = randomUUID();
    const directory = join(this.#lab.data.root, "sessions", id);
    const who = whoDoes(facts, role, subject);
    return {
      kind: "session.started",
      entity: id,
      data: { issue_id: facts.issue.id, role, subject, ...who, member: this.#issues.member, directory },
    };
  }

  /** Ends what is left of sessions that another daemon has ended meanwhile: see {@link settle}. */
  async sweep(): Promise<void> {
    const { member } = this.#issues;
    if (member === null) return;
    for (const session of await endedSessionsOf(this.#lab.store.db, member)) {
      if (new SessionDirectory(session.directory).hasRemains) await this.#letGo(session);
    }
  }

  /** Ends what is left here of a session that another daemon may have ended. What is followed here is let go of as it ends. */
  async endRemainsOf(sessionId: string): Promise<void> {
    const { member } = this.#issues;
    if (this.#stopped || member === null || this.#running.has(sessionId)) return;
    const session = await findSession(this.#lab.store.db, sessionId);
    const isLeftHere = session.state === "ended" && session.member === member && session.backend !== "human";
    if (isLeftHere) await this.#letGo(session);
  }

  async #letGo(session: SessionRecord): Promise<void> {
    const directory = new SessionDirectory(session.directory);
    await endRemains(directory.readProcess(), session.directory);
    await this.#orders.release(session);
    directory.forgetProcess();
  }

  /**
   * Finds the sessions of daemons that are gone, whose processes nobody hears. Those of this machine go on; those of
   * another, whose issue this daemon drives now, are lost with what was not handed in. Then starts what waits.
   */
  settle(): Promise<void> {
    // One at a time: another would end what this one starts again.
    this.#settling ??= this.#settleAll().finally(() => (this.#settling = null));
    return this.#settling;
  }

  async #settleAll(): Promise<void> {
    for (const session of await liveSessions(this.#lab.store.db)) {
      if (this.#stopped) return;
      if (session.backend === "human" || this.#running.has(session.id) || !this.#isOurs(session)) continue;
      if (session.member !== this.#issues.member) await this.#lose(session);
      else if (session.state === "running") await this.#interrupt(session);
    }
    this.launchWaiting();
  }

  async #interrupt(session: SessionRecord): Promise<void> {
    await endRemains(new SessionDirectory(session.directory).readProcess(), session.directory);
    await this.#log.appendIf(session.id, "running", {
      kind: "session.interrupted",
      entity: session.id,
      data: { reason: "The daemon that it belonged to ended." },
    });
  }

  /** Its machine ends its process when it comes back; one that can be seen from here is ended now. */
  async #lose(session: SessionRecord): Promise<void> {
    if (existsSync(session.directory)) {
      await endRemains(new SessionDirectory(session.directory).readProcess(), session.directory);
    }
    const host = await this.#issues.machineOf(session.member);
    const end =
      session.submission_id === null
        ? {
            outcome: "lost",
            evidence: `Its daemon on ${host} was not heard of any more, and the issue went on elsewhere.`,
          }
        : { outcome: "finished", evidence: `It had handed in before its daemon on ${host} was not heard of any more.` };
    this.#lab.log.warn({ session: session.id, host }, end.evidence);
    await this.#running.conclude(session, { ...end, next: null });
  }

  /** Whether it is for this daemon to see to a session: its issue is driven here, or its investigation is on this machine. */
  #isOurs({ issue_id, member }: SessionRecord): boolean {
    return issue_id === null ? member === this.#issues.member : this.#issues.drives(issue_id);
  }

  launchWaiting(): void {
    void this.#launchAll().catch((error: unknown) => {
      this.#lab.log.error({ err: error }, "sessions could not be started; it is tried again");
    });
  }

  async #launchAll(): Promise<void> {
    for (const session of await liveSessions(this.#lab.store.db)) {
      const mayStart = await this.#mayStart(session);
      if (this.#stopped || !this.#issues.isSafe) return;
      if (mayStart) this.#running.launch(session.id);
    }
  }

  /** What needs files starts on the machine that has them; a person's brief comes from the record. */
  async #mayStart(session: SessionRecord): Promise<boolean> {
    const { backend, issue_id, member, state, subject } = session;
    if (state !== "starting" || !this.#isOurs(session)) return false;
    if (issue_id === null) return hasBegun(this.#lab.store.db, subject);
    return backend === "human" || member === this.#issues.member;
  }

  /**
   * Ends a session as stopped, and waits until that is on record. A person's is given back; one on another machine is ended
   * by the daemon there, if it has one.
   */
  async dismiss(sessionId: string, reason: string): Promise<void> {
    const session = await findSession(this.#lab.store.db, sessionId);
    const { member, backend, state } = session;
    const host = backend === "human" || state !== "running" ? null : await this.#issues.machineOf(member);
    if (host === null) return this.#end(session, reason);
    if (!(await this.#issues.isAlive(member))) {
      return this.#end(session, `${reason} Its daemon on ${host} is not heard of.`);
    }
    await this.#log.append({ kind: "session.dismissed", entity: session.id, data: { reason } });
    const deadline = performance.now() + dismissPatienceMs;
    while ((await findSession(this.#lab.store.db, session.id)).state !== "ended" && performance.now() < deadline) {
      await sleep(100);
    }
  }

  /** Ends a session that may use no more. It is not counted as failed. */
  setAside(session: SessionRecord, reason: string): Promise<void> {
    return this.#end(session, reason, "set-aside");
  }

  /** Lets go of everything: what is stopped here goes on with the next daemon. Only processes end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running.close();
  }

  async #end(session: SessionRecord, reason: string, outcome: "stopped" | "set-aside" = "stopped"): Promise<void> {
    if (session.state === "ended") {
      throw new RigorError("not-possible", `Session ${session.id} has ended: ${session.outcome}.`);
    }
    await this.#running.end(session, reason, outcome);
  }

  /** Ends the sessions of an issue that nobody wants worked on now. They are not counted as failed. */
  async stopThoseOf(issueId: string, reason: string, whose: "all" | "agents" = "all"): Promise<void> {
    const live = (await liveSessions(this.#lab.store.db)).filter((one) => one.issue_id === issueId);
    const unwanted = whose === "all" ? live : live.filter(spendsOn);
    for (const session of unwanted) await this.setAside(session, reason);
  }
}
