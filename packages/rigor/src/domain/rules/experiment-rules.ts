import type { DomainEvent } from "../events/registry.ts";
import type { Measurement, PassRule } from "../experiment.ts";
import { duration, number } from "../format/numbers.ts";
import type { RunState } from "../lifecycle.ts";
import type { AttemptRecord, ExperimentRecord, HoldCode } from "../records.ts";

/** How many runs of a stage are in each state. */
export type Tally = Record<RunState, number>;

export const emptyTally = (): Tally => ({
  pending: 0,
  active: 0,
  done: 0,
  failed: 0,
  held: 0,
  cancelled: 0,
  invalid: 0,
});

/** What an experiment does next. `rest` waits for runs; `decide` asks for the checks and the decision. */
export type ExperimentStep = { do: "rest" } | { do: "append"; events: DomainEvent[] } | { do: "decide" };

/** What is known of the stage that an experiment is in. */
export interface StageFacts {
  tally: Tally;
  /** Recorded values of the stage's runs that are done. */
  measurements: readonly Measurement[];
  /** Other experiments for want of whose runs some of the stage have no result. */
  missing_needs?: readonly MissingNeed[];
  /** Held runs of other experiments that some of the stage wait for. */
  held_needs?: readonly HeldNeed[];
  /** Why the first of the stage's runs that failed, or were refused, did. */
  first_failure?: { code: string; message: string } | null;
}

/** A held run of another experiment that is waited for. */
export interface HeldNeed {
  /** The beginning of its id. */
  run: string;
  /** NAME@VERSION */
  experiment: string;
  why: string;
}

/** Another experiment, for want of whose runs some have no result. */
export interface MissingNeed {
  /** NAME@VERSION */
  experiment: string;
  /** How many runs want one of it. */
  runs: number;
  /** What became of one of those that are wanted. */
  why: string;
  /** The command that makes them, and with them those that want them. */
  remedy: string;
}

/**
 * The next step of a running experiment. Pure: the same facts always give the same step, so that it can be asked
 * again after every event and after every restart.
 */
export function nextExperimentStep(experiment: ExperimentRecord, facts: StageFacts): ExperimentStep {
  if (experiment.state !== "running") return { do: "rest" };
  const { tally } = facts;
  if (tally.pending + tally.active > 0) return { do: "rest" };
  if (tally.held > 0) {
    return holdForHeld(experiment, tally.held, facts.held_needs ?? []);
  }
  const stages = experiment.definition.stages;
  const stage = stages[experiment.stage];
  if (stage === undefined) throw new Error(`${experiment.id} has no stage ${experiment.stage}`);
  const next = stages[experiment.stage + 1];
  const missing = tally.failed + tally.invalid + tally.cancelled;
  // Runs of the last stage all count in the decision, whatever its rule says.
  const tolerated = experiment.without_failed || (next !== undefined && !stage.pass.all_succeed);
  if (missing > 0 && !tolerated) return holdForFailures(experiment, facts);
  const broken = brokenRules(stage.pass, facts);
  if (broken.length > 0) {
    return hold(experiment, "stage-failed", `stage ${stage.name} did not pass: ${broken.join("; ")}`, [
      `rigor cancel ${reference(experiment)}`,
      "change the plan and run it: the new plan is a new version, and this one stays visible",
    ]);
  }
  if (next === undefined) return { do: "decide" };
  const reason = `stage ${stage.name} passed with ${plural(tally.done, "valid run", "valid runs")}`;
  return {
    do: "append",
    events: [
      { kind: "experiment.stage-started", entity: experiment.id, data: { stage: experiment.stage + 1, reason } },
    ],
  };
}

/** How people name an experiment: `NAME@VERSION`. */
export function reference(experiment: Pick<ExperimentRecord, "name" | "version">): string {
  return `${experiment.name}@${experiment.version}`;
}

const mostNamed = 3;

/** Releasing an experiment does not release what it waits for: that is named. */
function holdForHeld(experiment: ExperimentRecord, held: number, needs: readonly HeldNeed[]): ExperimentStep {
  const name = reference(experiment);
  const named = needs.slice(0, mostNamed);
  const whys = named.map((one) => `; waiting for run ${one.run} of ${one.experiment}, which is held: ${one.why}`);
  if (needs.length > named.length) whys.push(`; and for ${needs.length - named.length} more`);
  const release = needs.length === 0 ? [name] : named.map(({ run }) => run);
  return hold(experiment, "runs-held", `${plural(held, "run is", "runs are")} held${whys.join("")}`, [
    ...release.map((one) => `rigor release ${one}`),
    `rigor cancel ${name}`,
  ]);
}

/** A run is made anew when what identifies it has changed. */
export const mendOption = "mend the code or the file, and run the file again: that is a new version";

function holdForFailures(experiment: ExperimentRecord, facts: StageFacts): ExperimentStep {
  const { tally, missing_needs: needs = [], first_failure: first = null } = facts;
  const states = (["failed", "invalid", "cancelled"] as const).filter((state) => tally[state] > 0);
  const parts = states.map((state) => `${tally[state]} ${state}`);
  const missing = tally.failed + tally.invalid + tally.cancelled;
  const wanting = needs.reduce((sum, { runs }) => sum + runs, 0);
  const whys = needs.map(({ experiment: other, runs, why }) => `; ${runs} for want of runs of ${other}: ${why}`);
  if (first !== null && needs.length === 0) whys.push(`; the first: ${first.code}: ${first.message}`);
  const name = reference(experiment);
  return hold(
    experiment,
    "runs-failed",
    `${plural(missing, "run has", "runs have")} no valid result (${parts.join(", ")})${whys.join("")}`,
    [
      `rigor list ${name} ${states.map((state) => `--${state}`).join(" ")}`,
      ...(wanting < missing ? [mendOption] : []),
      ...needs.map(({ remedy }) => remedy),
      // What wants another run is not tried again before that one is.
      ...(wanting < missing ? [`rigor rerun ${name} --failed`] : []),
      `rigor release ${name} --without-failed`,
      `rigor cancel ${name}`,
    ],
  );
}

function hold(experiment: ExperimentRecord, code: HoldCode, reason: string, options: string[]): ExperimentStep {
  return { do: "append", events: held(experiment, code, reason, options) };
}

function held(experiment: ExperimentRecord, code: HoldCode, reason: string, options: string[]): DomainEvent[] {
  return [{ kind: "experiment.held", entity: experiment.id, data: { code, reason, options } }];
}

/** So many attempts at the beginning that cannot start their command are no accident: the others would fail alike. */
export const firstAttempts = 3;

/** Statuses with which shells say that a command was not found, or cannot be executed. */
export const isCommandMissing = (exit: AttemptRecord["exit"]): boolean => exit?.code === 127 || exit?.code === 126;

/**
 * Holds an experiment whose first attempts, since it began to run or was released, all failed to start their command,
 * so that the rest is not lost to the same mistake.
 *
 * @param first the first attempts that were started, of those that have ended
 * @param pending runs that would start next; without any there is nothing to save
 */
export function holdForMissingCommand(
  experiment: ExperimentRecord,
  first: readonly Pick<AttemptRecord, "exit" | "evidence">[],
  pending: number,
): DomainEvent[] {
  if (experiment.state !== "running" || pending === 0) return [];
  if (first.length < firstAttempts || !first.every(({ exit }) => isCommandMissing(exit))) return [];
  const name = reference(experiment);
  const [shown] = first;
  return held(
    experiment,
    "command-missing",
    `The first ${first.length} runs could not start their command (exit status ${shown?.exit?.code}): ${shown?.evidence}`,
    [
      "correct the command and run the file again: that is a new version",
      `rigor rerun ${name} --failed`,
      `rigor release ${name}`,
      `rigor cancel ${name}`,
    ],
  );
}

/** The parts of a stage's rule that do not hold, in words. */
function brokenRules(rule: PassRule, facts: StageFacts): string[] {
  const broken: string[] = [];
  for (const bound of rule.metrics) {
    const values = facts.measurements
      .filter((one) => one.metric === bound.metric && (bound.arm === null || one.arm === bound.arm))
      .map((one) => one.value);
    const what = bound.arm === null ? `mean ${bound.metric}` : `mean ${bound.metric} of ${bound.arm}`;
    if (values.length === 0) {
      broken.push(`${what} has no value`);
      continue;
    }
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    if (bound.at_least !== null && !(mean >= bound.at_least))
      broken.push(`${what} is ${mean}, below ${bound.at_least}`);
    if (bound.at_most !== null && !(mean <= bound.at_most)) broken.push(`${what} is ${mean}, above ${bound.at_most}`);
  }
  return broken;
}

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

/** What the attempts of an experiment have used so far. */
export interface Usage {
  gpu_hours: number;
  /** Seconds for which the experiment was running; time in which it waited for a person does not count. */
  wall: number;
}

/** A budget that forbids another run. */
export interface SpentBudget {
  reason: string;
  /** What gives it room again, for `rigor release`: doubling it. */
  option: string;
}

/** The budget that forbids another run, or null. A run that needs no GPU uses no GPU hours. */
export function spentBudget(budget: ExperimentRecord["budget"], usage: Usage, gpus: number): SpentBudget | null {
  if (budget.wall !== null && usage.wall >= budget.wall) {
    const reason = `the budget of ${duration(budget.wall)} is used up: it has been running for ${duration(Math.round(usage.wall))}`;
    return { reason, option: `--wall ${Math.ceil((2 * usage.wall) / 3_600) || 1}h` };
  }
  if (gpus > 0 && budget.gpu_hours !== null && usage.gpu_hours >= budget.gpu_hours) {
    const reason = `the budget of ${number(budget.gpu_hours)} GPU hours is used up: ${number(usage.gpu_hours)} were used`;
    return { reason, option: `--gpu-hours ${Math.ceil(2 * usage.gpu_hours) || 1}` };
  }
  return null;
}
