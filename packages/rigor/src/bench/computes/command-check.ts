import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join, posix } from "node:path";
import { commandHead, wordTexts, type CommandHead, type PlacedWord } from "../../domain/command-head.ts";
import { plannedRuns } from "../../domain/design.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Experiment } from "../../domain/experiment.ts";
import { positionOf } from "../../domain/files/source.ts";
import { closest } from "../../domain/files/suggest.ts";
import type { CodeVersion, ExperimentRecord } from "../../domain/records.ts";
import { committedKind } from "../../provenance/committed-kind.ts";
import { treeIdentity } from "../../provenance/tree.ts";

/** Runs whose commands are looked at, where they differ: enough to find what is wrong with all of them. */
const mostTexts = 100;

type Kind = "directory" | "file" | "executable" | "missing" | "unknown";

/** Where runs will find their programs and files. */
interface Surroundings {
  /** The PATH of runs; null while it is not known. */
  path: string | null;
  /** What lies at a path below the directory that commands start in. */
  kindOf(path: string): Promise<Kind>;
  /** Why a file is not there, and what may help. */
  explain(path: string): Promise<{ problem: string; next: string }>;
}

interface Missing {
  problem: string;
  next: string;
  argument: number | null;
}

/** What runs are asked for, before it is an experiment. */
type Asked = Pick<ExperimentRecord, "definition" | "search_path" | "file"> & {
  source: Pick<CodeVersion, "repository" | "commit">;
};

/**
 * Refuses a command that can never start, as far as the repository and the machine tell before an environment is
 * built: its program is on no PATH, or the script is not in the commit.
 *
 * @param text of the experiment file, for the place in it
 * @throws RigorError `file-invalid` with line and column.
 */
export async function refuseMissingCommand(
  { definition, source, search_path, file }: Asked,
  text: string,
): Promise<void> {
  const { repository, commit } = source;
  const { manager } = definition.environment;
  const missing = await findMissing(definition, {
    // What an environment brings is known when it is built.
    path: manager === "none" ? search_path : null,
    async kindOf(path) {
      const kind = await committedKind(repository, commit, path);
      const brought = manager === "npm" && path.split("/").includes("node_modules");
      return kind === "elsewhere" || (kind === "missing" && brought) ? "unknown" : kind;
    },
    async explain(path) {
      const error = await treeIdentity(repository, commit, [path]).then(
        () => null,
        (reason: unknown) => reason,
      );
      if (!(error instanceof RigorError)) throw error;
      return { problem: error.message, next: error.next ?? "" };
    },
  });
  if (missing === null) return;
  const { line, column } = positionOf(text, missing.argument === null ? ["run"] : ["run", missing.argument]);
  throw new RigorError("file-invalid", `${file}:${line}:${column}: run: ${missing.problem}`, { next: missing.next });
}

/**
 * As {@link refuseMissingCommand}, when environment and checkout are there.
 *
 * @param directory the checkout that commands start in
 * @param path the PATH of runs
 * @throws RigorError `not-found`
 */
export async function requireCommand(definition: Experiment, directory: string, path: string): Promise<void> {
  const missing = await findMissing(definition, {
    path,
    kindOf: (file) => Promise.resolve(kindOnDisk(join(directory, file))),
    explain: (file) =>
      Promise.resolve({
        problem: `${file} is not among the files of the commit.`,
        next: "Correct `run` in the experiment file, or commit the file, and run it again.",
      }),
  });
  if (missing === null) return;
  throw new RigorError("not-found", `The command cannot start: ${missing.problem}`, { next: missing.next });
}

async function findMissing(definition: Experiment, surroundings: Surroundings): Promise<Missing | null> {
  const head = commandHead(definition.run);
  const path = definition.environment.pass.includes("PATH") ? null : surroundings.path;
  const known = { ...surroundings, path: path === null || !path.split(delimiter).every(isAbsolute) ? null : path };
  return (
    (await firstMissing(definition, head.program, (text) => missingProgram(text, head, known))) ??
    (await firstMissing(definition, head.script, (text) => missingScript(text, head, known)))
  );
}

type Problem = Omit<Missing, "argument">;

async function firstMissing(
  definition: Experiment,
  placed: PlacedWord | null,
  find: (text: string) => Promise<Problem | null>,
): Promise<Missing | null> {
  if (placed === null) return null;
  const texts = wordTexts(placed.word, asked(definition));
  for (const text of [...texts].slice(0, mostTexts)) {
    const problem = text === "" ? null : await find(text);
    if (problem !== null) return { ...problem, argument: placed.argument };
  }
  return null;
}

/** The runs, made only if somebody asks. */
function* asked(definition: Experiment) {
  for (const { seed, cell } of plannedRuns(definition)) yield { seed, ...cell };
}

async function missingProgram(name: string, head: CommandHead, { path, kindOf, explain }: Surroundings) {
  if (!name.includes("/")) return path === null ? null : notOnPath(name, path);
  const place = placeOf(name, head);
  if (place === null) return null;
  const kind = isAbsolute(place) ? kindOnDisk(place) : await kindOf(place);
  if (kind === "missing") return isAbsolute(place) ? absent(place) : explain(place);
  if (kind === "directory") return { problem: `${place} is a directory, not a program.`, next: "Name a program." };
  if (kind !== "file") return null;
  return {
    problem: `${place} is not executable.`,
    next: `Make it executable and commit that (\`chmod +x ${place}\`), or name the program that reads it, such as \`sh ${place}\`.`,
  };
}

async function missingScript(name: string, head: CommandHead, { path, kindOf, explain }: Surroundings) {
  const place = placeOf(name, head);
  if (place === null) return null;
  const kind = isAbsolute(place) ? kindOnDisk(place) : await kindOf(place);
  if (kind !== "missing") return null;
  if (head.script_on_path && !name.includes("/") && (path === null || isOnPath(name, path))) return null;
  return isAbsolute(place) ? absent(place) : explain(place);
}

const absent = (place: string): Problem => ({
  problem: `${place} is not on this machine.`,
  next: "Correct the path in the experiment file.",
});

/** Where a command finds a file: absolute, or below the directory that it starts in; null if that is outside of it. */
function placeOf(name: string, { directory }: CommandHead): string | null {
  if (isAbsolute(name)) return name;
  const place = posix.normalize(`${directory}/${name}`).replace(/(.)\/$/, "$1");
  return place === ".." || place.startsWith("../") ? null : place;
}

function notOnPath(name: string, path: string): Problem | null {
  if (isOnPath(name, path)) return null;
  const near = closest(name, path.split(delimiter).flatMap(programsIn));
  return {
    problem: `there is no program \`${name}\` on PATH${near === null ? "" : `; did you mean \`${near}\`?`}`,
    next: "Correct the command, or install the program. Runs have the PATH of the shell that starts the experiment.",
  };
}

const isOnPath = (name: string, path: string): boolean =>
  path.split(delimiter).some((directory) => kindOnDisk(join(directory, name)) === "executable");

function programsIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    // A directory of PATH may be missing or closed; shells pass over it, too.
    return [];
  }
}

function kindOnDisk(path: string): Kind {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return "missing";
  if (found.isDirectory()) return "directory";
  try {
    accessSync(path, constants.X_OK);
    return "executable";
  } catch {
    return "file";
  }
}
