import { RigorError } from "../../domain/errors.ts";
import type { DomainEvent } from "../../domain/events/registry.ts";
import type { AttemptRecord } from "../../domain/records.ts";
import { machineOfId, memberOfId } from "../../domain/rules/compute-rules.ts";
import type { Transaction } from "../../store/store.ts";
import type { Lab } from "../lab/lab.ts";
import { givenUp, liveAttempts } from "../records/attempt-queries.ts";

/**
 * Ends what is under way of some runs on machines that a person says are lost for good: nobody else can say how it
 * ended, and without that word nothing is concluded from silence. Should such a job go on after all, its result counts
 * no more.
 *
 * @returns how many attempts were ended
 * @throws RigorError `not-possible` for a machine that answers: it ends them itself
 */
export async function giveUpLost(
  lab: Lab,
  transaction: Transaction,
  runIds: readonly string[],
  message: string,
): Promise<number> {
  const runs = new Set(runIds);
  const attempts = (await liveAttempts(transaction.db)).filter(({ run_id }) => runs.has(run_id));
  for (const attempt of attempts) await refuseReachable(lab, attempt);
  await transaction.append(attempts.map((attempt) => lostEvent(attempt, message)));
  return attempts.length;
}

/**
 * What becomes of jobs of cancelled runs on machines that give no answer.
 *
 * @param reference what the person has cancelled
 * @returns a sentence; empty where all can be ended now
 */
export async function saidSilent(
  { lanes }: Lab,
  transaction: Transaction,
  runIds: readonly string[],
  reference: string,
): Promise<string> {
  const runs = new Set(runIds);
  const attempts = (await liveAttempts(transaction.db)).filter(({ run_id }) => runs.has(run_id));
  const silent = attempts.filter(({ compute_id: id }) => lanes.get(id)?.trouble?.code === "unreachable");
  if (silent.length === 0) return "";
  const names = [...new Set(silent.map(({ compute }) => compute))].join(", ");
  return ` What is under way on ${names}, which gives no answer, is ended when it does; if it is lost for good: rigor cancel ${reference} --lost`;
}

function lostEvent({ id, started_at }: AttemptRecord, message: string): DomainEvent {
  const evidence = `A person says that its machine is lost: ${message}`;
  const finished_at = new Date().toISOString();
  const data = { state: "lost" as const, exit: null, category: givenUp, evidence, started_at };
  const unmeasured = { duration: null, memory_peak: null, gpu_memory_peak: null };
  return { kind: "attempt.finished", entity: id, data: { ...data, ...unmeasured, finished_at } };
}

async function refuseReachable({ lanes, driving }: Lab, { compute, compute_id }: AttemptRecord): Promise<void> {
  const lane = lanes.get(compute_id);
  const machine = machineOfId(compute_id);
  const next = "Without `--lost`, it is ended as soon as its machine answers.";
  if (driving.hasMachine(machine) && lane !== undefined) {
    if (!lane.isHere && (lane.trouble !== null || !lane.isAdopted)) return;
    throw new RigorError("not-possible", `${compute} answers: what runs there is not lost.`, { next });
  }
  const [driver] = (await driving.drivers?.roster.drivers([`compute:${machine}`])) ?? [];
  if (driver?.is_driven !== true || driver.daemon === null) return;
  const who = `the daemon on ${driver.daemon.host} (pid ${driver.daemon.pid})`;
  if (memberOfId(compute_id) === null) {
    throw new RigorError("not-possible", `${compute} is driven by ${who}: only that one knows whether it answers.`, {
      next: `Say so there. ${next}`,
    });
  }
  throw new RigorError("not-possible", `${compute} is the machine of ${who}, which lives.`, { next });
}
