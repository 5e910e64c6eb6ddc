import type { Kysely } from "kysely";
import { contentHash } from "../../domain/canonical.ts";
import { RigorError } from "../../domain/errors.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { tryGit } from "../../provenance/git.ts";
import { snapshot } from "../../provenance/snapshot.ts";
import { treeIdentity } from "../../provenance/tree.ts";
import type { Database } from "../../store/tables.ts";
import { commitUses, compareCode, unlistedNote, type CommitUse, type Makers } from "./unlisted-changes.ts";

/** The working tree of an experiment's repository as it is now. */
interface PresentCode {
  commit: string;
  /**
   * True when the code paths of the experiment are not what its runs were made from. All runs of one version share its
   * code, so they are stale together.
   */
  stale: boolean;
}

async function presentCode({ source }: ExperimentRecord): Promise<PresentCode> {
  const { repository, code } = source;
  const { commit } = await snapshot(repository, { keep: false });
  if (commit === source.commit) return { commit, stale: false };
  try {
    const now = await treeIdentity(repository, commit, Object.keys(code));
    return { commit, stale: contentHash(now) !== contentHash(code) };
  } catch (error) {
    // Code that is no longer there is not the code of the results; any other fault of git is told to the user.
    if (error instanceof RigorError && error.code === "not-found") return { commit, stale: true };
    throw error;
  }
}

/** What became of the code of an experiment since its results were made. */
interface CodeSince {
  /** Null where it is not known: the repository cannot be read, or the experiment was superseded. */
  stale: boolean | null;
  /** The commits that results rest on, compared with the present files; empty unless `stale` is false. */
  uses: CommitUse[];
  /** In words, for who relies on the results; null if nothing has to be known. */
  note: string | null;
}

/** Looks at the present files of an experiment with results. An unreadable repository is a note, not an error. */
export async function codeSince(
  db: Kysely<Database>,
  experiment: ExperimentRecord,
  makers: Makers,
  total: number,
): Promise<CodeSince> {
  if (experiment.state === "archived" || makers.size === 0) return { stale: null, uses: [], note: null };
  try {
    const { commit, stale } = await presentCode(experiment);
    if (stale) return { stale, uses: [], note: await staleNote(experiment) };
    const { repository } = experiment.source;
    const uses = commitUses(makers, await compareCode(db, experiment, [...makers.keys()], { repository, commit }));
    return { stale, uses, note: unlistedNote(experiment, uses, total, "the present files") };
  } catch (error) {
    if (!(error instanceof RigorError)) throw error;
    return { stale: null, uses: [], note: `Whether the code has changed since is not known: ${error.message}.` };
  }
}

/** The code changed, or it is of another branch and was never here: then nothing is to be made anew. */
async function staleNote({ name, source }: ExperimentRecord): Promise<string> {
  const { repository, commit, dirty } = source;
  const isHere = dirty || (await tryGit(repository, ["merge-base", "--is-ancestor", commit, "HEAD"])).status === 0;
  if (isHere) {
    return `The code of these results has changed since: they are stale. \`rigor rerun ${name} --stale\` makes them anew.`;
  }
  const short = commit.slice(0, 10);
  const branch = await branchWith(repository, commit);
  const made = `These results were made by the code of commit ${short}${branch === null ? "" : ` on the branch ${branch}`}`;
  const merge = branch === null ? "" : `, and \`git merge ${branch}\` brings it here`;
  return `${made}, which the files that are checked out do not have. They hold for that code: \`git show ${short}\` shows it${merge}.`;
}

/** A local branch that holds a commit; null where none does. */
async function branchWith(repository: string, commit: string): Promise<string | null> {
  const args = ["for-each-ref", "--contains", commit, "--count=1", "--format=%(refname:short)", "refs/heads"];
  const { status, stdout } = await tryGit(repository, args);
  return status === 0 ? stdout.toString("utf8").trim() || null : null;
}

export async function isStale(experiment: ExperimentRecord): Promise<boolean> {
  return (await presentCode(experiment)).stale;
}
