import { RigorError } from "../domain/errors.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import type { Finding } from "./compute-check.ts";
import type { Lab } from "./lab.ts";
import type { Lane } from "./lane.ts";

/** What a person, or what was seen, says about a compute. Each is one event. */

/** A check that finds nothing wrong ends a rest whose time is over. */
export async function recordCheck(lab: Lab, actor: string, lane: Lane, findings: readonly Finding[]): Promise<void> {
  const problems = findings.filter(({ ok }) => !ok).map(({ check, found, remedy }) => ({ check, found, remedy }));
  await say(lab, actor, lane, { kind: "compute.checked", entity: lane.id, data: { problems } });
  lane.checked();
  const { state, until } = lane.record ?? { state: "available", until: null };
  const isRested = state === "resting" && until !== null && Date.parse(until) <= Date.now();
  if (problems.length === 0 && isRested) await resume(lab, actor, lane);
}

/** No run is started there for some seconds. */
export async function rest(lab: Lab, actor: string, lane: Lane, reason: string, seconds: number): Promise<void> {
  const until = new Date(Date.now() + seconds * 1_000).toISOString();
  await resume(lab, actor, lane);
  await say(lab, actor, lane, { kind: "compute.rested", entity: lane.id, data: { reason, until } });
}

/** No run is started there until it is taken into use again. @throws RigorError `not-possible` where it is drained */
export async function drain(lab: Lab, actor: string, lane: Lane, reason: string): Promise<void> {
  await lab.lanes.note(lane);
  if (lane.record?.state === "drained") {
    throw new RigorError("not-possible", "It is drained already.", { next: "`rigor compute use NAME` ends that." });
  }
  await say(lab, actor, lane, { kind: "compute.drained", entity: lane.id, data: { reason } });
}

/** Takes it into use again, unless it is in use. */
export async function resume(lab: Lab, actor: string, lane: Lane): Promise<void> {
  await lab.lanes.note(lane);
  if (lane.record?.state === "available") return;
  await say(lab, actor, lane, { kind: "compute.resumed", entity: lane.id, data: {} });
}

async function say(lab: Lab, actor: string, lane: Lane, event: DomainEvent): Promise<void> {
  await lab.lanes.note(lane);
  await lab.store.transact(actor, (transaction) => transaction.append([event]));
  await lab.lanes.refresh();
}
