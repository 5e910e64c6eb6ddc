import type { Json } from "../../domain/canonical.ts";
import type { DomainEvent } from "../../domain/events/registry.ts";
import type { RunState } from "../../domain/lifecycle.ts";
import { hasNeeds } from "../../domain/needs.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { mendOption, nextExperimentStep, reference, type StageFacts } from "../../domain/rules/experiment-rules.ts";
import { needFailed } from "../../domain/rules/need-rules.ts";
import type { Transaction } from "../../store/store.ts";
import type { AcrossFailure } from "../../statistics/checks-across.ts";
import { decideExperiment, failedChecks } from "./decide.ts";
import { heldNeeds, standingsOf } from "../records/standings.ts";
import type { Lab } from "../lab/lab.ts";
import { makersOf, measurementsOf, placedRuns, type PlacedRun } from "../records/placed-runs.ts";
import { missingNeeds } from "../needs/missing-needs.ts";
import { experimentById } from "../records/experiment-queries.ts";
import { sharedElsewhere, tallyOf } from "../records/run-queries.ts";
import { compareOwnCode, type ComparedCode } from "./unlisted-changes.ts";

/** Takes an experiment as far as it can go now: next stage, hold, or checks and decision. */
export async function advanceExperiment(lab: Lab, experimentId: string): Promise<void> {
  // A look before the transaction: most of the time there is nothing to do, and no writer has to wait for that.
  const before = await experimentById(lab.store.db, experimentId);
  const tally = await tallyOf(lab.store.db, experimentId);
  const isOpen = tally.pending + tally.active > 0 && !(await stageIsComplete(lab, experimentId));
  // Runs that wait may do so for one that is held.
  if (isOpen && (tally.active > 0 || !hasNeeds(before.definition))) return;
  // Git is asked before the transaction too.
  const code = await compareOwnCode(lab.store.db, before);
  const isDone = await lab.store.transact("daemon", async (transaction) => {
    const experiment = await experimentById(transaction.db, experimentId);
    const runs = await placedRuns(transaction.db, experimentId);
    if (![...makersOf(runs).keys()].every((id) => code.has(id))) return false;
    const standings = hasNeeds(experiment.definition) ? await standingsOf(transaction.db, runs) : null;
    const missing_needs = await missingNeeds(transaction.db, experiment, wantingRuns(experiment, runs));
    const held_needs = standings === null ? [] : await heldNeeds(transaction.db, runs, standings);
    const facts = { ...factsOf(experiment, runs, standings), missing_needs, held_needs };
    const step = nextExperimentStep(experiment, facts);
    if (step.do === "append") await transaction.append(step.events);
    if (step.do === "decide") await decide(transaction, experiment, runs, code);
    return true;
  });
  // A run was made for yet another experiment in between.
  if (!isDone) await advanceExperiment(lab, experimentId);
}

async function stageIsComplete(lab: Lab, experimentId: string): Promise<boolean> {
  const experiment = await experimentById(lab.store.db, experimentId);
  if (experiment.stage === experiment.definition.stages.length - 1) return false;
  const tally = await tallyOf(lab.store.db, experimentId, experiment.stage);
  return tally.pending + tally.active === 0;
}

/** Runs of the present stage that were not started, or were stopped, for want of others. */
function wantingRuns({ stage }: ExperimentRecord, runs: readonly PlacedRun[]): { id: string }[] {
  const wanting = runs.filter(({ stages, state, reason }) => {
    return stages.includes(stage) && state === "cancelled" && reason?.code === needFailed;
  });
  return wanting.map(({ run_id: id }) => ({ id }));
}

/** @param standings where runs stand, as far as that is not their state */
function factsOf(
  experiment: ExperimentRecord,
  runs: readonly PlacedRun[],
  standings: ReadonlyMap<string, RunState> | null,
): StageFacts {
  const facts: StageFacts = {
    tally: { pending: 0, active: 0, done: 0, failed: 0, held: 0, cancelled: 0, invalid: 0 },
    measurements: [],
  };
  const inStage = runs.filter((run) => run.stages.includes(experiment.stage));
  for (const run of inStage) facts.tally[standings?.get(run.run_id) ?? run.state] += 1;
  const failed = inStage.find(({ state }) => state === "failed" || state === "invalid");
  return { ...facts, measurements: measurementsOf(inStage), first_failure: failed?.reason ?? null };
}

/** Checks the final stage's runs against each other, then evaluates the rule; all in the same transaction. */
async function decide(
  transaction: Transaction,
  experiment: ExperimentRecord,
  runs: readonly PlacedRun[],
  code: ComparedCode,
): Promise<void> {
  const entity = experiment.id;
  await transaction.append([{ kind: "experiment.deciding", entity, data: {} }]);
  const failures = failedChecks(experiment, runs);
  if (failures.length > 0) {
    await transaction.append([
      ...(await invalidations(transaction, experiment, failures, runs)),
      { kind: "check.failed", entity, data: { failures: failures as unknown as Json[] } },
      {
        kind: "experiment.held",
        entity,
        data: {
          code: "checks-failed",
          reason: failures.map((failure) => `${failure.rule}: ${failure.message}`).join(" "),
          options: [
            `rigor results ${reference(experiment)}`,
            mendOption,
            `rigor rerun ${reference(experiment)} --failed`,
            `rigor release ${reference(experiment)} --without-failed`,
            `rigor cancel ${reference(experiment)}`,
          ],
        },
      },
    ]);
    return;
  }
  const decision = await decideExperiment(experiment, runs, code);
  await transaction.append([{ kind: "experiment.decided", entity, data: { decision: decision as unknown as Json } }]);
}

/**
 * The runs that failed are invalid, and can be run again. A run that another experiment uses too is left as it is: by
 * that one's rules it may be good, and a decision that rests on it must not lose it behind its back.
 */
async function invalidations(
  transaction: Transaction,
  experiment: ExperimentRecord,
  failures: readonly AcrossFailure[],
  runs: readonly PlacedRun[],
): Promise<DomainEvent[]> {
  const done = runs.filter((run) => run.state === "done").map((run) => run.run_id);
  const shared = await sharedElsewhere(transaction.db, done, experiment.id);
  const own = new Set(done.filter((id) => !shared.has(id)));
  const events = new Map<string, DomainEvent>();
  for (const { rule, message, run_ids } of failures) {
    for (const id of run_ids) {
      if (!own.has(id) || events.has(id)) continue;
      events.set(id, { kind: "run.invalidated", entity: id, data: { reason: { code: rule, message } } });
    }
  }
  return [...events.values()];
}
