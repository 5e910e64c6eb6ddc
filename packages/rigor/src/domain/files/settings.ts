import { z } from "zod";
import { defaultMaxRuns } from "../design.ts";
import { RigorError } from "../errors.ts";
import { agentSettingsSchema } from "../issues/agent-settings.ts";
import { computeSchema, type LocalCompute } from "./compute-schema.ts";
import { check } from "./explain.ts";
import * as field from "./fields.ts";
import { Problems } from "./problems.ts";
import { readYaml } from "./source.ts";

// The keys of `rigor.yaml`. The descriptions are printed in docs/experiment-file.md.

const computeName = field.patternName(
  /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/,
  "letters, digits, `-`, `_` and `.`, not starting with `-` or `.`",
);

export const settingsSchema = z.strictObject({
  compute: z
    .record(computeName, computeSchema)
    .default({})
    .describe("Machines that runs may use, by name; `local` exists without being named."),
  limits: z
    .strictObject({
      max_runs: z.int().min(1).default(defaultMaxRuns).describe("An experiment that asks for more runs is refused."),
    })
    .prefault({})
    .describe("Limits that guard against slips."),
  agents: agentSettingsSchema.prefault({}).describe("Who works on issues, and what they may do."),
});

/** The content of `rigor.yaml` with defaults filled in. */
export type Settings = z.output<typeof settingsSchema>;

const next = "Correct the file and try again. Every key is in docs/experiment-file.md of the package `rigor`.";

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
