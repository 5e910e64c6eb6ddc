import { RigorError } from "../../domain/errors.ts";
import { CallBudget } from "./call-budget.ts";
import type { CallNotes } from "./call-notes.ts";

/** What calls of a scheduler are for. */
export const callKinds = ["cancel", "submit", "look"] as const;
export type CallKind = (typeof callKinds)[number];

/** A call that may be made now, and must be ended or given back. */
export interface Call {
  /** It was answered, or nobody waits for its answer any more. */
  end(): void;
  /** It is not made after all. */
  giveBack(): void;
}

interface Waiting {
  grant(call: Call): void;
  refuse(error: RigorError): void;
}

export interface TakeOptions {
  /** Called when the call has to wait. */
  onWait?: () => void;
  /** Ends the waiting. */
  signal?: AbortSignal;
}

/** How it stands with the calls of a scheduler. */
export interface CallsNow {
  per_minute: number;
  last_minute: number;
  waiting: Record<CallKind, number>;
}

/**
 * Those who want to call one scheduler, in line for its {@link CallBudget}. What ends jobs goes first; submissions and
 * looks take turns while both wait; within each, who came first goes first. So none of them waits for ever while the others
 * go on, unless somebody ends jobs without end.
 */
export class CallLine {
  readonly #budget: CallBudget;
  readonly #notes: CallNotes | null;
  readonly #waiting: Record<CallKind, Set<Waiting>> = { cancel: new Set(), submit: new Set(), look: new Set() };
  /** What each who uses the line allows; the least of it holds. */
  readonly #limits = new Map<object, number>();
  /** Which of those two that take turns went last. */
  #last: "submit" | "look" = "look";
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param notes where calls are noted, so that a later process counts them; null where nobody comes later
   * @throws RigorError `storage` when the notes cannot be read
   */
  constructor(perMinute: number, notes: CallNotes | null = null) {
    this.#budget = new CallBudget(perMinute);
    this.#notes = notes;
    if (notes !== null) this.#budget.recall(notes.read(nowMs()));
  }

  /** Sets what one of those who use the line allows. @param owner tells them apart */
  limit(owner: object, perMinute: number): void {
    this.#limits.set(owner, perMinute);
    this.#budget.allow(Math.min(...this.#limits.values()));
    this.#serve();
  }

  /** One of those who use the line is gone, with what it allowed. */
  leave(owner: object): void {
    this.#limits.delete(owner);
    if (this.#limits.size > 0) this.#budget.allow(Math.min(...this.#limits.values()));
  }

  /** Somebody else called the scheduler in the last minute: as often as was allowed, for all that is known. */
  supposeCalls(): void {
    const [now, { perMinute }] = [nowMs(), this.#budget];
    const { open, endsMs } = this.#budget.counted(now);
    const missing = Math.max(0, perMinute - open - endsMs.length);
    this.#budget.recall(Array.from({ length: missing }, (_, at) => now - 60_000 + ((at + 1) * 60_000) / (missing + 1)));
  }

  now(): CallsNow {
    const { open, endsMs } = this.#budget.counted(nowMs());
    const { cancel, submit, look } = this.#waiting;
    return {
      per_minute: this.#budget.perMinute,
      last_minute: open + endsMs.length,
      waiting: { cancel: cancel.size, submit: submit.size, look: look.size },
    };
  }

  /** Waits until a call may be made. @throws RigorError `unreachable` when the waiting was ended; `storage` */
  async take(kind: CallKind, { onWait, signal }: TakeOptions = {}): Promise<Call> {
    const { promise, resolve: grant, reject: refuse } = Promise.withResolvers<Call>();
    const waiting = { grant, refuse };
    const leave = () => {
      if (this.#waiting[kind].delete(waiting)) refuse(ended());
    };
    if (signal?.aborted === true) throw ended();
    signal?.addEventListener("abort", leave, { once: true });
    this.#waiting[kind].add(waiting);
    this.#serve();
    if (this.#waiting[kind].has(waiting)) onWait?.();
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  /** Lets go whose turn it is, and comes back when the next one may. */
  #serve(): void {
    clearTimeout(this.#timer);
    for (let kind = this.#next(); kind !== null; kind = this.#next()) {
      const now = nowMs();
      const dueMs = this.#budget.nextMs(now);
      if (dueMs > now) {
        if (Number.isFinite(dueMs)) this.#timer = setTimeout(() => this.#serve(), Math.ceil(dueMs - now)).unref();
        return;
      }
      const [first] = this.#waiting[kind];
      if (first === undefined) return;
      this.#waiting[kind].delete(first);
      if (kind !== "cancel") this.#last = kind;
      this.#begin(first, now);
    }
  }

  #begin(waiting: Waiting, now: number): void {
    this.#budget.begin(now);
    try {
      this.#notes?.write(this.#budget.counted(now));
    } catch (error) {
      this.#budget.giveBack();
      return waiting.refuse(error as RigorError);
    }
    let isOver = false;
    const over = (how: () => void) => () => {
      if (isOver) return;
      isOver = true;
      how();
      this.#serve();
    };
    waiting.grant({
      end: over(() => this.#budget.end(nowMs())),
      giveBack: over(() => this.#budget.giveBack()),
    });
  }

  #next(): CallKind | null {
    const order: CallKind[] = this.#last === "submit" ? ["cancel", "look", "submit"] : ["cancel", "submit", "look"];
    return order.find((kind) => this.#waiting[kind].size > 0) ?? null;
  }
}

/** Epoch milliseconds by a clock that never jumps while the process lives. */
const nowMs = (): number => performance.timeOrigin + performance.now();

const ended = (): RigorError => new RigorError("unreachable", "The scheduler is not called any more from here.");
