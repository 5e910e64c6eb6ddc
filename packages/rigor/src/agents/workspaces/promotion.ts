import { RigorError } from "../../domain/errors.ts";
import { git, gitFailure, nameText, splitNames, tryGit } from "../../provenance/git.ts";
import { checkedOutAt, commitOf, isAncestor, updateRef } from "./branches.ts";
import { labIdentity } from "../../provenance/lab-identity.ts";

export interface PromotionRequest {
  /** The person's repository. */
  repository: string;
  /** What was submitted, and the commit that it started from. */
  commit: string;
  base: string;
  /** The branch that names the commit. */
  branch: string;
  /** The branch that it goes to, such as `main`. */
  target: string;
  /** Message of the merge commit. */
  message: string;
  /** As `agents.promotion` of rigor.yaml says. */
  mode: "branch" | "merge";
}

export type Promotion =
  | { outcome: "merged"; target: string; commit: string }
  /** For a person: why, and the command that does it. */
  | { outcome: "left"; branch: string; why: string; command: string }
  | { outcome: "conflict"; target: string; files: string[]; command: string };

/**
 * Merges a change into its target, or leaves its branch to a person. The merge is made of objects alone: checkouts, indexes
 * and HEAD of the person stay as they are. A target that somebody has checked out is therefore never moved. It may be
 * repeated.
 */
export async function promote(request: PromotionRequest): Promise<Promotion> {
  const { repository, target } = request;
  const ref = `refs/heads/${target}`;
  for (let tries = 1; ; tries++) {
    const present = await commitOf(repository, ref);
    if (present === null) {
      const { branch } = request;
      // As where the work began before anything was committed.
      return { outcome: "left", branch, why: `${target} has no commit.`, command: `git merge ${branch}` };
    }
    const promotion = await promoteOnto(request, present);
    if (promotion !== null) return promotion;
    // Another issue was merged at the same moment: this one is merged with what is there now.
    const isMoved = (await commitOf(repository, ref)) !== present;
    if (!isMoved || tries === mostTries) return left(request, `${target} cannot be written.`);
  }
}

/** How often a merge may find that its target has moved meanwhile. */
const mostTries = 20;

/** @returns null where the target does not name that commit any more, or cannot be written */
async function promoteOnto(request: PromotionRequest, present: string): Promise<Promotion | null> {
  const { repository, commit, base, target, mode } = request;
  if (await isAncestor(repository, commit, present)) return { outcome: "merged", target, commit: present };
  const more = (await isAncestor(repository, base, present))
    ? null
    : `It starts from ${base.slice(0, 12)}, which ${target} does not hold: a merge brings that, too.`;
  const place = await checkedOutAt(repository, target);
  const reasons = [
    mode === "branch" ? "`agents.promotion` leaves merging to a person." : null,
    more,
    mode === "merge" && place !== null
      ? `${target} is checked out at ${place}, and nobody's checkout is changed.`
      : null,
  ].filter((one) => one !== null);
  if (reasons.length > 0) {
    const files = await conflicts(repository, present, commit);
    if (files.length > 0) reasons.push(`These files conflict with ${target}: ${files.join(", ")}.`);
    return left(request, reasons.join(" "));
  }
  const merged = await mergeTrees(repository, present, commit);
  if ("files" in merged) return { outcome: "conflict", target, files: merged.files, command: commandOf(request) };
  const made = await commitMerge(request, present, merged.tree);
  const isWritten = await updateRef(repository, `refs/heads/${target}`, made, present);
  return isWritten ? { outcome: "merged", target, commit: made } : null;
}

const commandOf = ({ target, branch }: PromotionRequest): string => `git switch ${target} && git merge ${branch}`;

const left = (request: PromotionRequest, why: string): Promotion => ({
  outcome: "left",
  branch: request.branch,
  why,
  command: commandOf(request),
});

async function mergeTrees(
  repository: string,
  target: string,
  commit: string,
): Promise<{ tree: string } | { files: string[] }> {
  const outcome = await tryMerge(repository, target, commit);
  if (outcome.status === 0) return { tree: splitNames(outcome.stdout)[0] ?? "" };
  if (outcome.status === 1) return { files: conflictingFiles(outcome.stdout) };
  const { message, next } = gitFailure("git cannot merge without a checkout", outcome);
  const ways = "Install git 2.38 or newer, or set `agents.promotion` to `branch` in rigor.yaml.";
  throw new RigorError("git", message, { next: next ?? ways });
}

/** Files that a person who merges will find in conflict; none where this git cannot tell. */
async function conflicts(repository: string, target: string, commit: string): Promise<string[]> {
  const { status, stdout } = await tryMerge(repository, target, commit);
  return status === 1 ? conflictingFiles(stdout) : [];
}

const tryMerge = (repository: string, target: string, commit: string) =>
  tryGit(repository, ["merge-tree", "--write-tree", "--name-only", "-z", target, commit]);

/** Between the tree and an empty name. */
function conflictingFiles(stdout: Buffer): string[] {
  const [, ...names] = splitNames(stdout);
  const end = names.indexOf("");
  return names.slice(0, end === -1 ? names.length : end).map(nameText);
}

async function commitMerge({ repository, commit, message }: PromotionRequest, target: string, tree: string) {
  const options = { env: labIdentity, input: `${message}\n` };
  return (await git(repository, ["commit-tree", tree, "-p", target, "-p", commit], options)).trim();
}
