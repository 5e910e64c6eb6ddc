import { posix } from "node:path";
import type { Kysely } from "kysely";
import { RigorError } from "../../domain/errors.ts";
import type { CodeVersion, ExperimentRecord } from "../../domain/records.ts";
import { plural } from "../../domain/format/numbers.ts";
import { shortId } from "../../domain/format/words.ts";
import { changedPaths, repositoryPath } from "../../provenance/tree.ts";
import { groupBy } from "../../statistics/places.ts";
import { decodeRow, type Database } from "../../store/tables.ts";
import { makerIds, makersOfRuns } from "../records/attempt-queries.ts";
import type { ResolvedExperiment } from "./resolve.ts";

/*
 * A run is identified by the content of the paths under `code`. What it reads besides can change, and results of
 * different code would stand in one cell without anybody noticing. So where runs rest on another commit than the one
 * that they are looked at from, the two are compared as a whole.
 */

/** How many runs were made for which experiment, by its id. Runs are shared, but each was made for one experiment. */
export type Makers = ReadonlyMap<string, number>;

/** The code of experiments, by their id: a commit, and where it differs outside `code` from the commit compared with. */
export type ComparedCode = ReadonlyMap<string, { commit: string; unlisted: readonly string[] | null }>;

/** Runs that rest on one commit. */
export interface CommitUse {
  commit: string;
  runs: number;
  /** Paths outside `code` that differ; null where the commits cannot be compared: the repository has not both. */
  unlisted: readonly string[] | null;
}

/** What says which paths are accounted for. */
type Scope = Pick<ExperimentRecord, "definition" | "file" | "environment" | "source">;

/**
 * Compares the code of the experiments, for which runs of `scope` were made, with a commit.
 *
 * @param present that the runs are looked at from, and the repository that has it
 */
export async function compareCode(
  db: Kysely<Database>,
  scope: Scope,
  experimentIds: readonly string[],
  { repository, commit: present }: Pick<CodeVersion, "repository" | "commit">,
): Promise<ComparedCode> {
  const commits = await commitsOf(db, experimentIds);
  const others = new Set(commits.values());
  others.delete(present);
  const everythingIsListed = Object.keys(scope.source.code).map(repositoryPath).includes(".");
  const unlisted = new Map<string, string[] | null>();
  if (others.size > 0 && !everythingIsListed) {
    const isAccountedFor = await accountedFor(db, scope);
    for (const commit of others) {
      const paths = await unlessGone(changedPaths(repository, commit, present));
      unlisted.set(commit, paths?.filter((path) => !isAccountedFor(path)) ?? null);
    }
  }
  return new Map(
    [...commits].map(([id, commit]) => {
      const paths = unlisted.get(commit);
      return [id, { commit, unlisted: paths === undefined ? [] : paths }];
    }),
  );
}

/** Compares the code of all experiments that may have made runs of this one with its own. */
export async function compareOwnCode(db: Kysely<Database>, experiment: ExperimentRecord): Promise<ComparedCode> {
  return compareCode(db, experiment, await makerIds(db, experiment.id), experiment.source);
}

/** The commits that runs of experiments are made from, by the id of the experiment. */
export async function commitsOf(db: Kysely<Database>, experimentIds: readonly string[]): Promise<Map<string, string>> {
  if (experimentIds.length === 0) return new Map();
  const rows = await db.selectFrom("experiments").select(["id", "source"]).where("id", "in", experimentIds).execute();
  return new Map(rows.map((row) => [row.id, decodeRow("experiments", row).source.commit]));
}

/** The commits that runs rest on, the one with most runs first. */
export function commitUses(makers: Makers, compared: ComparedCode): CommitUse[] {
  const uses = new Map<string, CommitUse>();
  for (const [id, runs] of makers) {
    const code = compared.get(id);
    if (code === undefined) throw new Error(`the code of experiment ${id} was not compared`);
    uses.set(code.commit, { ...code, runs: (uses.get(code.commit)?.runs ?? 0) + runs });
  }
  return [...uses.values()].sort((a, b) => b.runs - a.runs || (a.commit < b.commit ? -1 : 1));
}

/**
 * The commits that planned runs rest on already, compared with the present files.
 *
 * @param same the experiment that would be found again: runs to come are made from its commit
 */
export async function plannedUses(
  db: Kysely<Database>,
  resolved: ResolvedExperiment,
  same: ExperimentRecord | undefined,
): Promise<CommitUse[]> {
  const ids = resolved.runs.map((run) => run.key);
  const makers = await makersOfRuns(db, ids);
  const open = [...makers.values()].reduce((left, count) => left - count, ids.length);
  if (same !== undefined && open > 0) makers.set(same.id, (makers.get(same.id) ?? 0) + open);
  return commitUses(makers, await compareCode(db, resolved, [...makers.keys()], resolved.source));
}

/**
 * What a reader must know of runs that rest on other code; null if there are none.
 *
 * @param total of the runs that the text is about
 * @param from what the commits were compared with: `the present files`
 */
export function unlistedNote(
  { file }: Pick<ExperimentRecord, "file">,
  uses: readonly CommitUse[],
  total: number,
  from: string,
): string | null {
  const different = unlistedChanges(uses);
  if (different.length === 0) return null;
  const sentences = different.map(({ commit, runs, unlisted }) => {
    const rest = `${runs} of ${plural(total, "run")} ${runs === 1 ? "rests" : "rest"} on commit ${shortId(commit)}`;
    return unlisted === null
      ? `${rest}, which the repository does not have: whether it differs from ${from} outside \`code\` is not known.`
      : `${rest}, which differs from ${from} outside \`code\`: ${pathsText(unlisted)}.`;
  });
  const remedy =
    `If the runs use any of this, add it to \`code\` in ${file} and run the file again: all runs are then made from ` +
    "the same code.";
  return [...sentences, ...(different.some(({ unlisted }) => unlisted !== null) ? [remedy] : [])].join(" ");
}

/** Those that differ, or may differ, outside `code`. */
export function unlistedChanges(uses: readonly CommitUse[]): CommitUse[] {
  return uses.filter(({ unlisted }) => unlisted === null || unlisted.length > 0);
}

/** Texts about a repository, and settings of tools that its authors use: no run reads them. */
const aside = [
  /(^|\/)(readme|licen[cs]e|copying|notice|authors|changelog|contributing|code_of_conduct|citation)(\.[^/]*)?$/i,
  /(^|\/)\.(gitignore|gitkeep|mailmap|editorconfig)$/,
  /^\.(github|gitlab|circleci|ci|vscode|idea)\//,
  /^rigor\.yaml$/,
];

/**
 * Whether a difference at a path says nothing: the run key has it already (code, lock, inputs), it is the file of an
 * experiment, whose plan has a hash of its own, or no run reads it.
 */
async function accountedFor(
  db: Kysely<Database>,
  { definition, file, environment, source }: Scope,
): Promise<(path: string) => boolean> {
  const experiments = await db.selectFrom("experiments").select("file").distinct().execute();
  const files = new Set([file, ...experiments.map((one) => one.file)]);
  const identified = [
    ...Object.keys(source.code).map(repositoryPath),
    ...(environment.lock === null ? [] : [environment.lock]),
    ...Object.keys(environment.local),
    ...Object.values(definition.inputs).map(({ path }) => posix.normalize(path).replace(/\/+$/, "")),
  ];
  return (path) =>
    files.has(path) ||
    identified.some((one) => path === one || path.startsWith(`${one}/`)) ||
    aside.some((pattern) => pattern.test(path));
}

/** A repository that is gone has no commit either. */
async function unlessGone(paths: Promise<string[] | null>): Promise<string[] | null> {
  try {
    return await paths;
  } catch (error) {
    if (error instanceof RigorError && (error.code === "repository" || error.code === "git")) return null;
    throw error;
  }
}

const mostNamed = 6;
const mostGroups = 12;

/** A few paths by name; many by their top directory, so that none is hidden behind the others. */
function pathsText(paths: readonly string[]): string {
  if (paths.length <= mostNamed) return paths.join(", ");
  const groups = [...groupBy(paths, (path) => path.replace(/\/.*/s, "/"))].map(([top, { length }]) => {
    if (!top.endsWith("/")) return top;
    return `${top} (${plural(length, "file")})`;
  });
  const left = groups.length - mostGroups;
  return left <= 0 ? groups.join(", ") : `${groups.slice(0, mostGroups).join(", ")} and ${left} more`;
}
