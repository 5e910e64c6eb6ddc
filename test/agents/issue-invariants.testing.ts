/** What holds of issues whatever happens to the daemons that move them, told by the log. */
import { expect } from "vitest";
import type { SessionRecord } from "../../packages/rigor/src/domain/issues/records.ts";
import type { LoggedEvent, Store } from "../../packages/rigor/src/store/store.ts";
import { compareWithLog } from "../../packages/rigor/src/store/rebuild.ts";
import { decodeRow } from "../../packages/rigor/src/store/tables.ts";

export async function sessionsIn(store: Store): Promise<SessionRecord[]> {
  const rows = await store.db.selectFrom("sessions").selectAll().execute();
  return rows.map((row) => decodeRow("sessions", row));
}

/** At any moment: nobody does what another one is doing, no more agents than may, and one question at a time. */
export async function expectOneAtATime(store: Store, mostAgents: number): Promise<void> {
  const live = (await sessionsIn(store)).filter(({ state }) => state !== "ended");
  const work = live.map(({ issue_id, role, subject }) => `${issue_id} ${role} ${subject}`);
  expect(work).toHaveLength(new Set(work).size);
  expect(live.filter(({ backend }) => backend !== "human").length).toBeLessThanOrEqual(mostAgents);
  const gates = await store.db.selectFrom("gates").select("issue_id").where("state", "=", "open").execute();
  expect(gates).toHaveLength(new Set(gates.map((one) => one.issue_id)).size);
}

/** In the order of the log: what was done is not begun again, and ends once. */
export function expectOnceEach(events: readonly LoggedEvent[]): void {
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  const works = new Map<string, { live: string | null; isDone: boolean }>();
  const workOf = new Map<string, string>();
  for (const { kind, entity, data } of events) {
    if (kind === "session.started") {
      const { issue_id, role, subject } = data as Record<"issue_id" | "role" | "subject", string>;
      const key = `${issue_id} ${role} ${subject}`;
      expect(works.get(key)?.live ?? null, `${key} is begun while somebody is at it`).toBeNull();
      expect(works.get(key)?.isDone ?? false, `${key} is begun although it is done`).toBe(false);
      works.set(key, { live: entity, isDone: false });
      workOf.set(entity, key);
    }
    const work = works.get(workOf.get(entity) ?? "");
    if (work === undefined) continue;
    if (kind === "session.submitted") work.isDone = true;
    if (kind === "session.ended") {
      expect(work.live, `session ${entity} ends twice`).toBe(entity);
      work.live = null;
    }
  }
  for (const [key, { live }] of works) expect(live, `${key} has no end`).toBeNull();
}

/** Every attempt of a run ended, one of them well; what the runs themselves wrote shows no two at one time. */
export async function expectRunsOnce(store: Store, journal: readonly string[]): Promise<void> {
  const attempts = (await store.db.selectFrom("attempts").selectAll().execute()).map((row) =>
    decodeRow("attempts", row),
  );
  const well = attempts.filter(({ state }) => state === "succeeded").map(({ run_id }) => run_id);
  expect(well).toHaveLength(new Set(well).size);
  const runs = await store.db.selectFrom("runs").select(["id", "state"]).execute();
  expect(runs.filter(({ state }) => state !== "done")).toEqual([]);
  expect(runs.map(({ id }) => id).toSorted()).toEqual(well.toSorted());
  expect(journal.filter((line) => line.startsWith("overlap"))).toEqual([]);
  const starts = journal.filter((line) => line.startsWith("start"));
  expect(starts).toHaveLength(new Set(starts).size);
}

/** The tables are what the log gives. */
export async function expectWholeLog(store: Store): Promise<void> {
  expect(await compareWithLog(store)).toEqual([]);
}
