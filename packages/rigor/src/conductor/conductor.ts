import { setTimeout as sleep } from "node:timers/promises";
import { RigorError } from "../domain/errors.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import type { IssueFacts } from "../domain/issues/facts.ts";
import { nextStep } from "../domain/issues/next-step.ts";
import type { IssueCheckName } from "../domain/issues/records.ts";
import type { IssueStep } from "../domain/issues/steps.ts";
import { isEverywhere } from "../store/errors.ts";
import type { LoggedEvent, Transaction } from "../store/store.ts";
import { faulty, judged, type CheckOutcome } from "./checks/check.ts";
import { checks, recordCheck } from "./checks/registry.ts";
import { gateOpened } from "./gates.ts";
import { gatherFacts } from "./gather.ts";
import type { Investigations } from "./investigations/investigations.ts";
import type { ConductorParts } from "./parts.ts";
import { Remains } from "./remains.ts";
import { resumeExperiment } from "./resume-experiment.ts";
import { openIssues } from "./queries.ts";

/** How often everything is looked at, whether or not something is known to have changed. */
const lookMs = 5_000;

/** Milliseconds after which what was there at the start is taken up again, where that failed. */
const againMs = 1_000;

/** How often a check is made that git or a machine fails in, before a person is asked. */
const mostTries = 3;

/** An effect that follows a step; everything else is written in the transaction that decides the step. */
type Effect =
  | { do: "again" }
  | { do: "rest" }
  | { do: "check"; check: IssueCheckName; subject: string }
  | { do: "resume-experiment"; reason: string }
  | { do: "stop-sessions"; whose: "all" | "agents"; reason: string };

/**
 * Moves issues: asks after every event what the next step is, and starts what it says. A step is decided and written
 * in one transaction; what a crash leaves undone is found and done by asking again.
 */
export class Conductor {
  readonly #parts: ConductorParts;
  readonly #investigations: Investigations;
  readonly #remains: Remains;
  readonly #busy = new Map<string, Promise<void>>();
  readonly #again = new Set<string>();
  /** How often checks could not be made, one after the other. */
  readonly #faults = new Map<string, number>();
  /** Why issues could not be taken further when that was tried last. */
  readonly #troubles = new Map<string, string>();
  #timer: NodeJS.Timeout | null = null;
  #unsubscribe: () => void = () => undefined;
  readonly #stopping = new AbortController();
  #beginning: Promise<void> | null = null;

  constructor(parts: ConductorParts, investigations: Investigations) {
    this.#parts = parts;
    this.#investigations = investigations;
    this.#remains = new Remains(parts);
  }

  /**
   * Begins with what is there, and goes on with what comes. Nobody waits for it: what fails, because the database is lost
   * or a disk is full, is tried again.
   */
  start(): void {
    this.#beginning = this.#begin();
  }

  async #begin(): Promise<void> {
    const found = await this.#untilDone(() => this.#remains.sweep());
    if (found === null) return;
    this.#investigations.follow();
    this.#unsubscribe = this.#parts.lab.store.subscribe((events) => this.#hear(events));
    this.#timer = setInterval(() => void this.lookAtAll(), lookMs);
    await this.#untilDone(async () => {
      await this.#investigations.catchUp();
      await this.#remains.endSince(found);
    });
    await this.lookAtAll();
  }

  /** Tries until it works; null where the conductor was stopped before. */
  async #untilDone<Value>(work: () => Promise<Value>): Promise<Value | null> {
    while (!this.#stopping.signal.aborted) {
      try {
        return await work();
      } catch (error) {
        this.#parts.lab.log.error({ err: error }, "issues could not be taken up; it is tried again");
        await sleep(againMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
    return null;
  }

  /** Lets go of everything. Agents end with the daemon; their sessions go on with the next one. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#beginning;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#unsubscribe();
    await Promise.all(this.#busy.values());
    await this.#parts.sessions.stop();
    await this.#investigations.close();
  }

  async lookAtAll(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    try {
      const { issues, lab, sessions } = this.#parts;
      const open = await openIssues(lab.store.db);
      await issues.refresh(open);
      await sessions.settle();
      await this.#investigations.endOverrunning();
      await this.#investigations.admit();
      for (const { id } of open) this.look(id);
    } catch (error) {
      this.#parts.lab.log.error({ err: error }, "issues could not be looked at; it is tried again");
    }
  }

  /** Why an issue could not be taken further when that was tried last; null where it could. */
  troubleOf(issueId: string): string | null {
    return this.#troubles.get(issueId) ?? null;
  }

  /** Takes an issue as far as it can go now, if it is driven here. */
  look(issueId: string): void {
    if (this.#stopping.signal.aborted || !this.#parts.issues.drives(issueId)) return;
    if (this.#busy.has(issueId)) {
      this.#again.add(issueId);
      return;
    }
    this.#busy.set(
      issueId,
      this.#advance(issueId).finally(() => {
        this.#busy.delete(issueId);
        if (this.#again.delete(issueId)) this.look(issueId);
      }),
    );
  }

  #hear(events: readonly LoggedEvent[]): void {
    let anyIssue = false;
    for (const { kind, entity, data } of events) {
      // At once, and not when a check that is being made has ended.
      if (kind === "issue.cancelled" || kind === "issue.held") void this.#stopWork(entity);
      if (kind === "issue.checked" && (data as { check: string }).check === "clean-up")
        void this.#remains.endOfIssue(entity);
      if (kind === "session.ended") void this.#remains.endOfSession(entity);
      if (kind === "issue.proposed") anyIssue = true;
      else if (
        /^(?:issue|gate|concern|clarification|plan|review|change|result|proposals)\./.test(kind) &&
        kind !== "result.recorded"
      ) {
        this.look(entity);
      } else if (
        (kind.startsWith("session.") && kind !== "session.used") ||
        /^experiment\.(?:held|decided|cancelled|archived)$/.test(kind)
      )
        anyIssue = true;
    }
    if (anyIssue) void this.lookAtAll();
  }

  async #advance(issueId: string): Promise<void> {
    try {
      for (;;) {
        if (this.#stopping.signal.aborted || !this.#parts.issues.isSafe) return;
        const { effect, facts } = await this.#decide(issueId);
        this.#troubles.delete(issueId);
        this.#parts.sessions.launchWaiting();
        if (effect.do === "rest") return;
        if (effect.do === "check" && !(await this.#check(facts, effect))) return;
        if (effect.do === "stop-sessions") {
          // Their ends are written later, and bring the issue back here. Asking on until then would let nothing else happen.
          await this.#parts.sessions.stopThoseOf(issueId, effect.reason, effect.whose);
          return;
        }
        if (effect.do === "resume-experiment") await this.#resumeExperiment(facts, effect.reason);
      }
    } catch (error) {
      // Nothing is lost: the step is asked for again. A full disk ends here until there is room.
      this.#troubles.set(issueId, error instanceof Error ? error.message : String(error));
      this.#parts.lab.log.error(
        { err: error, issue: issueId },
        "the issue could not be taken further; it is tried again",
      );
    }
  }

  /** Decides the next step and writes it. */
  #decide(issueId: string): Promise<{ effect: Effect; facts: IssueFacts }> {
    return this.#parts.lab.store.transact("conductor", async (transaction) => {
      const facts = await gatherFacts(transaction.db, issueId);
      const step = nextStep(facts);
      const { events, effect } = await this.#written(transaction, facts, step);
      await transaction.append(events);
      return { effect, facts };
    });
  }

  async #written(
    transaction: Transaction,
    facts: IssueFacts,
    step: IssueStep,
  ): Promise<{ events: DomainEvent[]; effect: Effect }> {
    if (step.do === "rest" || step.do === "check" || step.do === "resume-experiment" || step.do === "stop-sessions") {
      return { events: [], effect: step };
    }
    const entity = facts.issue.id;
    const effect: Effect = { do: "again" };
    if (step.do === "move") {
      return { events: [{ kind: "issue.moved", entity, data: { to: step.to, reason: step.reason } }], effect };
    }
    if (step.do === "withdraw") {
      return { events: [{ kind: "gate.withdrawn", entity, data: { number: step.gate, reason: step.reason } }], effect };
    }
    if (step.do === "session") return { events: [this.#parts.sessions.intend(facts, step.role, step.subject)], effect };
    return { events: await gateOpened(transaction, facts, step), effect };
  }

  /**
   * Makes a check and writes what it found, if it is still the next step. Returns false while its outcome is not known:
   * the event that brings it brings the issue back here.
   */
  async #check(facts: IssueFacts, { check, subject }: { check: IssueCheckName; subject: string }): Promise<boolean> {
    const outcome = await this.#outcomeOf(facts, check, subject);
    if (outcome === null) return false;
    await this.#parts.lab.store.transact("conductor", async (transaction) => {
      const now = await gatherFacts(transaction.db, facts.issue.id);
      const step = nextStep(now);
      if (step.do !== "check" || step.check !== check || step.subject !== subject) return;
      const events = await recordCheck(transaction, now, check, subject, outcome);
      await transaction.append(events);
      for (const { kind, entity } of events) {
        if (kind === "issue.proposed") await this.#parts.issues.bringHome(transaction, entity);
      }
    });
    return true;
  }

  async #outcomeOf(facts: IssueFacts, check: IssueCheckName, subject: string): Promise<CheckOutcome | null> {
    const name = `${facts.issue.id} ${check} ${subject}`;
    try {
      const outcome = await checks[check](this.#parts, facts, subject);
      this.#faults.delete(name);
      return outcome;
    } catch (error) {
      if (!(error instanceof RigorError) || isEverywhere(error) || error.code === "internal") throw error;
      // What a person can mend is a finding, not a fault of ours.
      const message = /[.!?]$/.test(error.message) ? error.message : `${error.message}.`;
      const why = error.next === undefined ? message : `${message} ${error.next}`;
      if (error.code !== "git" && error.code !== "unreachable") return judged([why], { error: error.code });
      const times = (this.#faults.get(name) ?? 0) + 1;
      this.#faults.set(name, times);
      // A lock is gone soon, and so may be the rest.
      if (times < mostTries) throw error;
      this.#faults.delete(name);
      return faulty(`${why} It was tried ${times} times.`);
    }
  }

  /** Nobody works on an issue that a person ended or put on hold. What is left of it is found by its next step. */
  async #stopWork(issueId: string): Promise<void> {
    const { issues, lab, sessions } = this.#parts;
    if (!issues.drives(issueId)) return;
    try {
      await sessions.stopThoseOf(issueId, "The issue was put on hold or cancelled.");
    } catch (error) {
      lab.log.error({ err: error, issue: issueId }, "the sessions of an issue could not be stopped; it is tried again");
    }
  }

  async #resumeExperiment({ issue, experiment }: IssueFacts, reason: string): Promise<void> {
    if (experiment === null) return;
    await resumeExperiment(this.#parts, experiment, reason);
    this.#parts.lab.log.info({ issue: issue.number, experiment: experiment.id }, "the experiment goes on");
  }
}
