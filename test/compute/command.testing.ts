import { readFileSync } from "node:fs";
import { CommandScheduler } from "../../packages/rigor/src/compute/schedulers/command.ts";
import type { CommandCompute, Compute } from "../../packages/rigor/src/domain/files/compute-schema.ts";
import { parseSettings } from "../../packages/rigor/src/domain/files/settings.ts";
import type { HostShell } from "../../packages/rigor/src/hosts/shell.ts";
import { CountingLogin, SchedulerBench } from "./scheduler.testing.ts";

const page = readFileSync(new URL("../../docs/compute.md", import.meta.url), "utf8");

/** The compute of each `rigor.yaml` that docs/compute.md shows. */
export function examples(replacements: Readonly<Record<string, string>> = {}): Readonly<Record<string, Compute>> {
  const blocks = [...page.matchAll(/^```yaml\n(compute:\n[^]*?)^```$/gm)].map(([, block = ""]) => block);
  const read = blocks.map((block) => {
    const text = Object.entries(replacements).reduce((whole, [from, to]) => whole.replaceAll(from, to), block);
    return parseSettings(text, { file: "rigor.yaml" }).compute;
  });
  return Object.assign({}, ...read) as Record<string, Compute>;
}

/** An example of a scheduler that is described by commands. */
export function documented(
  name: "gridengine" | "containers",
  replacements?: Readonly<Record<string, string>>,
): CommandCompute {
  const compute = examples(replacements)[name];
  if (compute?.kind !== "command") throw new Error(`docs/compute.md has no example for ${name}.`);
  return compute;
}

/** What a login may have set, and what must not change what the commands do, nor reach a job. */
const misleading = {
  BASH_ENV: "/nowhere/noise",
  RIGOR_IDS: "1 2 3",
  RIGOR_SECONDS: "7",
  SGE_ROOT: "/nowhere",
  LEAKED: "yes",
};

export interface CommandPlace {
  scratch: string;
  /** Commands that are counted. */
  programs: readonly string[];
  path?: string;
}

/** Batches at a scheduler that is described by commands. */
export class CommandBench extends SchedulerBench {
  constructor({ scratch, programs, path }: CommandPlace, shell: HostShell, settings: CommandCompute) {
    const login = new CountingLogin(shell, { ...misleading, ...(path === undefined ? {} : { PATH: path }) }, programs);
    super(new CommandScheduler(login, { ...settings, workdir: `${scratch}/it's work` }), login, scratch);
  }
}
