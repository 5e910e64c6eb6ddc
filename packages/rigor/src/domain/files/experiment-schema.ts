import { z } from "zod";
import type { Json } from "../canonical.ts";
import * as field from "./fields.ts";
import { needs } from "./needs-schema.ts";
import { readDuration, readSize, type Reading } from "./units.ts";

// The keys of an experiment file. The descriptions are printed in docs/experiment-file.md.

const experimentName = field.patternName(
  /^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}$/,
  "letters, digits, `-`, `_` and `.`, not starting with `-`, at most 100 characters",
);
const parameters = z
  .record(field.variableName, field.json)
  .default({})
  .describe("Values that the run gets, by name: any text, number, `true`, `false`, `null`, list or mapping.");

const range = field
  .read<[number | null, number | null]>("`[min, max]`, null for unbounded", readRange)
  .default([null, null])
  .describe("Closed interval in which a value is plausible; a value outside makes the run invalid.");

function readRange(input: unknown): Reading<[number | null, number | null]> {
  const problem = "expected two numbers such as `[0, 1]`, the smaller one first, `null` for no bound";
  if (!Array.isArray(input) || input.length !== 2) return { problem };
  const [min, max] = input as unknown[];
  if (!isBound(min) || !isBound(max)) return { problem };
  return min !== null && max !== null && min >= max ? { problem } : { value: [min, max] };
}

function isBound(value: unknown): value is number | null {
  return value === null || (typeof value === "number" && Number.isFinite(value));
}

const metric = z.strictObject({
  goal: z.enum(["maximize", "minimize"]).describe("Whether larger or smaller values are better."),
  range,
  unit: field.prose.nullable().default(null).describe("Unit for people, such as `nats` or `%`."),
});

const outputPath = field.relativePath("the output directory of the run").refine((path) => path !== ".", {
  message: "`.` is the output directory itself; expected a file in it",
});

const arm = emptyAllowed(
  z.strictObject({
    role: z
      .enum(["baseline", "ours", "ablation", "control", "other"])
      .default("other")
      .describe("What the arm is in the comparison; checks on baselines use it."),
    parameters,
    needs: needs.describe(
      "Runs that must be done before a run of the arm starts, and whose outputs it gets: of the same task, seed and grid values, unless it says otherwise.",
    ),
    metrics: field
      .uniqueList(field.freeName)
      .min(1)
      .nullable()
      .default(null)
      .describe("The metrics that its runs report; null is all of them."),
    artifacts: field
      .uniqueList(outputPath)
      .nullable()
      .default(null)
      .describe("The artifacts that its runs write; null is those of `outputs.artifacts`."),
  }),
);

const task = emptyAllowed(z.strictObject({ parameters }));

/** `name:` with nothing after it is a mapping without keys. */
function emptyAllowed<T extends z.ZodType>(schema: T) {
  return z.preprocess((input) => (input === null ? {} : input), schema);
}

const variableName = field.patternName(
  /^(?!RIGOR_)[A-Za-z_][A-Za-z0-9_]*$/,
  "letters, digits and `_`, not starting with a digit or with `RIGOR_`",
);
const variableValue = z.string().refine((value) => !value.includes("\0"), "a variable cannot hold a NUL byte");

/** What a run needs to be built; of a tool server, too. */
export const environment = z
  .strictObject({
    manager: z.enum(["npm", "uv", "pip", "conda", "none"]).default("none").describe("What builds the environment."),
    lock: field.relativePath("the repository").nullable().optional().meta({
      type: "path",
      default: "by manager: `package-lock.json`, `uv.lock`, `requirements.txt`, `environment.yml`, none",
      description: "File that fixes all versions; its content identifies a run.",
    }),
    setup: field.prose
      .nullable()
      .default(null)
      .describe("Shell command that builds the environment, once per host and lock; null is the manager's own."),
    variables: z
      .record(variableName, variableValue)
      .default({})
      .describe("Variables set for the run. They are recorded and identify the run, so they are no place for secrets."),
    pass: field
      .uniqueList(variableName)
      .default([])
      .describe("Names of variables handed through from where Rigor runs; their values are never recorded."),
  })
  .prefault({})
  .describe("The environment a run needs.");

const input = z.strictObject({
  path: field.relativePath("the repository").describe("A file or directory in the repository."),
});

const nulFree = z.string().refine((text) => !text.includes("\0"), "a command cannot hold a NUL byte");
const command = field.read<string | string[]>("text, or list of texts", readCommand);

function readCommand(value: unknown): Reading<string | string[]> {
  const problem = "expected a command as text, or a list of texts: a program and its arguments";
  const entries: unknown[] = Array.isArray(value) ? value : [value];
  const other = entries.findIndex((entry) => typeof entry !== "string");
  if (other >= 0 && Array.isArray(value)) {
    return { problem: `argument ${other + 1} is no text; put it in quotes, so that it is passed exactly as written` };
  }
  const [first] = entries;
  if (other >= 0 || typeof first !== "string" || first.trim() === "") return { problem };
  if (entries.some((entry) => !nulFree.safeParse(entry).success))
    return { problem: "a command cannot hold a NUL byte" };
  return { value: value as string | string[] };
}

export const resources = z
  .strictObject({
    cpus: z.int().min(1).default(1).describe("CPU cores reserved for a run."),
    gpus: z.int().min(0).default(0).describe("GPUs reserved for a run."),
    gpu_memory: field
      .orNull("size", readSize)
      .describe(
        "Memory that a run uses of each GPU. It gets GPUs with 1.2 times as much free; null, those that nobody uses.",
      ),
    memory: field.orNull("size", readSize).describe("Main memory reserved for a run; null reserves none."),
    time: field.orNull("duration", readDuration).describe("A run is stopped after this time; null never stops it."),
  })
  .prefault({})
  .describe("What a run needs of its machine.");

const outputs = z
  .strictObject({
    result: outputPath.default("result.json").describe("The file with the metrics that the run writes."),
    artifacts: field
      .uniqueList(outputPath)
      .default([])
      .describe("Other files to keep, such as weights. They identify a run: another list makes the runs anew."),
  })
  .prefault({})
  .describe("Files that a run writes, relative to its output directory.");

const metricNames = field.uniqueList(field.freeName).default([]);
const checks = z
  .strictObject({
    chance: z
      .record(field.freeName, z.number())
      .default({})
      .describe("Chance level by metric: a baseline at it, or on its wrong side, is refused."),
    same_inputs: z.boolean().default(true).describe("Every arm of a task must report the same `inputs_hash`."),
    zero_allowed: metricNames.describe("Metrics for which zero is a possible value."),
    constant_allowed: metricNames.describe("Metrics whose values may be equal for all seeds."),
  })
  .prefault({})
  .describe("Checks beside those that always run.");

const bound = z.number().nullable().default(null);
const passMetric = z.strictObject({
  metric: field.freeName.describe("A metric of the experiment."),
  arm: field.freeName.nullable().default(null).describe("The arm whose runs count; null takes all arms."),
  at_least: bound.describe("Smallest mean that passes."),
  at_most: bound.describe("Largest mean that passes."),
});

const stage = z.strictObject({
  name: field.freeName.describe("Name of the stage."),
  seeds: field.seeds.nullable().default(null).describe("Seeds of the stage; null takes all seeds of the experiment."),
  arms: field.uniqueList(field.freeName).min(1).nullable().default(null).describe("Arms of the stage; null takes all."),
  tasks: field
    .uniqueList(field.freeName)
    .min(1)
    .nullable()
    .default(null)
    .describe("Tasks of the stage; null takes all."),
  pass: z
    .strictObject({
      all_succeed: z.boolean().default(true).describe("Every run of the stage must succeed."),
      metrics: z.array(passMetric).default([]).describe("Bounds on means over the runs of the stage."),
    })
    .prefault({})
    .describe("What must hold before the next stage starts."),
});

const comparison = z.strictObject({
  better: field.freeName.describe("The arm that is expected to be better."),
  than: field.freeName.describe("The arm that it is compared with."),
  metric: field.freeName.optional().meta({ default: "`primary_metric`", description: "The metric compared." }),
  test: z.enum(["paired-t", "wilcoxon", "welch", "mann-whitney"]).default("paired-t").describe("The statistical test."),
  alpha: z.number().gt(0).lt(1).default(0.05).describe("Level of significance, after correction."),
  min_effect: z
    .number()
    .min(0)
    .default(0)
    .describe("Smallest difference that counts, in the unit of the metric and in the direction of its goal."),
  task: field.freeName
    .nullable()
    .default(null)
    .describe("The task compared; null pools all tasks, with pairs matched by task, parameters and seed."),
});

const decision = z
  .strictObject({
    comparisons: z.array(comparison).min(1).describe("All must hold for the hypothesis to be supported."),
    correction: z
      .enum(["holm", "benjamini-hochberg", "bonferroni", "none"])
      .default("holm")
      .describe("Correction of the p values for the number of comparisons."),
  })
  .nullable()
  .default(null)
  .describe("The rule that decides, stated before any result is known; null only measures.");

const attempts = z.int().min(0);

export const experimentSchema = z.strictObject({
  name: experimentName.describe("Name of the experiment: letters, digits, `-`, `_`, `.`."),
  question: field.prose.nullable().default(null).describe("The question, as a sentence."),
  hypothesis: field.prose.nullable().default(null).describe("The answer that is expected."),
  metrics: field
    .namedAtLeastOnce(field.freeName, metric, "found no metric; name at least one")
    .describe("What each run measures."),
  primary_metric: field.freeName
    .optional()
    .meta({ default: "the only metric", description: "The metric that decides; required if there are several." }),
  arms: field
    .namedAtLeastOnce(field.freeName, arm, "found no arm, so there are zero runs; name at least one")
    .describe("What is compared."),
  tasks: field
    .namedAtLeastOnce(field.freeName, task, "found no task, so there are zero runs; name at least one")
    .describe("What it is compared on."),
  parameters: z
    .record(
      field.variableName,
      z.strictObject({
        values: field.uniqueList<Json>(field.json).min(1).describe("The values; each is combined with all others."),
      }),
    )
    .default({})
    .describe("A further grid: `{ lr: { values: [0.1, 0.01] } }` runs every cell with each value."),
  seeds: field.seeds.describe("Seeds: every cell runs once with each."),
  code: field
    .uniqueList(field.relativePath("the repository"))
    .min(1)
    .default(["."])
    .describe(
      "Paths whose committed content identifies a run; `.` is the whole repository. Name everything that the run uses: a change outside these paths makes no result stale.",
    ),
  environment,
  needs: needs.describe("Runs of other experiments that every run needs; arms of this one stand in `arms.NAME.needs`."),
  inputs: z
    .record(field.variableName, input)
    .default({})
    .describe("Files that the runs read; they are hashed and recorded, and identify a run."),
  run: command.describe(
    "A POSIX shell command, or a program with its arguments that no shell reads; may hold placeholders.",
  ),
  resources,
  outputs,
  checks,
  stages: z
    .array(stage)
    .min(1)
    .default([{ name: "full", seeds: null, arms: null, tasks: null, pass: { all_succeed: true, metrics: [] } }])
    .meta({
      default: "one stage `full` with everything",
      description:
        "Runs in order; a later stage starts when the one before has passed. The last one is final: only its runs are compared.",
    }),
  decision,
  budget: z
    .strictObject({
      gpu_hours: z
        .number()
        .min(0)
        .nullable()
        .default(null)
        .describe("GPU hours of all runs together; null is unlimited."),
      wall: field
        .orNull("duration", readDuration)
        .describe("Time for which the experiment may be running; null is unlimited."),
    })
    .prefault({})
    .describe("What the experiment may use."),
  retry: z
    .strictObject({
      infrastructure: attempts.default(3).describe("Further attempts after a failure of the machine."),
      preemption: field
        .read<number | "unlimited">("whole number or `unlimited`", readPreemption)
        .default("unlimited")
        .describe("Further attempts after the scheduler took the machine away."),
      code: attempts.default(0).describe("Further attempts after a failure of the code."),
    })
    .prefault({})
    .describe("How often a run is tried again."),
  compute: field
    .uniqueList(field.patternName(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/, "letters, digits, `-`, `_` and `.`"))
    .min(1)
    .default(["local"])
    .describe("Names of compute in `rigor.yaml`, in order of preference."),
});

function readPreemption(value: unknown): Reading<number | "unlimited"> {
  if (value === "unlimited") return { value };
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return { value };
  return { problem: "expected a whole number of at least 0, or `unlimited`" };
}

/** A file that fits the schema: defaults are filled in, names are not yet checked against each other. */
export type FileExperiment = z.output<typeof experimentSchema>;
