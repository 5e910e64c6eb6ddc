import { expect, test } from "vitest";
import { commitAll, runGit, scratchRepository, writeFiles } from "../../provenance/scratch-repository.testing.ts";
import { addedLines, describeChange, matchingPaths } from "./change.ts";

function twoCommits() {
  const repository = scratchRepository({ "a.txt": "1\n2\n3\n", "gone.txt": "x\n", "same.txt": "same\n" });
  const base = runGit(repository, "rev-parse", "HEAD");
  const long = Array.from({ length: 50 }, (_, line) => `line ${line}\n`).join("");
  writeFiles(repository, { "a.txt": "1\nnew\n2\n3\n++ b/other\n", "long.txt": long, "sub/ü b.txt": "one\ntwo" });
  runGit(repository, "rm", "--quiet", "gone.txt");
  return { repository, base, commit: commitAll(repository) };
}

test("a change is listed whole, and its long files are named and not shown [workspace.change]", async () => {
  const { repository, base, commit } = twoCommits();
  const change = await describeChange(repository, base, commit, { fileLines: 10 });
  expect(change.files).toEqual([
    { path: "a.txt", change: "changed", added: 2, removed: 0 },
    { path: "gone.txt", change: "removed", added: 0, removed: 1 },
    { path: "long.txt", change: "added", added: 50, removed: 0 },
    { path: "sub/ü b.txt", change: "added", added: 2, removed: 0 },
  ]);
  expect(change.leftOut).toEqual(["long.txt"]);
  expect(change.diff).toContain("+new");
  expect(change.diff).toContain("-x");
  expect(change.diff).not.toContain("line 7");
  const none = await describeChange(repository, base, base);
  expect(none).toEqual({ files: [], diff: "", leftOut: [] });
});

test("all differences together have a limit, too [workspace.change]", async () => {
  const { repository, base, commit } = twoCommits();
  const change = await describeChange(repository, base, commit, { lines: 4 });
  expect(change.leftOut).toEqual(["long.txt", "sub/ü b.txt"]);
});

test("added lines are found, whatever they contain [workspace.change]", async () => {
  const { repository, base, commit } = twoCommits();
  expect(await addedLines(repository, base, commit)).toEqual(
    new Map([
      [
        "a.txt",
        [
          { from: 2, to: 2 },
          { from: 5, to: 5 },
        ],
      ],
      ["long.txt", [{ from: 1, to: 50 }]],
      ["sub/ü b.txt", [{ from: 1, to: 2 }]],
    ]),
  );
});

test("patterns name files as .gitignore does [workspace.change]", async () => {
  const paths = [
    "experiments/a.yaml",
    "experiments/deep/b.yaml",
    "src/a.yaml",
    "src/a.ts",
    "conf/keep.ts",
    "conf/x.ts",
  ];
  expect(await matchingPaths(["experiments/**", "*.yaml"], paths)).toEqual(paths.slice(0, 3));
  expect(await matchingPaths(["conf/*", "!conf/keep.ts"], paths)).toEqual(["conf/x.ts"]);
  expect(await matchingPaths(["docs/**"], paths)).toEqual([]);
  expect(await matchingPaths([], paths)).toEqual([]);
});
