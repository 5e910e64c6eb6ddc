import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { CommandScheduler } from "../../packages/rigor/src/compute/schedulers/command.ts";
import { commandCompute } from "../../packages/rigor/src/domain/files/compute-schema.ts";
import type { HostShell } from "../../packages/rigor/src/hosts/shell.ts";
import { CountingLogin, SchedulerBench } from "./scheduler.testing.ts";

type Settings = Readonly<Record<string, unknown>>;

/**
 * An example of docs/compute.md, as it stands there.
 *
 * @param name what stands in the comment before it
 */
export function documented(name: "gridengine" | "container", replacements: Readonly<Record<string, string>>): Settings {
  const page = readFileSync(new URL("../../docs/compute.md", import.meta.url), "utf8");
  const [, example] = new RegExp(`<!-- tested: ${name} -->\n\`\`\`yaml\n([^]*?)\`\`\`\n`).exec(page) ?? [];
  if (example === undefined) throw new Error(`docs/compute.md has no example for ${name}.`);
  const text = Object.entries(replacements).reduce((whole, [from, to]) => whole.replaceAll(from, to), example);
  const [settings] = Object.values((parse(text) as { compute: Record<string, Settings> }).compute);
  return { ...settings, via: null };
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
  constructor({ scratch, programs, path }: CommandPlace, shell: HostShell, settings: Settings) {
    const login = new CountingLogin(shell, { ...misleading, ...(path === undefined ? {} : { PATH: path }) }, programs);
    const options = commandCompute.parse({ workdir: `${scratch}/it's work`, ...settings });
    super(new CommandScheduler(login, options), login, scratch);
  }
}
