import { withEventMeta } from "@orpc/server";
import { findExperiment } from "../../bench/records/lookup.ts";
import type { LoggedEvent, Store } from "../../store/store.ts";
import { api } from "../implementation.ts";

const eventsPerRead = 500;
/** An idle stream looks again after this time, in milliseconds, also when no commit was announced. */
const idleMs = 15_000;

type Filter = (event: LoggedEvent) => boolean | Promise<boolean>;

export const events = {
  // What can be wrong with the request is found before the stream begins, so that it is answered as an error.
  stream: api.events.stream.handler(async ({ context, input, lastEventId, signal }) => {
    const { store } = context.lab;
    const wanted = input.experiment === undefined ? () => true : await experimentFilter(store, input.experiment);
    const position = startPosition(lastEventId) ?? input.after ?? (await store.lastPosition());
    return follow(store, position, wanted, signal);
  }),
};

/** What the client saw last; it resumes after that. */
function startPosition(lastEventId: string | undefined): number | undefined {
  const position = Number(lastEventId);
  return lastEventId && Number.isSafeInteger(position) && position >= 0 ? position : undefined;
}

/** The events after a position, then those that come, until the client has gone. */
async function* follow(store: Store, start: number, wanted: Filter, signal: AbortSignal | undefined) {
  let position = start;
  const news = new News(store, signal);
  try {
    while (!news.isOver) {
      news.expect();
      const events = await store.eventsAfter(position, eventsPerRead);
      for (const event of events) {
        position = event.position;
        if (await wanted(event)) yield withEventMeta(event as never, { id: String(event.position) });
      }
      if (events.length < eventsPerRead) await news.wait();
    }
  } finally {
    news.end();
  }
}

/** Whether an event is about an experiment, one of its runs, or one of their attempts. */
async function experimentFilter(store: Store, reference: string): Promise<Filter> {
  const { id } = await findExperiment(store.db, reference);
  const rows = await store.db.selectFrom("placements").select("run_id").where("experiment_id", "=", id).execute();
  const runs = new Set(rows.map((row) => row.run_id));
  const attempts = new Map<string, boolean>();
  return async (event) => {
    if (event.entity === id || runs.has(event.entity)) return true;
    if (!event.kind.startsWith("attempt.") && !event.kind.startsWith("result.")) return false;
    const known = attempts.get(event.entity);
    if (known !== undefined) return known;
    const row = await store.db
      .selectFrom("attempts")
      .select("run_id")
      .where("id", "=", event.entity)
      .executeTakeFirst();
    const mine = row !== undefined && runs.has(row.run_id);
    attempts.set(event.entity, mine);
    return mine;
  };
}

/** Tells of commits, also of those between a look at the log and the wait for the next: none is waited past. */
class News {
  #came = false;
  #wake: (() => void) | null = null;
  readonly #signal: AbortSignal | undefined;
  readonly #end: () => void;

  constructor(store: Store, signal: AbortSignal | undefined) {
    this.#signal = signal;
    const note = (): void => {
      this.#came = true;
      this.#wake?.();
    };
    const unsubscribe = store.subscribe(note);
    signal?.addEventListener("abort", note, { once: true });
    this.#end = () => {
      unsubscribe();
      signal?.removeEventListener("abort", note);
    };
  }

  /** True when the client has gone. */
  get isOver(): boolean {
    return this.#signal?.aborted === true;
  }

  /** From here on, what comes counts. */
  expect(): void {
    this.#came = false;
  }

  /** Ends when something came since {@link expect}, or after a while. */
  async wait(): Promise<void> {
    if (this.#came) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, idleMs);
      this.#wake = done;
      function done(): void {
        clearTimeout(timer);
        resolve();
      }
    });
    this.#wake = null;
  }

  end(): void {
    this.#end();
  }
}
