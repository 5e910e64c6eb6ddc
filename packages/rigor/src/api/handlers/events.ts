import { withEventMeta } from "@orpc/server";
import { findExperiment } from "../../bench/lookup.ts";
import type { LoggedEvent, Store } from "../../store/store.ts";
import { api } from "../implementation.ts";

const eventsPerRead = 500;
/** An idle stream looks again after this time, in milliseconds, also when no commit was announced. */
const idleMs = 15_000;

export const events = {
  stream: api.events.stream.handler(async function* ({ context, input, lastEventId, signal }) {
    const { store } = context.lab;
    const only = input.experiment === undefined ? null : await experimentFilter(store, input.experiment);
    let position = startPosition(lastEventId) ?? input.after ?? (await store.lastPosition());
    const gone = (): boolean => signal?.aborted === true;
    while (!gone()) {
      const news = await store.eventsAfter(position, eventsPerRead);
      for (const event of news) {
        position = event.position;
        if (only === null || (await only(event))) yield withEventMeta(event as never, { id: String(event.position) });
      }
      if (news.length < eventsPerRead) await nextCommit(store, position, signal);
    }
  }),
};

/** What the client saw last; it resumes after that. */
function startPosition(lastEventId: string | undefined): number | undefined {
  const position = Number(lastEventId);
  return lastEventId !== undefined && Number.isSafeInteger(position) && position >= 0 ? position : undefined;
}

/** Whether an event is about an experiment, one of its runs, or one of their attempts. */
async function experimentFilter(store: Store, reference: string): Promise<(event: LoggedEvent) => Promise<boolean>> {
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

/** Waits for a commit after a position, or until the client has gone. */
async function nextCommit(store: Store, position: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = store.subscribe((committed) => {
      if (committed.some((event) => event.position > position)) done();
    });
    const timer = setTimeout(done, idleMs);
    signal?.addEventListener("abort", done, { once: true });
    function done(): void {
      end();
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
  });
}
