import { RigorError } from "../../domain/errors.ts";
import type { DomainEvent } from "../../domain/events/registry.ts";
import type { Finding } from "./compute-check.ts";
import type { Lab } from "../lab/lab.ts";
import type { Lane } from "../lab/lane.ts";

/** Who says what was seen, rather than what a person wants. */
const daemonActor = "daemon";

/** What a person, or what was seen, says about a compute. Each is one event. */

/**
 * A check that finds nothing wrong ends a rest whose time is over, and one that faults began: what was wrong is mended. A
 * person may have had other reasons. One without a conclusion is repeated soon, and only
 * recorded when that happens again and again.
 */
export async function recordCheck(lab: Lab, actor: string, lane: Lane, findings: readonly Finding[]): Promise<void> {
  if (findings.some((one) => one.is_undecided === true) && lane.noteUndecided(Date.now())) {
    lab.log.warn({ compute: lane.id, findings }, "a check came to no conclusion and is repeated");
    return;
  }
  const problems = findings.filter(({ ok }) => !ok).map(({ check, found, remedy }) => ({ check, found, remedy }));
  await say(lab, actor, lane, { kind: "compute.checked", entity: lane.id, data: { problems } });
  lane.checked();
  const { state, until } = lane.record ?? { state: "available", until: null };
  if (problems.length > 0 || state !== "resting" || until === null) return;
  if (Date.parse(until) <= Date.now() || (await restsForFaults(lab, lane))) await resume(lab, actor, lane);
}

/** Whether its last rest was begun by the daemon. */
async function restsForFaults({ store }: Lab, { id }: Lane): Promise<boolean> {
  const last = await store.db
    .selectFrom("events")
    .select("actor")
    .where("kind", "=", "compute.rested")
    .where("entity", "=", id)
    .orderBy("position", "desc")
    .limit(1)
    .executeTakeFirst();
  return last?.actor === daemonActor;
}

/** No run is started there for some seconds. */
export async function rest(lab: Lab, actor: string, lane: Lane, reason: string, seconds: number): Promise<void> {
  const until = new Date(Date.now() + seconds * 1_000).toISOString();
  await resume(lab, actor, lane);
  await say(lab, actor, lane, { kind: "compute.rested", entity: lane.id, data: { reason, until } });
}

/**
 * No run is started there until it is taken into use again.
 *
 * @param name what the person calls it
 * @throws RigorError `not-possible` where it is drained
 */
export async function drain(lab: Lab, actor: string, lane: Lane, name: string, reason: string): Promise<void> {
  await lab.lanes.note(lane);
  if (lane.record?.state === "drained") {
    throw new RigorError("not-possible", `${name} is drained already: ${lane.record.reason}`, {
      next: `To use it again: rigor compute use ${name}`,
    });
  }
  await say(lab, actor, lane, { kind: "compute.drained", entity: lane.id, data: { reason } });
}

/** Takes it into use again, unless it is in use. */
export async function resume(lab: Lab, actor: string, lane: Lane): Promise<void> {
  await lab.lanes.note(lane);
  if (lane.record?.state === "available") return;
  await say(lab, actor, lane, { kind: "compute.resumed", entity: lane.id, data: {} });
}

/**
 * Makes sure that a compute is the machine and the directory that it was for every daemon before.
 *
 * @throws RigorError `unreachable` where it is another one: nothing is concluded from what is missing there
 */
export async function identify(lab: Lab, lane: Lane): Promise<void> {
  const identity = await lane.executor.identity();
  if (identity === null) return;
  await lab.lanes.note(lane);
  const known = await lab.store.transact("daemon", async (transaction) => {
    const query = transaction.db.selectFrom("computes").select("identity").where("id", "=", lane.id);
    const row = await query.executeTakeFirstOrThrow();
    if (row.identity !== null) return row.identity;
    await transaction.append([{ kind: "compute.identified", entity: lane.id, data: { identity } }]);
    return identity;
  });
  if (known === identity) return;
  throw new RigorError("unreachable", `${lane.id} leads to another machine or directory than it did before.`, {
    next: "See that this name means the same machine in ~/.ssh/config of every machine that shares the lab. If what was there is lost, end its runs with `rigor cancel RUN --lost`.",
  });
}

async function say(lab: Lab, actor: string, lane: Lane, event: DomainEvent): Promise<void> {
  await lab.lanes.note(lane);
  await lab.store.transact(actor, (transaction) => transaction.append([event]));
  await lab.lanes.refresh();
}
