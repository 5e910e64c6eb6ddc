import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  commitAll,
  runGit,
  scratchDirectory,
  scratchRepository,
  writeFiles,
} from "../../provenance/scratch-repository.testing.ts";
import { snapshot } from "../../provenance/snapshot.ts";
import { promote, type PromotionRequest } from "./promotion.ts";

/** A repository whose person is on `work`, with a submitted change of `train.txt` that starts from `main`. */
function submitted(changes: Record<string, string> = { "train.txt": "better\n" }) {
  const repository = scratchRepository({ "train.txt": "start\n", "notes.txt": "notes\n" });
  const base = runGit(repository, "rev-parse", "HEAD");
  runGit(repository, "switch", "--quiet", "--create", "rigor/issue-7");
  writeFiles(repository, changes);
  const commit = commitAll(repository, "better");
  runGit(repository, "switch", "--quiet", "--create", "work", base);
  writeFiles(repository, { "notes.txt": "half done\n", "new.txt": "new\n" });
  const request: PromotionRequest = {
    repository,
    commit,
    base,
    branch: "rigor/issue-7",
    target: "main",
    message: "Merge rigor/issue-7: train better",
    mode: "merge",
  };
  return { repository, base, commit, request };
}

function checkoutOf(repository: string) {
  const index = readFileSync(join(repository, ".git/index")).toString("base64");
  return { status: runGit(repository, "status", "--porcelain", "--branch"), index };
}

/** Gives a branch a commit without touching the checkout. */
function advance(repository: string, branch: string, files: Record<string, string>): string {
  const place = join(scratchDirectory(), "other");
  runGit(repository, "worktree", "add", "--quiet", place, branch);
  writeFiles(place, files);
  const commit = commitAll(place, "meanwhile");
  runGit(repository, "worktree", "remove", place);
  return commit;
}

test("a change is merged into a branch that nobody has checked out, beside the checkout [workspace.promotion]", async () => {
  const { repository, commit, request } = submitted();
  const meanwhile = advance(repository, "main", { "other.txt": "other\n" });
  const before = checkoutOf(repository);
  const promotion = await promote(request);
  const main = runGit(repository, "rev-parse", "main");
  expect(promotion).toEqual({ outcome: "merged", target: "main", commit: main });
  expect(runGit(repository, "log", "-1", "--format=%P|%an|%s", "main")).toBe(
    `${meanwhile} ${commit}|Rigor|Merge rigor/issue-7: train better`,
  );
  expect(runGit(repository, "show", "main:train.txt", "main:other.txt")).toBe("better\nother");
  expect(checkoutOf(repository)).toEqual(before);
  expect(await promote(request)).toEqual(promotion);
});

test("changes that are merged at the same moment are all merged [workspace.promotion]", async () => {
  const { repository, base, request } = submitted();
  const requests = ["one", "two", "three"].map((name) => {
    runGit(repository, "branch", `rigor/${name}`, base);
    const commit = advance(repository, `rigor/${name}`, { [`${name}.txt`]: `${name}\n` });
    return { ...request, commit, branch: `rigor/${name}`, message: `Merge ${name}` };
  });
  const outcomes = await Promise.all(requests.map((one) => promote(one)));
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(["merged", "merged", "merged"]);
  expect(runGit(repository, "log", "--merges", "--format=%s", "main").split("\n").toSorted()).toEqual(
    requests.map(({ message }) => message).toSorted(),
  );
});

test("a branch that is checked out is left, with the command that merges it [workspace.promotion]", async () => {
  const { repository, request } = submitted();
  const before = runGit(repository, "rev-parse", "work");
  expect(await promote({ ...request, target: "work" })).toEqual({
    outcome: "left",
    branch: "rigor/issue-7",
    why: `work is checked out at ${repository}, and nobody's checkout is changed.`,
    command: "git switch work && git merge rigor/issue-7",
  });
  expect(runGit(repository, "rev-parse", "work")).toBe(before);
});

test("a branch that is being rebased is left [workspace.promotion]", async () => {
  const { repository, request } = submitted();
  advance(repository, "main", { "train.txt": "worse\n" });
  const place = join(scratchDirectory(), "rebased");
  runGit(repository, "worktree", "add", "--quiet", place, "main");
  expect(() => runGit(place, "rebase", "--quiet", "rigor/issue-7")).toThrow("could not apply");
  expect(await promote(request)).toMatchObject({
    outcome: "left",
    why: expect.stringContaining("main is checked out"),
  });
});

test("the branch is left to a person unless merging is asked for [workspace.promotion]", async () => {
  const { request } = submitted();
  expect(await promote({ ...request, mode: "branch" })).toMatchObject({
    outcome: "left",
    why: expect.stringContaining("agents.promotion"),
  });
});

test("a conflict names its files and changes nothing [workspace.promotion]", async () => {
  const { repository, request } = submitted({ "train.txt": "better\n", "notes.txt": "theirs\n" });
  const main = advance(repository, "main", { "train.txt": "worse\n", "notes.txt": "mine\n" });
  expect(await promote(request)).toMatchObject({
    outcome: "conflict",
    target: "main",
    files: ["notes.txt", "train.txt"],
  });
  // Whoever is left to merge by hand is told of it before.
  const byHand = await promote({ ...request, mode: "branch" });
  expect(byHand).toMatchObject({
    outcome: "left",
    why: expect.stringContaining("These files conflict with main: notes.txt, train.txt.") as string,
  });
  expect(runGit(repository, "rev-parse", "main")).toBe(main);
});

test("uncommitted files that a change started from are not merged with it [workspace.promotion]", async () => {
  const { repository, request } = submitted();
  const { commit: base } = await snapshot(repository);
  runGit(repository, "branch", "--force", "rigor/issue-7", base);
  const promotion = await promote({ ...request, base, commit: base });
  expect(promotion).toMatchObject({ outcome: "left", why: expect.stringContaining("which main does not hold") });
  // Whoever merges by hand is told, too.
  const byHand = await promote({ ...request, base, commit: base, mode: "branch" });
  expect(byHand).toMatchObject({ outcome: "left", why: expect.stringContaining("a merge brings that, too") });
});

test("a target without a commit is left to a person [workspace.promotion]", async () => {
  const { request } = submitted();
  expect(await promote({ ...request, target: "trunk" })).toMatchObject({
    outcome: "left",
    why: "trunk has no commit.",
  });
});
