import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  commitAll,
  gitCalls,
  runGit,
  scratchDirectory,
  scratchRepository,
  writeFiles,
} from "./scratch-repository.testing.ts";
import { keepCommit, maxChangedFiles, snapshot } from "./snapshot.ts";

/** Everything that a snapshot must leave alone: branch, index bytes, status, and each file with its time. */
function untouched(repository: string): unknown {
  const gitDirectory = runGit(repository, "rev-parse", "--absolute-git-dir");
  const index = readdirSync(gitDirectory).includes("index")
    ? readFileSync(join(gitDirectory, "index"), "base64")
    : null;
  const list = ["-path", "./.git", "-prune", "-o", "-printf", "%p %y %m %s %T@ %l\\n"];
  return {
    index,
    head: readFileSync(join(gitDirectory, "HEAD"), "utf8"),
    status: runGit(repository, "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=all"),
    stash: runGit(repository, "stash", "list"),
    files: execFileSync("find", [".", ...list], { cwd: repository, encoding: "utf8" })
      .split("\n")
      .sort(),
  };
}

/** Takes a snapshot and checks that nothing but it came into being. */
async function snapshotUntouched(repository: string, from = repository) {
  const before = untouched(repository);
  const taken = await snapshot(from);
  expect(untouched(repository)).toEqual(before);
  return taken;
}

function filesOf(repository: string, commit: string): string[] {
  const args = ["ls-tree", "-r", "-z", "--name-only", commit];
  return execFileSync("git", args, { cwd: repository, encoding: "utf8" }).split("\0").filter(Boolean);
}

function contentOf(repository: string, commit: string, path: string): string {
  return execFileSync("git", ["show", `${commit}:${path}`], { cwd: repository, encoding: "utf8" });
}

test("a clean tree is named by HEAD itself [provenance.snapshot]", async () => {
  const repository = scratchRepository();
  const head = runGit(repository, "rev-parse", "HEAD");
  const taken = await snapshotUntouched(repository);
  expect(taken).toEqual({
    commit: head,
    base: head,
    branch: "main",
    dirty: false,
    changed_files: [],
    changed_count: 0,
  });
  expect(runGit(repository, "for-each-ref", "refs/rigor")).toBe("");
});

test("modified, staged, deleted and untracked files become a commit that touches nothing [provenance.snapshot] [F59]", async () => {
  const repository = scratchRepository({
    modified: "1",
    staged: "1",
    both: "1",
    deleted: "1",
    same: "1",
    ".gitignore": "*.log\n",
  });
  writeFiles(repository, { modified: "22", staged: "22", both: "22", "new/file": "n", "ignored.log": "x" });
  runGit(repository, "add", "staged", "both");
  writeFiles(repository, { both: "333" });
  rmSync(join(repository, "deleted"));
  const taken = await snapshotUntouched(repository);
  expect(taken).toMatchObject({ dirty: true, branch: "main", base: runGit(repository, "rev-parse", "HEAD") });
  expect(taken.changed_files).toEqual(["both", "deleted", "modified", "new/file", "staged"]);
  expect(filesOf(repository, taken.commit)).toEqual([".gitignore", "both", "modified", "new/file", "same", "staged"]);
  expect(contentOf(repository, taken.commit, "both")).toBe("333");
  expect(runGit(repository, "rev-parse", `${taken.commit}^`)).toBe(taken.base);
  expect(runGit(repository, "for-each-ref", "--format=%(refname)", "refs/rigor")).toBe(
    `refs/rigor/snapshots/${taken.commit}`,
  );
  expect(runGit(repository, "branch", "--all", "--format=%(refname:short)")).toBe("main");
});

test("equal content gives an equal commit, also from another clone and for somebody else [provenance.snapshot]", async () => {
  const repository = scratchRepository();
  const clone = join(scratchDirectory(), "clone");
  runGit(repository, "clone", "--quiet", repository, clone);
  runGit(clone, "config", "user.name", "Somebody Else");
  writeFiles(repository, { "a.txt": "changed\n" });
  writeFiles(clone, { "a.txt": "changed\n" });
  const [first, again, other] = [await snapshot(repository), await snapshot(repository), await snapshot(clone)];
  expect(again.commit).toBe(first.commit);
  expect(other.commit).toBe(first.commit);
});

test("a change of equal size in the second of the last commit is seen, also when looked at later [provenance.snapshot]", async () => {
  const repository = scratchRepository({ "a.txt": "1111" });
  // git compares whole seconds here: let the commit and the change fall into one, the snapshot into the next.
  await sleep(1000 - (Date.now() % 1000));
  writeFiles(repository, { "a.txt": "2222" });
  commitAll(repository);
  writeFiles(repository, { "a.txt": "3333" });
  await sleep(1200);
  const taken = await snapshotUntouched(repository);
  expect(taken.dirty).toBe(true);
  expect(contentOf(repository, taken.commit, "a.txt")).toBe("3333");
});

test("a touched file with equal content is not a change", async () => {
  const repository = scratchRepository();
  utimesSync(join(repository, "a.txt"), 1, 1);
  expect((await snapshotUntouched(repository)).dirty).toBe(false);
});

describe("states of a repository", () => {
  test("a merge conflict: the files as they lie are recorded and the conflict stays [provenance.snapshot]", async () => {
    const repository = scratchRepository({ "a.txt": "base\n", gone: "base\n" });
    runGit(repository, "checkout", "--quiet", "-b", "other");
    writeFiles(repository, { "a.txt": "other\n", gone: "other\n" });
    commitAll(repository);
    runGit(repository, "checkout", "--quiet", "main");
    writeFiles(repository, { "a.txt": "main\n" });
    rmSync(join(repository, "gone"));
    commitAll(repository);
    expect(() => runGit(repository, "merge", "other")).toThrow("merge");
    const taken = await snapshotUntouched(repository);
    expect(contentOf(repository, taken.commit, "a.txt")).toBe("<<<<<<< HEAD\nmain\n=======\nother\n>>>>>>> other\n");
    expect(runGit(repository, "ls-files", "--unmerged")).toContain("a.txt");
  });

  test("a detached HEAD has no branch [provenance.snapshot]", async () => {
    const repository = scratchRepository();
    runGit(repository, "checkout", "--quiet", "--detach");
    writeFiles(repository, { "a.txt": "b" });
    expect(await snapshotUntouched(repository)).toMatchObject({ branch: null, dirty: true });
  });

  test("before the first commit the snapshot has no parent [provenance.snapshot]", async () => {
    const repository = scratchRepository({});
    writeFiles(repository, { "a.txt": "a" });
    const taken = await snapshotUntouched(repository);
    expect(taken).toMatchObject({ base: null, branch: "main", dirty: true });
    expect(filesOf(repository, taken.commit)).toEqual(["a.txt"]);
    expect(runGit(repository, "rev-list", "--count", taken.commit)).toBe("1");
  });

  test("a sparse checkout keeps the files that are not on disk [provenance.snapshot]", async () => {
    const repository = scratchRepository({ "in/a": "1", "out/b": "1", "out/c": "1" });
    runGit(repository, "sparse-checkout", "set", "in");
    expect(readdirSync(repository)).not.toContain("out");
    expect((await snapshotUntouched(repository)).dirty).toBe(false);
    writeFiles(repository, { "in/a": "22", "out/new": "n" });
    const taken = await snapshotUntouched(repository);
    expect(filesOf(repository, taken.commit)).toEqual(["in/a", "out/b", "out/c", "out/new"]);
  });

  test("a sparse index is left sparse", async () => {
    const repository = scratchRepository({ "in/a": "1", "out/b": "1", "out/c": "1" });
    runGit(repository, "sparse-checkout", "set", "--cone", "--sparse-index", "in");
    writeFiles(repository, { "in/a": "22" });
    const taken = await snapshotUntouched(repository);
    expect(filesOf(repository, taken.commit)).toEqual(["in/a", "out/b", "out/c"]);
  });

  test("a linked worktree is recorded by its own files [provenance.snapshot]", async () => {
    const repository = scratchRepository();
    const worktree = join(scratchDirectory(), "linked");
    runGit(repository, "worktree", "add", "--quiet", "-b", "side", worktree);
    writeFiles(worktree, { "a.txt": "side" });
    const taken = await snapshotUntouched(worktree);
    expect(taken.branch).toBe("side");
    expect(contentOf(repository, taken.commit, "a.txt")).toBe("side");
    expect((await snapshot(repository)).dirty).toBe(false);
  });

  test("from a subdirectory the whole repository is recorded", async () => {
    const repository = scratchRepository();
    writeFiles(repository, { "a.txt": "b", "code/new.txt": "n" });
    const taken = await snapshotUntouched(repository, join(repository, "code"));
    expect(taken.changed_files).toEqual(["a.txt", "code/new.txt"]);
  });

  test("a split index and an index.lock of somebody else do not disturb [provenance.snapshot]", async () => {
    const repository = scratchRepository();
    runGit(repository, "update-index", "--split-index");
    writeFiles(repository, { "a.txt": "b" });
    writeFileSync(join(repository, ".git/index.lock"), "");
    const taken = await snapshotUntouched(repository);
    expect(contentOf(repository, taken.commit, "a.txt")).toBe("b");
    expect(readdirSync(join(repository, ".git"))).toContain("index.lock");
  });

  test("files that git was told to take as unchanged are recorded as they lie", async () => {
    const repository = scratchRepository({ assumed: "1", skipped: "1", absent: "1" });
    runGit(repository, "update-index", "--assume-unchanged", "assumed");
    runGit(repository, "update-index", "--skip-worktree", "skipped", "absent");
    writeFiles(repository, { assumed: "22", skipped: "22" });
    rmSync(join(repository, "absent"));
    expect(runGit(repository, "status", "--porcelain")).toBe("");
    const taken = await snapshotUntouched(repository);
    expect(taken.changed_files).toEqual(["assumed", "skipped"]);
    expect(filesOf(repository, taken.commit)).toContain("absent");
  });

  test("a file added by intent only is recorded", async () => {
    const repository = scratchRepository();
    writeFiles(repository, { planned: "1" });
    runGit(repository, "add", "--intent-to-add", "planned");
    expect(filesOf(repository, (await snapshotUntouched(repository)).commit)).toContain("planned");
  });
});

describe("kinds of files", () => {
  test("links, executable bits, and files that change their kind [provenance.snapshot]", async () => {
    const repository = scratchRepository({ script: "#!/bin/sh\n", file: "1", "dir/a": "1", "other/a": "1" });
    chmodSync(join(repository, "script"), 0o755);
    symlinkSync("missing target", join(repository, "link"));
    rmSync(join(repository, "file"));
    writeFiles(repository, { "file/inside": "1" });
    rmSync(join(repository, "dir"), { recursive: true });
    writeFiles(repository, { dir: "now a file" });
    renameSync(join(repository, "other"), join(repository, "moved"));
    symlinkSync("moved", join(repository, "other"));
    const { commit } = await snapshotUntouched(repository);
    const modes = runGit(repository, "ls-tree", "-r", "--format=%(objectmode) %(path)", commit).split("\n");
    expect(modes).toEqual([
      "100644 dir",
      "100644 file/inside",
      "120000 link",
      "100644 moved/a",
      "120000 other",
      "100755 script",
    ]);
    expect(contentOf(repository, commit, "link")).toBe("missing target");
  });

  test("any file name survives [provenance.snapshot]", async () => {
    const piece = fc.string({
      minLength: 1,
      maxLength: 8,
      unit: fc.constantFrom(...("ab \n\t\"'\\*?[:-!$éß漢🙂".match(/./gsu) ?? [])),
    });
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(piece, { minLength: 1, maxLength: 6 }), async (names) => {
        const repository = scratchRepository({ "kept.txt": "1" });
        writeFiles(repository, Object.fromEntries(names.map((name) => [name, name])));
        const taken = await snapshotUntouched(repository);
        expect(filesOf(repository, taken.commit).toSorted()).toEqual(["kept.txt", ...names].toSorted());
      }),
      { numRuns: 8 },
    );
  });

  test("a name that is not UTF-8 survives", async () => {
    const repository = scratchRepository();
    writeFileSync(Buffer.concat([Buffer.from(`${repository}/x`), Buffer.from([0xff, 0xfe])]), "1");
    const { commit } = await snapshotUntouched(repository);
    const names = execFileSync("git", ["ls-tree", "-z", "--name-only", commit], { cwd: repository });
    expect(names.includes(Buffer.from([0x78, 0xff, 0xfe]))).toBe(true);
  });

  test("the list of changed files is cut, its length is not", async () => {
    const repository = scratchRepository();
    writeFiles(repository, Object.fromEntries(Array.from({ length: maxChangedFiles + 5 }, (_, i) => [`new/${i}`, ""])));
    const taken = await snapshot(repository);
    expect(taken.changed_files).toHaveLength(maxChangedFiles);
    expect(taken.changed_count).toBe(maxChangedFiles + 5);
  });
});

test("large untracked files are refused with their names and the way out", async () => {
  const repository = scratchRepository();
  writeFiles(repository, { "data/big.bin": "x".repeat(3000), "data/small.bin": "x".repeat(500) });
  await expect(snapshot(repository, { maxUntrackedBytes: 2000 })).rejects.toMatchObject({
    code: "repository",
    message: expect.stringMatching(/3\.5 kB.*2 kB are allowed.*data\/big\.bin \(3 kB\), data\/small\.bin/),
    next: expect.stringContaining(".gitignore"),
  });
  writeFiles(repository, { ".gitignore": "data/\n" });
  expect((await snapshot(repository, { maxUntrackedBytes: 2000 })).changed_files).toEqual([".gitignore"]);
});

test("a nested repository is recorded by its commit, and refused without one", async () => {
  const repository = scratchRepository();
  mkdirSync(join(repository, "nested"));
  runGit(join(repository, "nested"), "init", "--quiet");
  await expect(snapshot(repository)).rejects.toThrow("nested is a git repository of its own without a commit");
  writeFiles(repository, { "nested/x": "1" });
  const inner = commitAll(join(repository, "nested"));
  const { commit } = await snapshotUntouched(repository);
  expect(runGit(repository, "ls-tree", commit, "nested")).toBe(`160000 commit ${inner}\tnested`);
});

test("snapshots at the same time agree and all succeed [provenance.snapshot]", async () => {
  const repository = scratchRepository();
  writeFiles(repository, { "a.txt": "b", new: "n" });
  const taken = await Promise.all(Array.from({ length: 8 }, () => snapshot(repository)));
  expect(new Set(taken.map(({ commit }) => commit)).size).toBe(1);
  expect(runGit(repository, "for-each-ref", "--format=%(objectname)", "refs/rigor")).toBe(taken[0]?.commit);
  expect(runGit(repository, "fsck", "--strict")).toBe("");
});

test("the present state costs two processes of git, and where files changed, one more for each step [size.throughput]", async () => {
  const repository = scratchRepository({ "a.txt": "1" });
  expect(await gitCalls(() => snapshot(repository))).toEqual(["ls-files", "status"]);
  writeFiles(repository, { "a.txt": "2" });
  expect(await gitCalls(() => snapshot(repository, { keep: false }))).toEqual([
    "commit-tree",
    "ls-files",
    "show",
    "status",
    "update-index",
    "write-tree",
  ]);
});

test("a commit that is kept already costs no process of git, and is kept anew where its reference is gone", async () => {
  const repository = scratchRepository();
  const head = runGit(repository, "rev-parse", "HEAD");
  const reference = `refs/rigor/snapshots/${head}`;
  expect(await gitCalls(() => keepCommit(repository, head))).toEqual(["update-ref"]);
  expect(await gitCalls(() => keepCommit(repository, head))).toEqual([]);
  runGit(repository, "update-ref", "-d", reference);
  await keepCommit(repository, head);
  expect(runGit(repository, "rev-parse", reference)).toBe(head);
});
