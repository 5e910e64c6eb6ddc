import { RigorError } from "../errors.ts";
import type { DomainEvent } from "../events/registry.ts";
import { shortId } from "../format/words.ts";
import type { ExperimentRecord, RunRecord } from "../records.ts";
import { reference } from "./experiment-rules.ts";

/**
 * What a person may do to experiments and runs, as pure functions from the present state to events.
 * What the state does not permit is refused with the reason and what is possible instead.
 */

/** Asks for runs again. A valid result is revoked first, and stays in the log. */
export function rerunRuns(runs: readonly RunRecord[], reason: string): DomainEvent[] {
  return runs.flatMap((run): DomainEvent[] => {
    const requeued: DomainEvent = { kind: "run.requeued", entity: run.id, data: { reason } };
    switch (run.state) {
      case "failed":
      case "invalid":
      case "cancelled":
        return [requeued];
      case "done":
        return [
          { kind: "run.invalidated", entity: run.id, data: { reason: { code: "person", message: reason } } },
          requeued,
        ];
      case "held":
        throw notPossible(`Run ${shortId(run.id)} is held`, `Release it: rigor release ${shortId(run.id)}`);
      default:
        throw notPossible(
          `Run ${shortId(run.id)} is ${run.state} already`,
          `Follow it: rigor logs -f ${shortId(run.id)}`,
        );
    }
  });
}

/**
 * What an experiment needs so that runs of it can be dispatched again. Nothing, if a person holds it: that is for
 * {@link releaseExperiment}.
 */
export function resumeExperiment(experiment: ExperimentRecord, reason: string): DomainEvent[] {
  const entity = experiment.id;
  switch (experiment.state) {
    case "decided":
    case "cancelled":
      return [{ kind: "experiment.reopened", entity, data: { reason } }];
    case "held":
      if (isHeldByPerson(experiment)) return [];
      return [
        {
          kind: "experiment.released",
          entity,
          data: { note: reason, budget: null, without_failed: experiment.without_failed },
        },
      ];
    default:
      return [];
  }
}

/** Whether a person wants nothing of an experiment to start. */
export const isHeldByPerson = ({ state, hold }: ExperimentRecord): boolean =>
  state === "held" && hold?.code === "person";

export function cancelRun(run: RunRecord, message: string): DomainEvent[] {
  if (run.state === "done") {
    throw notPossible(`Run ${shortId(run.id)} is done`, `To discard its result: rigor rerun ${shortId(run.id)}`);
  }
  if (run.state === "cancelled") return [];
  return [{ kind: "run.cancelled", entity: run.id, data: { reason: { code: "person", message } } }];
}

/**
 * Cancels an experiment and those of its runs that nobody else waits for.
 *
 * @param runs runs of the experiment that no other running experiment asks for
 */
export function cancelExperiment(
  experiment: ExperimentRecord,
  runs: readonly RunRecord[],
  message: string,
): DomainEvent[] {
  if (experiment.state === "cancelled") return [];
  const open = runs.filter((run) => run.state === "pending" || run.state === "active" || run.state === "held");
  const cancelled = open.flatMap((run) => cancelRun(run, message));
  // A version that was superseded may still have runs under way.
  if (experiment.state === "archived" && cancelled.length > 0) return cancelled;
  if (experiment.state === "decided" || experiment.state === "archived") {
    throw notPossible(`${reference(experiment)} is ${experiment.state}`, "There is nothing left to cancel.");
  }
  return [...cancelled, { kind: "experiment.cancelled", entity: experiment.id, data: { reason: message } }];
}

export function holdExperiment(experiment: ExperimentRecord, message: string): DomainEvent[] {
  if (experiment.state === "held") return [];
  if (experiment.state !== "running") {
    throw notPossible(`${reference(experiment)} is ${experiment.state}`, "Only a running experiment can be held.");
  }
  const name = reference(experiment);
  return [
    {
      kind: "experiment.held",
      entity: experiment.id,
      data: { code: "person", reason: message, options: [`rigor release ${name}`, `rigor cancel ${name}`] },
    },
  ];
}

export function holdRun(run: RunRecord, message: string): DomainEvent[] {
  if (run.state === "held") return [];
  if (run.state !== "pending") {
    const next =
      run.state === "active"
        ? `It runs already; to stop it: rigor cancel ${shortId(run.id)}`
        : "Only a pending run can be held.";
    throw notPossible(`Run ${shortId(run.id)} is ${run.state}`, next);
  }
  return [{ kind: "run.held", entity: run.id, data: { reason: { code: "person", message } } }];
}

export interface Release {
  note: string;
  budget: ExperimentRecord["budget"] | null;
  without_failed: boolean;
}

/** Lets a held experiment go on, and its held runs with it. */
export function releaseExperiment(
  experiment: ExperimentRecord,
  heldRuns: readonly RunRecord[],
  release: Release,
): DomainEvent[] {
  if (experiment.state !== "held" && heldRuns.length === 0) {
    throw notPossible(`${reference(experiment)} is ${experiment.state}`, "Only what is held can be released.");
  }
  const failed = experiment.hold?.code === "runs-failed" || experiment.hold?.code === "checks-failed";
  if (experiment.hold !== null && failed && !release.without_failed) {
    throw notPossible(
      `${reference(experiment)} is held because ${experiment.hold.reason}`,
      `Run them again: rigor rerun ${reference(experiment)} --failed, or decide without them: rigor release ${reference(experiment)} --without-failed`,
    );
  }
  if (experiment.hold?.code === "budget" && release.budget === null) {
    throw notPossible(
      `${reference(experiment)} is held because ${experiment.hold.reason}`,
      `Raise the budget: ${experiment.hold.options[0]}`,
    );
  }
  const released: DomainEvent[] =
    experiment.state === "held" ? [{ kind: "experiment.released", entity: experiment.id, data: release }] : [];
  return [...released, ...heldRuns.flatMap((run) => releaseRun(run, release.note))];
}

export function releaseRun(run: RunRecord, note: string): DomainEvent[] {
  if (run.state !== "held") {
    throw notPossible(`Run ${shortId(run.id)} is ${run.state}`, "Only what is held can be released.");
  }
  return [{ kind: "run.released", entity: run.id, data: { note } }];
}

/** @param state what is so, as a sentence; its full stop may be missing */
function notPossible(state: string, next: string): RigorError {
  return new RigorError("not-possible", state.replace(/\.?$/, "."), { next });
}
