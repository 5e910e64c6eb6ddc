import { z } from "zod";
import { defaultMaxRuns } from "../design.ts";
import { RigorError } from "../errors.ts";
import { check } from "./explain.ts";
import * as field from "./fields.ts";
import { Problems } from "./problems.ts";
import { readYaml } from "./source.ts";
import { readSize, type Reading } from "./units.ts";

// The keys of `rigor.yaml`. The descriptions are printed in docs/experiment-file.md.

const wholeNumber = (value: unknown, least: number): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= least;

function readGpus(value: unknown): Reading<"auto" | number | number[]> {
  const problem = "expected `auto`, a number of GPUs, or a list of their indexes such as `[0, 2]`";
  if (value === "auto" || wholeNumber(value, 0)) return { value };
  if (!Array.isArray(value) || !value.every((index) => wholeNumber(index, 0))) return { problem };
  return new Set(value).size === value.length ? { value } : { problem: "a GPU is listed twice" };
}

function readCpus(value: unknown): Reading<"auto" | number> {
  return value === "auto" || wholeNumber(value, 1)
    ? { value }
    : { problem: "expected `auto`, or a number of cores of at least 1" };
}

function readMemory(value: unknown): Reading<"auto" | number> {
  return value === "auto" ? { value } : readSize(value);
}

const localCompute = z.strictObject({
  kind: z.literal("local").describe("This machine; no other kind is supported yet."),
  gpus: field.read("`auto`, number, or list of indexes", readGpus).default("auto").describe("GPUs that runs may use."),
  cpus: field.read("`auto` or number", readCpus).default("auto").describe("CPU cores that runs may use together."),
  memory: field.read("`auto` or size", readMemory).default("auto").describe("Main memory that runs may use together."),
});

const computeName = field.patternName(
  /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/,
  "letters, digits, `-`, `_` and `.`, not starting with `-` or `.`",
);

export const settingsSchema = z.strictObject({
  compute: z
    .record(computeName, z.discriminatedUnion("kind", [localCompute]))
    .default({})
    .describe("Machines that runs may use, by name; `local` exists without being named."),
  limits: z
    .strictObject({
      max_runs: z.int().min(1).default(defaultMaxRuns).describe("An experiment that asks for more runs is refused."),
    })
    .prefault({})
    .describe("Limits that guard against slips."),
});

/** The content of `rigor.yaml` with defaults filled in. */
export type Settings = z.output<typeof settingsSchema>;
export type LocalCompute = z.output<typeof localCompute>;

const next = "Correct the file and try again; docs/experiment-file.md lists every key.";

/**
 * Reads `rigor.yaml`; an empty text gives the defaults. `compute.local` always exists.
 *
 * @throws RigorError `file-invalid` as `parseExperiment` does.
 */
export function parseSettings(text: string, { file }: { file: string }): Settings {
  const problems = new Problems(file);
  const source = readYaml(text, problems);
  problems.throwIfAny(next);
  if (source === null) throw new RigorError("internal", `${file} could not be read, and no reason is known.`);
  const settings = check(settingsSchema, { ...source, value: source.value ?? {} }, problems);
  problems.throwIfAny(next);
  if (settings === null) throw new RigorError("internal", `${file} breaks the schema, and no reason is known.`);
  const local: LocalCompute = { kind: "local", gpus: "auto", cpus: "auto", memory: "auto" };
  return { ...settings, compute: { local, ...settings.compute } };
}
