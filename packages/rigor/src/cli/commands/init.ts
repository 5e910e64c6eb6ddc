import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import type { Context } from "../context.ts";
import { experimentDirectory, newFiles, type NewFile } from "../init/files.ts";
import { examine, findRepository, installedAndNotIgnored, type Repository } from "../init/repository.ts";
import type { Invocation } from "../invocation.ts";
import { quoted } from "../output/shell.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const repository = await findRepository(resolve(invocation.word(0) ?? "."));
  const findings = await examine(repository, context.environment);
  const files = await newFiles(repository, findings);
  // A directory that exists is somebody's: not even files that it lacks are added to it.
  const taken = existsSync(experimentDirectory(repository));
  const ignore = await ignoreFile(repository);
  const written = await writeNew([...ignore, files.settings, ...(taken ? [] : files.first)]);
  const open = await installedAndNotIgnored(repository);
  const shown = (path: string) => relative(process.cwd(), path) || path;
  const experiment = shown(files.first[0]?.path ?? experimentDirectory(repository));
  const answer = {
    repository: repository.root,
    written: written.map(shown),
    kept: [
      ...(written.includes(files.settings.path) ? [] : [files.settings.path]),
      ...(taken ? [experimentDirectory(repository)] : []),
    ].map(shown),
    experiment,
    language: findings.language,
    environment: findings.environment,
  };
  await context.answer(answer, ({ written, kept, environment, experiment }) => [
    ...written.map((path) => `wrote  ${path}`),
    ...kept.map((path) => `kept   ${path} (it was there already)`),
    ...(taken ? [] : ["", `Environment of the runs: ${environmentText(environment)}.`]),
    "",
    ...(open.length === 0
      ? []
      : [`Add ${open.join(" and ")} to .gitignore first: what is not ignored goes into snapshots.`, ""]),
    ...nextLines(experiment, taken, environment.manager),
  ]);
  return 0;
}

/** Where Rigor itself was installed beside a new repository, its first snapshot would be refused as too large. */
async function ignoreFile(repository: Repository): Promise<NewFile[]> {
  const names = await installedAndNotIgnored(repository);
  if (names.length === 0) return [];
  return [{ path: join(repository.root, ".gitignore"), text: names.map((name) => `${name}\n`).join("") }];
}

function nextLines(experiment: string, taken: boolean, manager: string): string[] {
  if (taken && !existsSync(experiment)) return ["Next: write an experiment file, then `rigor run FILE`."];
  const command = `  rigor run ${quoted(experiment)}`;
  if (taken) return ["Next:", command];
  return [
    "Next:",
    command,
    "",
    ...(manager === "none" ? [] : ["The environment is built first, once."]),
    "The runs take a few seconds and find out how best to estimate the centre of a sample. You need not commit anything:",
    "files that are not committed yet go into a snapshot beside your branch.",
  ];
}

/** Writes files that do not exist yet; the paths of those written. */
async function writeNew(files: readonly NewFile[]): Promise<string[]> {
  const written: string[] = [];
  for (const { path, text } of files) {
    await mkdir(dirname(path), { recursive: true });
    try {
      await writeFile(path, text, { flag: "wx" });
      written.push(path);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
  return written;
}

function environmentText({ manager, lock }: { manager: string; lock: string | null }): string {
  if (manager === "none") return "none, they use what this machine has";
  return lock === null ? manager : `${manager} from ${lock}`;
}
