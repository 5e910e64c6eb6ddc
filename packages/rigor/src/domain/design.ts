import type { Json } from "./canonical.ts";
import { RigorError } from "./errors.ts";
import type { Cell, Experiment, Stage } from "./experiment.ts";

/** A run that an experiment asks for: one cell with one seed. */
export interface PlannedRun {
  cell: Cell;
  seed: number;
  /** Indexes of the stages that ask for it, ascending; the last stage of the experiment is the final one. */
  stages: number[];
}

type Design = Pick<Experiment, "arms" | "tasks" | "parameters" | "seeds" | "stages">;

/** More runs than this are refused unless the user raises the limit. */
export const defaultMaxRuns = 10_000;

/** Every combination of arm, task and grid values, in the order of the file: the arm changes slowest. */
export function cells(experiment: Omit<Design, "seeds" | "stages">): Cell[] {
  const points = gridPoints(experiment.parameters);
  return Object.entries(experiment.arms).flatMap(([arm, { parameters: ofArm }]) =>
    Object.entries(experiment.tasks).flatMap(([task, { parameters: ofTask }]) =>
      points.map((grid) => ({ arm, task, grid, parameters: { ...ofTask, ...ofArm, ...grid } })),
    ),
  );
}

function gridPoints(parameters: Experiment["parameters"]): Record<string, Json>[] {
  let points: Record<string, Json>[] = [{}];
  for (const [name, { values }] of Object.entries(parameters)) {
    points = points.flatMap((point) => values.map((value) => ({ ...point, [name]: value })));
  }
  return points;
}

/** Each cell with each seed that any stage asks for, once: by cell, then in the order of the experiment's seeds. */
export function plannedRuns(experiment: Design): PlannedRun[] {
  const stageSeeds = experiment.stages.map(({ seeds }) => (seeds === null ? null : new Set(seeds)));
  return cells(experiment).flatMap((cell) => {
    const covering = stagesOf(experiment.stages, cell.arm, cell.task);
    return experiment.seeds
      .map((seed) => ({ cell, seed, stages: covering.filter((stage) => stageSeeds[stage]?.has(seed) ?? true) }))
      .filter(({ stages }) => stages.length > 0);
  });
}

/** The artifacts that a run of an arm writes. */
export function artifactsOf({ arms, outputs }: Pick<Experiment, "arms" | "outputs">, arm: string): string[] {
  return arms[arm]?.artifacts ?? outputs.artifacts;
}

/** All that a run of an arm leaves: its result file and its artifacts. */
export function outputPaths(experiment: Pick<Experiment, "arms" | "outputs">, arm: string): string[] {
  return [experiment.outputs.result, ...artifactsOf(experiment, arm)];
}

/** The metrics that a run of an arm reports. */
export function metricsOf({ arms, metrics }: Pick<Experiment, "arms" | "metrics">, arm: string): string[] {
  return arms[arm]?.metrics ?? Object.keys(metrics);
}

function stagesOf(stages: Stage[], arm: string, task: string): number[] {
  return stages.flatMap((stage, index) => (covers(stage.arms, arm) && covers(stage.tasks, task) ? [index] : []));
}

function covers(names: string[] | null, name: string): boolean {
  return names === null || names.includes(name);
}

/** The length of `plannedRuns`, without making them: arms and tasks that are in the same stages are counted together. */
export function countRuns(experiment: Design): number {
  const { stages, seeds } = experiment;
  const arms = groupByStages(Object.keys(experiment.arms), stages, (stage) => stage.arms);
  const tasks = groupByStages(Object.keys(experiment.tasks), stages, (stage) => stage.tasks);
  const points = Object.values(experiment.parameters).reduce((product, { values }) => product * values.length, 1);
  let pairsWithSeeds = 0;
  for (const armGroup of arms) {
    for (const taskGroup of tasks) {
      const shared = armGroup.stages.filter((stage) => taskGroup.stages.includes(stage));
      pairsWithSeeds += armGroup.size * taskGroup.size * seedsOf(shared, seeds);
    }
  }
  return pairsWithSeeds * points;
}

function groupByStages(
  names: string[],
  stages: Stage[],
  namesOf: (stage: Stage) => string[] | null,
): { stages: Stage[]; size: number }[] {
  const members = stages.map((stage) => {
    const listed = namesOf(stage);
    return listed === null ? null : new Set(listed);
  });
  const groups = new Map<string, { stages: Stage[]; size: number }>();
  for (const name of names) {
    const inStages = stages.filter((_, index) => members[index]?.has(name) ?? true);
    const key = inStages.map((stage) => stages.indexOf(stage)).join();
    const group = groups.get(key) ?? { stages: inStages, size: 0 };
    group.size += 1;
    groups.set(key, group);
  }
  return [...groups.values()];
}

function seedsOf(stages: Stage[], all: number[]): number {
  if (stages.some((stage) => stage.seeds === null)) return all.length;
  return new Set(stages.flatMap((stage) => stage.seeds ?? [])).size;
}

/**
 * @param where file, line and column of what asks for them
 * @throws RigorError `limit-exceeded` when an experiment asks for more runs than allowed.
 */
export function refuseAbove(limit: number, runs: number, where: string): void {
  if (runs <= limit) return;
  throw new RigorError(
    "limit-exceeded",
    `${where}: the experiment asks for ${thousands(runs)} runs; the limit is ${thousands(limit)}.`,
    {
      next: `Ask for fewer seeds or parameter values, or raise the limit: \`--max-runs ${Math.ceil(runs)}\`, or \`limits.max_runs\` in rigor.yaml.`,
    },
  );
}

function thousands(value: number): string {
  return value.toLocaleString("en-US");
}
