import type { Entry, Usage } from "../transcripts/entry.ts";
import { addUsage } from "../transcripts/entry.ts";
import type { HangingCall, SessionLimits } from "./backend.ts";
import { refusesCredentials, type Verdict } from "./verdict.ts";

/** Share of a call's time after which its tool seems to hang: before the agent gives it up, which may be seen late. */
const hangingShare = 0.9;

/** A second refusal is no accident: credentials that are refused twice in a row are not accepted. */
const mostRefusals = 2;

/**
 * Judges from what is heard of a session whether it must end now. Times are milliseconds of a clock that never jumps.
 */
export class SessionWatch {
  readonly #limits: SessionLimits;
  /** Of the session's earlier processes. */
  readonly #before: Usage;
  readonly #started: number;
  #heard: number;
  #last = "nothing";
  /** Since when, and with what, the model's service has failed; null while it works. */
  #failing: { since: number; refusals: number; evidence: string } | null = null;
  readonly #openCalls = new Map<string, { tool: string; since: number; isTold: boolean }>();
  #hanging: HangingCall[] = [];
  #usage: Usage;

  constructor(limits: SessionLimits, before: Usage, now: number) {
    this.#limits = limits;
    this.#before = before;
    this.#started = now;
    this.#heard = now;
    this.#usage = before;
  }

  /** Takes in what a line of output says. `progress`: it shows that the agent or its model works. */
  hear(entries: readonly Entry[], progress: boolean, now: number): void {
    if (progress) {
      this.#heard = now;
      this.#failing = null;
    }
    for (const entry of entries) {
      if (entry.kind === "tool-call") this.#openCalls.set(entry.id, { tool: entry.tool, since: now, isTold: false });
      else if (entry.kind === "tool-result") this.#close(entry.id, now);
      else if (entry.kind === "retry") this.#fail(entry.status, entry.why, now);
      if (entry.kind !== "usage") this.#last = describe(entry);
    }
  }

  /** Calls that seem to hang, each once. */
  hanging(now: number): HangingCall[] {
    for (const id of this.#openCalls.keys()) this.#judge(id, now);
    return this.#hanging.splice(0);
  }

  /** An answer that comes so late may be that the agent has given the call up. */
  #close(id: string, now: number): void {
    this.#judge(id, now);
    this.#openCalls.delete(id);
  }

  #judge(id: string, now: number): void {
    const call = this.#openCalls.get(id);
    const seconds = this.#limits.toolSeconds * hangingShare;
    if (call === undefined || call.isTold || now - call.since < seconds * 1000) return;
    call.isTold = true;
    this.#hanging.push({ tool: call.tool, seconds });
  }

  /** Takes in what this process has used so far. */
  spend(usage: Omit<Usage, "seconds">): void {
    this.#usage = addUsage(this.#before, { ...usage, seconds: 0 });
  }

  /** What the session has used. */
  usage(now: number): Usage {
    return { ...this.#usage, seconds: this.#before.seconds + (now - this.#started) / 1000 };
  }

  /** Why the session must end; null while it may go on. */
  verdict(now: number): Verdict | null {
    return this.#overLimit(now) ?? this.#withoutService(now) ?? this.#silent(now);
  }

  #overLimit(now: number): Verdict | null {
    const { turns, tokens, cost, minutes } = this.#limits;
    const used = this.usage(now);
    const spent = used.inputTokens - used.cachedTokens + used.outputTokens;
    if (used.turns > turns) return { outcome: "turn-limit", evidence: `It took more than ${turns} turns.` };
    if (spent > tokens) return { outcome: "token-limit", evidence: `It used ${spent} tokens of ${tokens}.` };
    if (cost !== null && used.cost !== null && used.cost > cost) {
      return { outcome: "cost-limit", evidence: `It has cost $${used.cost.toFixed(2)} of $${cost.toFixed(2)}.` };
    }
    if (used.seconds <= minutes * 60) return null;
    return { outcome: "time-limit", evidence: `It took more than ${minutes} minutes; the last was ${this.#last}.` };
  }

  #withoutService(now: number): Verdict | null {
    if (this.#failing === null) return null;
    const { since, refusals, evidence } = this.#failing;
    if (refusals >= mostRefusals) return { outcome: "credentials", evidence };
    return now - since > this.#limits.silenceSeconds * 1000 ? { outcome: "overloaded", evidence } : null;
  }

  #silent(now: number): Verdict | null {
    const patience = this.#limits.silenceSeconds + (this.#openCalls.size > 0 ? this.#limits.toolSeconds : 0);
    if (this.#failing !== null || now - this.#heard <= patience * 1000) return null;
    return { outcome: "silent", evidence: `Nothing came for ${patience} seconds; the last was ${this.#last}.` };
  }

  #fail(status: number | null, why: string, now: number): void {
    const refusals = refusesCredentials(status) ? (this.#failing?.refusals ?? 0) + 1 : 0;
    this.#failing = { since: this.#failing?.since ?? now, refusals, evidence: why };
  }
}

function describe(entry: Entry): string {
  if (entry.kind === "tool-call") return `a call of ${entry.tool}`;
  if (entry.kind === "refused") return `a refused call of ${entry.tool}`;
  if (entry.kind === "tool-result") return "the result of a tool";
  if (entry.kind === "text" || entry.kind === "thinking") return "words of the model";
  return entry.kind === "retry" ? "a failure of the model's service" : "a message of the agent";
}
