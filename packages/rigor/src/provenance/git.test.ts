import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { findRepository, git } from "./git.ts";
import { runGit, scratchDirectory, scratchRepository } from "./scratch-repository.testing.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

test("a refusal of git becomes an error with git's own words", async () => {
  const repository = scratchRepository();
  await expect(git(repository, ["rev-parse", "--verify", "no-such-name"])).rejects.toMatchObject({
    code: "git",
    message: expect.stringContaining("Needed a single revision"),
  });
});

test("the variables of a surrounding git command do not lead to another repository", async () => {
  const [outer, inner] = [scratchRepository({ outer: "1" }), scratchRepository({ inner: "1" })];
  vi.stubEnv("GIT_DIR", join(outer, ".git"));
  vi.stubEnv("GIT_INDEX_FILE", join(outer, ".git/index"));
  expect(await git(inner, ["ls-files"])).toBe("inner\n");
  expect(await findRepository(inner)).toBe(inner);
});

test("a repository is found from a subdirectory, a file and a linked worktree", async () => {
  const repository = scratchRepository();
  const worktree = join(scratchDirectory(), "linked");
  runGit(repository, "worktree", "add", "--quiet", worktree);
  expect(await findRepository(join(repository, "code"))).toBe(repository);
  expect(await findRepository(join(repository, "code/run.sh"))).toBe(repository);
  expect(await findRepository(join(worktree, "code"))).toBe(worktree);
});

test("no repository, a bare repository and a missing path get clear errors", async () => {
  const directory = scratchDirectory();
  await expect(findRepository(directory)).rejects.toThrow("is in no git repository");
  await expect(findRepository(join(directory, "none"))).rejects.toThrow("cannot be read");
  mkdirSync(join(directory, "bare"));
  runGit(join(directory, "bare"), "init", "--quiet", "--bare");
  await expect(findRepository(join(directory, "bare"))).rejects.toThrow("without working files");
});

test("hooks of the repository are not run, and input reaches git", async () => {
  const repository = scratchRepository();
  runGit(repository, "config", "core.hooksPath", "/nonexistent");
  expect((await git(repository, ["config", "core.hooksPath"])).trim()).toBe("/dev/null");
  const id = (await git(repository, ["hash-object", "--stdin"], { input: "a\n" })).trim();
  expect(id).toBe(runGit(repository, "rev-parse", "HEAD:a.txt"));
});

test("without git, and without the repository, the error says which of them is missing", async () => {
  const repository = scratchRepository();
  vi.stubEnv("PATH", repository);
  await expect(git(repository, ["status"])).rejects.toThrow("There is no program `git` on PATH.");
  await expect(git(join(repository, "gone"), ["status"])).rejects.toThrow(`The repository ${repository}/gone is gone.`);
});
