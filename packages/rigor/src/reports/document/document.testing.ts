import type { Comparison, Experiment } from "../../domain/experiment.ts";
import { confidenceCap } from "../../statistics/confidence.ts";
import { decide } from "../../statistics/decision.ts";
import { resultTable } from "../../statistics/table.ts";
import type { DocumentFacts, DocumentRun } from "./facts.ts";

/** Builders for the tests of this folder: facts as the bench would give them, from values by arm, task and seed. */

export type Values = Record<string, Record<string, readonly number[]>>;

export interface Design {
  values: Values;
  metric: string;
  goal: "maximize" | "minimize";
  unit: string | null;
  comparisons: Partial<Comparison>[];
  question: string | null;
  /** Number of seeds that the plan asks for; more than there are values leaves runs without a result. */
  planned: number;
}

const usual: Values = {
  base: { sst2: [0.811, 0.824, 0.807, 0.819, 0.815], mnli: [0.611, 0.603, 0.62, 0.607, 0.612] },
  ours: { sst2: [0.931, 0.936, 0.928, 0.939, 0.934], mnli: [0.642, 0.637, 0.655, 0.644, 0.648] },
};

export function facts(changes: Partial<Design> = {}): DocumentFacts {
  const { values, metric, goal, unit, comparisons, question, planned } = {
    ...{ values: usual, metric: "accuracy", goal: "maximize" as const, unit: null, question: "Does it help?" },
    ...{ comparisons: [{}], planned: 0, ...changes },
  };
  const definition = experiment({ values, metric, goal, unit, comparisons, question });
  const runs = runsOf(values, metric, planned);
  const places = runs.map(({ arm, task, grid, seed }) => ({ arm, task, grid, seed }));
  const measurements = runs.flatMap(({ run_id, arm, task, grid, seed, result }) =>
    result === null ? [] : [{ run_id, arm, task, grid, seed, metric, value: result.metrics[metric] ?? 0 }],
  );
  const table = resultTable({ experiment: definition, metric, planned: places, measurements });
  const counted = (arm: string, task: string) => places.filter((one) => one.arm === arm && one.task === task).length;
  const decision = comparisons.length === 0 ? null : decide({ experiment: definition, planned: places, measurements });
  const confidence = confidenceCap({
    seeds: Math.min(...table.rows.flatMap(({ cells }) => cells.map(({ n }) => n))),
    effects: decision?.comparisons ?? [],
    open_concerns: 0,
    reproduced: false,
  });
  return {
    experiment: { reference: "warmup@2", file: "experiments/warmup.yaml", plan_hash: "a1".repeat(32) },
    definition,
    tables: [
      {
        ...table,
        rows: table.rows.map((row) => ({
          ...row,
          cells: row.cells.map((cell) => ({ ...cell, planned: counted(row.arm, cell.task) })),
        })),
      },
    ],
    decision:
      decision === null ? null : { ...decision, preregistered: true, notes: [], confidence, provisional: false },
    notes: [],
    runs,
    confidence,
    reproduction: {
      commits: [{ commit: "c0ffee".repeat(6), runs: runs.length }],
      snapshot_of: null,
      command: "python train.py --task {task} --seed {seed}",
      environment: { manager: "pip", lock: "requirements.txt", lock_hash: "b2".repeat(32), setup: null },
      inputs: [{ name: "corpus", path: "data/corpus.txt", sha256: "d4".repeat(32) }],
    },
  };
}

function experiment({ values, metric, goal, unit, comparisons, question }: Omit<Design, "planned">): Experiment {
  const arms = Object.keys(values);
  const tasks = Object.keys(Object.values(values)[0] ?? {});
  const [than = "", better = ""] = arms;
  return {
    name: "warmup",
    question,
    hypothesis: null,
    metrics: { [metric]: { goal, unit, range: [null, null] } },
    primary_metric: metric,
    arms: Object.fromEntries(
      arms.map((arm, index) => [
        arm,
        {
          role: index === 0 ? "baseline" : "ours",
          parameters: { warmup: 500 * index },
          needs: [],
          metrics: null,
          artifacts: null,
        },
      ]),
    ),
    tasks: Object.fromEntries(tasks.map((task) => [task, { parameters: {} }])),
    parameters: {},
    needs: [],
    seeds: Object.values(Object.values(values)[0] ?? {})[0]?.map((_, seed) => seed) ?? [],
    code: ["train.py"],
    environment: { manager: "pip", lock: "requirements.txt", setup: null, variables: {}, pass: [] },
    inputs: { corpus: { path: "data/corpus.txt" } },
    run: "python train.py --task {task} --seed {seed}",
    resources: { cpus: 1, gpus: 0, gpu_memory: null, memory: null, time: null },
    outputs: { result: "result.json", artifacts: [] },
    checks: { chance: {}, same_inputs: true, zero_allowed: [], constant_allowed: [] },
    stages: [{ name: "full", seeds: null, arms: null, tasks: null, pass: { all_succeed: true, metrics: [] } }],
    decision: {
      correction: "holm",
      comparisons: comparisons.map((one) => ({
        ...{ better, than, metric, test: "paired-t" as const, alpha: 0.05, min_effect: 0, task: null },
        ...one,
      })),
    },
    budget: { gpu_hours: null, wall: null },
    retry: { infrastructure: 3, preemption: "unlimited", code: 0 },
    compute: ["local"],
  };
}

function runsOf(values: Values, metric: string, planned: number): DocumentRun[] {
  return Object.entries(values).flatMap(([arm, tasks], a) =>
    Object.entries(tasks).flatMap(([task, list], t) =>
      Array.from({ length: Math.max(planned, list.length) }, (_, seed): DocumentRun => {
        const value = list[seed];
        const run_id = [a, t, seed]
          .map((part) => String(part).padStart(4, "0"))
          .join("")
          .padEnd(64, "e");
        const place = { run_id, arm, task, grid: {}, seed };
        if (value === undefined) return { ...place, state: "failed", result: null };
        const made = { host: "gpu-1", commit: "c0ffee".repeat(6), finished_at: "2030-01-01T00:00:00.000Z" };
        return { ...place, state: "done", result: { metrics: { [metric]: value }, ...made } };
      }),
    ),
  );
}

/** A document without problems, with other content in some sections. */
export function documentWith(changes: Record<string, string> = {}, title = "A warm-up helps"): string {
  const sections: Record<string, string> = {
    Question: "Does a warm-up of the learning rate help?",
    Why: "Nobody had compared them on these tasks.",
    Method: "Two arms, 5 seeds each.",
    Results:
      "::decision\n\n::table\n\n::figure{comparison=1}\n\nOurs reaches :value[mean accuracy]{arm=ours task=sst2}.",
    Takeaways: "Ours is ahead: :comparison[effect]{number=1}.",
    Confidence: "::confidence{level=moderate}",
    Limits: "Two tasks.",
    "Next steps": "Other schedules.",
    Reproduce: "::reproduce",
    ...changes,
  };
  const parts = Object.entries(sections).map(([name, content]) => `## ${name}\n\n${content}\n`);
  return `---\nexperiment: warmup@2\n---\n\n# ${title}\n\n${parts.join("\n")}`;
}
