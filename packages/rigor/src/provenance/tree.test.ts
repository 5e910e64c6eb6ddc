import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { committedKind } from "./committed-kind.ts";
import { commitAll, gitCalls, runGit, scratchRepository, writeFiles } from "./scratch-repository.testing.ts";
import { changedPaths, codeIdentity, readCommitted, repositoryPath, treeIdentity } from "./tree.ts";

test("each code path is named by its object, the root by the tree [identity.run-key]", async () => {
  const repository = scratchRepository({ "a b.txt": "1", "code/sub/x": "1", "code/y": "1", "*": "star" });
  const object = (name: string) => runGit(repository, "rev-parse", name);
  const paths = [".", "code", "code/sub/", "./code/y", "a b.txt", "*"];
  expect(await treeIdentity(repository, "HEAD", paths)).toEqual({
    ".": object("HEAD^{tree}"),
    code: object("HEAD:code"),
    "code/sub/": object("HEAD:code/sub"),
    "./code/y": object("HEAD:code/y"),
    "a b.txt": object("HEAD:a b.txt"),
    "*": object("HEAD:*"),
  });
});

test("a change elsewhere leaves a code path's id as it was; a change inside does not [identity.run-key]", async () => {
  const repository = scratchRepository({ "code/x": "1", other: "1" });
  const before = await treeIdentity(repository, "HEAD", ["code"]);
  writeFiles(repository, { other: "2" });
  commitAll(repository);
  expect(await treeIdentity(repository, "HEAD", ["code"])).toEqual(before);
  writeFiles(repository, { "code/x": "2" });
  commitAll(repository);
  expect(await treeIdentity(repository, "HEAD", ["code"])).not.toEqual(before);
});

test("a missing path names the nearest ones, or that git ignores it", async () => {
  const repository = scratchRepository({ "examples/train.ts": "1", ".gitignore": "build/\n" });
  await expect(treeIdentity(repository, "HEAD", ["example/train.ts"])).rejects.toMatchObject({
    code: "not-found",
    next: "Did you mean examples/train.ts?",
  });
  await expect(treeIdentity(repository, "HEAD", ["train.ts"])).rejects.toMatchObject({
    next: "Did you mean examples/train.ts?",
  });
  mkdirSync(join(repository, "build"));
  await expect(treeIdentity(repository, "HEAD", ["build"])).rejects.toThrow("git ignores it");
  await expect(treeIdentity(repository, "HEAD", ["../x"])).rejects.toMatchObject({ code: "file-invalid" });
});

test("paths have one form", () => {
  expect(["", ".", "./", "a/", "a//b", "./a/./b/", "a/../b"].map(repositoryPath)).toEqual([
    ".",
    ".",
    ".",
    "a",
    "a/b",
    "a/b",
    "b",
  ]);
  for (const path of ["..", "../a", "/a", "a/../../b"])
    expect(() => repositoryPath(path)).toThrow("outside the repository");
});

test("submodules are refused inside the code paths only [F59]", async () => {
  const inner = scratchRepository({ "lib.py": "1" });
  const repository = scratchRepository({ "code/x": "1", "other/y": "1" });
  runGit(repository, "submodule", "--quiet", "add", inner, "code/lib");
  const commit = commitAll(repository);
  await expect(codeIdentity(repository, commit, ["code"])).rejects.toThrow("code/lib");
  await expect(codeIdentity(repository, commit, ["."])).rejects.toThrow("code/lib");
  await expect(codeIdentity(repository, commit, ["code/lib"])).rejects.toThrow("code/lib");
  await expect(codeIdentity(repository, commit, ["code/lib/lib.py"])).rejects.toThrow("another git repository");
  expect(await codeIdentity(repository, commit, ["other", "code/x"])).toEqual(
    await treeIdentity(repository, commit, ["other", "code/x"]),
  );
});

test("the code of runs, and what a path of theirs is, cost one process of git each [size.throughput]", async () => {
  const repository = scratchRepository({ "code/deep/train.py": "1", "other/y": "1" });
  expect(await gitCalls(() => codeIdentity(repository, "HEAD", ["code/deep", "other/y"]))).toEqual(["ls-tree"]);
  expect(await gitCalls(() => committedKind(repository, "HEAD", "code/deep/train.py"))).toEqual(["ls-tree"]);
});

test("a commit says what lies at a path, and where a link or another repository hides it", async () => {
  const inner = scratchRepository({ "lib.py": "1" });
  const repository = scratchRepository({ "code/deep/x": "1", "code/run.sh": "1" });
  chmodSync(join(repository, "code/run.sh"), 0o755);
  symlinkSync("code", join(repository, "link"));
  runGit(repository, "submodule", "--quiet", "add", inner, "code/lib");
  const commit = commitAll(repository);
  const kinds = {
    ".": "directory",
    code: "directory",
    "code/deep/": "directory",
    "code/deep/x": "file",
    "code/run.sh": "executable",
    "code/run.sh/x": "missing",
    "code/none": "missing",
    "none/x": "missing",
    link: "elsewhere",
    "link/deep/x": "elsewhere",
    "code/lib": "elsewhere",
    "code/lib/lib.py": "elsewhere",
  };
  for (const [path, kind] of Object.entries(kinds)) {
    expect([path, await committedKind(repository, commit, path)]).toEqual([path, kind]);
  }
});

test("a committed file is read from the commit, not from disk", async () => {
  const repository = scratchRepository({ lock: "1" });
  writeFiles(repository, { lock: "2" });
  expect((await readCommitted(repository, "HEAD", "lock"))?.toString()).toBe("1");
  expect(await readCommitted(repository, "HEAD", "none")).toBeNull();
});

test("paths that differ between two commits are named, whether added, removed, changed or made executable [F06]", async () => {
  const repository = scratchRepository({ "a b/ö.txt": "1", same: "1", gone: "1", mode: "1" });
  const before = runGit(repository, "rev-parse", "HEAD");
  writeFiles(repository, { "a b/ö.txt": "2", added: "1" });
  runGit(repository, "rm", "--quiet", "gone");
  runGit(repository, "update-index", "--chmod=+x", "mode");
  chmodSync(join(repository, "mode"), 0o755);
  const after = commitAll(repository);
  expect(await changedPaths(repository, before, after)).toEqual(["a b/ö.txt", "added", "gone", "mode"]);
  expect(await changedPaths(repository, after, after)).toEqual([]);
  expect(await changedPaths(repository, "0".repeat(40), after)).toBeNull();
});
