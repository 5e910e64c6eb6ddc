import { readFileSync } from "node:fs";
import { z } from "zod";
import { variableName } from "../../bench/attempts/job.ts";
import { AttemptDirectory } from "../../compute/attempt/attempt-directory.ts";
import { moduleLines } from "../../compute/schedulers/batch-script.ts";
import { keptVariables } from "../../compute/schedulers/commands.ts";
import { usualEnvironment } from "../../compute/attempt/usual-environment.ts";
import { renderCommand } from "../../domain/command.ts";
import { needPaths } from "../../domain/needs.ts";
import type { AttemptRecord, ExperimentRecord, RunRecord } from "../../domain/records.ts";
import type { RunDetail } from "../contract/views/runs.ts";
import { hasCode, isMissing } from "../../hosts/system-errors.ts";

/**
 * Commands that repeat a run in any POSIX shell of the compute where it was tried last: the same checkout, environment,
 * variables, inputs and parameters, from the beginning, into a new directory. Values that are handed through to runs are secrets: the person's shell must have
 * them. Empty for a run that was never started, because nothing is prepared for it yet, and for one whose last attempt left
 * nothing of what it was handed.
 *
 * @param modules environment modules of that compute
 */
export function presentRepeat(
  { definition }: Pick<ExperimentRecord, "definition">,
  run: RunRecord,
  attempt: AttemptRecord | undefined,
  modules: readonly string[],
): Pick<RunDetail, "repeat" | "repeat_on"> {
  const spec = attempt === undefined ? null : readSpec(attempt);
  if (attempt === undefined || spec === null) return { repeat: "", repeat_on: null };
  return {
    repeat: repeatText(definition, run, spec, modules),
    repeat_on: spec.path_prefix === undefined ? null : attempt.compute,
  };
}

function repeatText(
  definition: ExperimentRecord["definition"],
  run: RunRecord,
  spec: z.infer<typeof specification>,
  modules: readonly string[],
): string {
  const { RIGOR_RESUME: _, ...recorded } = spec.environment;
  const variables = [
    ...surroundings(spec, modules),
    ...Object.entries({ ...recorded, RIGOR_RUN_ID: run.id }).map(([name, value]) => `${name}=${shown(value)}`),
    'RIGOR_OUTPUT="$repeat/output"',
    'RIGOR_PARAMETERS="$repeat/parameters.json"',
    ...definition.environment.pass.map((name) => `${name}="\${${name}:?must be set}"`),
  ];
  return [
    "(",
    "set -e",
    "repeat=$(mktemp -d)",
    'mkdir "$repeat/output"',
    `printf '%s\\n' ${shown(JSON.stringify(run.parameters))} > "$repeat/parameters.json"`,
    `cd ${shown(spec.working_directory)}`,
    'echo "Output: $repeat/output"',
    `env -i ${variables.join(" \\\n")} \\\n${commandWords(definition, run, spec)}`,
    ")",
  ].join("\n");
}

const specification = z.object({
  working_directory: z.string(),
  environment: z.record(z.string(), z.string()),
  path_prefix: z.array(z.string()).optional(),
});

/** With these a login tells where its modules are. */
const moduleVariables = ["MODULESHOME", "LMOD_PKG", "MODULEPATH"];

/** What a job begins with: here what the daemon has, elsewhere what a login there has, with its modules. */
function surroundings(
  { path_prefix: prefix, environment }: z.infer<typeof specification>,
  modules: readonly string[],
): string[] {
  if (prefix !== undefined) {
    const path = prefix.map((one) => `${shown(one)}:`).join("");
    const before = path === "" ? [] : [`PATH=${path}"$PATH"`];
    if (modules.length === 0) return [...keptVariables(), ...before];
    const script = [...moduleLines(modules), ["exec env", ...before, '"$@"'].join(" ")].join("\n");
    return [...keptVariables(moduleVariables), `/bin/sh -c ${shown(script)} sh`];
  }
  return Object.entries(usualEnvironment()).flatMap(([name, value]) =>
    name in environment ? [] : [`${name}=${shown(value)}`],
  );
}

/** The attempt as it was handed over; null if its directory was removed, or a run has damaged it. */
function readSpec({ directory }: AttemptRecord): z.infer<typeof specification> | null {
  try {
    const text = readFileSync(new AttemptDirectory(directory).spec, "utf8");
    return specification.safeParse(JSON.parse(text)).data ?? null;
  } catch (error) {
    if (isMissing(error) || hasCode(error, "EISDIR") || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Stands for the output directory until it is known, in the shell. */
const outputMark = "/rigor-output-directory/";

function commandWords(
  definition: ExperimentRecord["definition"],
  run: RunRecord,
  spec: z.infer<typeof specification>,
): string {
  const { inputs, run: command } = definition;
  const paths = Object.keys(inputs).map((name) => [name, spec.environment[`RIGOR_INPUT_${variableName(name)}`] ?? ""]);
  const rendered = renderCommand(command, {
    seed: run.seed,
    arm: run.arm,
    task: run.task,
    parameters: run.parameters,
    inputs: Object.fromEntries(paths) as Record<string, string>,
    needs: needPaths(definition, run, spec.environment["RIGOR_NEEDS"] ?? ""),
    output: outputMark,
    run_id: run.id,
    attempt: Number(spec.environment["RIGOR_ATTEMPT"]),
    resume: null,
  });
  if ("argv" in rendered) return rendered.argv.map(shown).join(" ");
  // The inner shell is given quotes to put the variable into, the outer one leaves it alone.
  return `/bin/sh -c ${shown(rendered.shell)}`;
}

/** A value as one word of a shell, of printable characters and line ends only. */
function shown(value: string): string {
  const parts = value.split(outputMark).map((part) => part.replace(/['\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, inShell));
  return `'${parts.join(`'"$repeat/output"'`)}'`;
}

/** A character in the middle of a quoted word: the quote is closed, and opened again after it. */
function inShell(character: string): string {
  if (character === "\n") return character;
  if (character === "'") return String.raw`'\''`;
  const octal = [...Buffer.from(character)].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`);
  return `'"$(printf '${octal.join("")}')"'`;
}
