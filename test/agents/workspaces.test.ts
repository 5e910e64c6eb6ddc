import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { findSandbox, type Sandbox } from "../../packages/rigor/src/agents/sandbox/sandbox.ts";
import { runInside } from "../../packages/rigor/src/agents/workspaces/run-inside.ts";
import type { Workspace } from "../../packages/rigor/src/agents/workspaces/workspace.ts";
import { Workspaces } from "../../packages/rigor/src/agents/workspaces/workspaces.ts";
import {
  commitAll,
  runGit,
  scratchDirectory,
  scratchRepository,
  writeFiles,
} from "../../packages/rigor/src/provenance/scratch-repository.testing.ts";
import { snapshot } from "../../packages/rigor/src/provenance/snapshot.ts";

const files = { "train.py": "print('train')\n", "lib/model.py": "model = 1\n", ".gitignore": "results/\n" };

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await findSandbox(process.env["CI"] === "true" ? "required" : "when-present");
});

/** A person's repository with work under way, and the lab's workspaces of it. */
async function lab() {
  const repository = scratchRepository(files);
  const base = runGit(repository, "rev-parse", "HEAD");
  writeFiles(repository, { "staged.txt": "staged\n", "train.py": "print('half done')\n", "notes.txt": "untracked\n" });
  runGit(repository, "add", "staged.txt");
  const before = stateOf(repository);
  const directory = scratchDirectory();
  return { repository, base, before, directory, workspaces: await Workspaces.open(repository, directory, sandbox) };
}

/** All of a repository that its person sees, but the lab's own branches. */
function stateOf(repository: string) {
  const refs = runGit(repository, "for-each-ref", "--format=%(refname) %(objectname)").split("\n");
  return {
    head: readFileSync(join(repository, ".git/HEAD"), "utf8"),
    index: readFileSync(join(repository, ".git/index")).toString("base64"),
    config: readFileSync(join(repository, ".git/config"), "utf8"),
    entries: readdirSync(join(repository, ".git")).sort(),
    status: runGit(repository, "status", "--porcelain"),
    refs: refs.filter((line) => !/^refs\/(rigor|heads\/rigor)\//.test(line)),
  };
}

/** As an agent does in a workspace. */
async function work(workspace: Workspace, script: string): Promise<string> {
  const { status, stdout, stderr } = await runInside(workspace, sandbox, script);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

describe("an author's workspace", () => {
  test("has the files of its base on a branch of its own, and git works in it [workspace.own-repository]", async () => {
    const { repository, base, before, workspaces } = await lab();
    const workspace = await workspaces.make({ name: "issue-7", base });
    const script = `cat train.py; git status --short --branch; git log --format=%s
      echo more >>train.py; git diff --stat; git commit --quiet --all -m 'Train more'; git log --format=%s; git switch --quiet -c other`;
    expect(await work(workspace, script)).toBe(
      [
        "print('train')\n## rigor/issue-7\nstate\n",
        " train.py | 1 +\n 1 file changed, 1 insertion(+)\n",
        "Train more\nstate\n",
      ].join(""),
    );
    expect(stateOf(repository)).toEqual(before);
    expect(await workspaces.make({ name: "issue-7", base })).toEqual(workspace);
  });

  test("shows nothing of the person's repository but the history of its base [workspace.own-repository]", async () => {
    const { repository, base, workspaces } = await lab();
    const dirty = await snapshot(repository);
    runGit(repository, "stash", "--include-untracked");
    runGit(repository, "switch", "--quiet", "--create", "secret-idea");
    writeFiles(repository, { "idea.txt": "secret\n" });
    const secret = commitAll(repository);
    const workspace = await workspaces.make({ name: "issue-7", base });
    const script =
      "git cat-file --batch-all-objects --batch-check='%(objectname)'; git for-each-ref --format='%(refname)'";
    const seen = await work(workspace, script);
    expect(seen).toContain(base);
    for (const hidden of [secret, dirty.commit]) expect(seen).not.toContain(hidden);
    expect(seen).not.toContain("secret-idea");
  });

  test.runIf(hasBubblewrap())(
    "cannot change the person's hooks, settings or branches [F38] [workspace.own-repository]",
    async () => {
      const { repository, base, before, workspaces } = await lab();
      const workspace = await workspaces.make({ name: "issue-7", base });
      const gitDirectory = join(repository, ".git");
      const script = `
      echo x >${gitDirectory}/hooks/post-checkout; echo x >>${gitDirectory}/config
      git --git-dir=${gitDirectory} update-ref refs/heads/main ${base}
      git --git-dir=${gitDirectory} branch -f stolen
      git push --quiet ${repository} HEAD:refs/heads/main
      rm -rf ${repository}; echo x >$(cat .git/objects/info/alternates)/x; true`;
      await runInside(workspace, sandbox, script);
      expect(stateOf(repository)).toEqual(before);
      expect(existsSync(join(gitDirectory, "hooks/post-checkout"))).toBe(false);
    },
  );

  test("starts from a snapshot of what was not committed, too [workspace.own-repository]", async () => {
    const { repository, workspaces } = await lab();
    const { commit } = await snapshot(repository);
    const workspace = await workspaces.make({ name: "issue-7", base: commit });
    expect(await work(workspace, "cat train.py notes.txt staged.txt; git status --short")).toBe(
      "print('half done')\nuntracked\nstaged\n",
    );
  });

  test("can be made of a history that is cut off [workspace.own-repository]", async () => {
    const { repository } = await lab();
    writeFiles(repository, { "later.txt": "later\n" });
    commitAll(repository);
    const shallow = join(scratchDirectory(), "shallow");
    runGit(repository, "clone", "--quiet", "--depth=1", `file://${repository}`, shallow);
    const base = runGit(shallow, "rev-parse", "HEAD");
    const workspaces = await Workspaces.open(shallow, scratchDirectory(), sandbox);
    const workspace = await workspaces.make({ name: "issue-7", base });
    expect(await work(workspace, "git log --format=%s; echo x >x; git fsck --connectivity-only 2>&1")).toBe("state\n");
    const { commit } = await workspaces.submit("issue-7");
    expect(runGit(shallow, "log", "--format=%s", commit)).toBe("Work that was not committed at submission\nstate");
  });

  test("links an environment that git does not see [workspace.own-repository]", async () => {
    const { base, workspaces } = await lab();
    const target = scratchDirectory();
    const workspace = await workspaces.make({ name: "issue-7", base, links: { ".venv": target } });
    expect(await work(workspace, "readlink .venv; git status --short")).toBe(`${target}\n`);
    await expect(workspaces.make({ name: "issue-8", base, links: { lib: target } })).rejects.toMatchObject({
      code: "repository",
      message: expect.stringContaining("lib is committed"),
    });
    expect(await workspaces.find("issue-8")).toBeNull();
  });
});

describe("submitting", () => {
  test("brings commits and what was left uncommitted to the branch, and touches nothing else [workspace.submit]", async () => {
    const { repository, base, before, workspaces } = await lab();
    const workspace = await workspaces.make({ name: "issue-7", base });
    await work(
      workspace,
      "echo a >a.txt; git add a.txt; git commit --quiet -m 'Add a'; echo b >b.txt; mkdir results; echo r >results/r",
    );
    const first = await workspaces.submit("issue-7", { message: "The rest" });
    expect(first).toEqual({ commit: first.commit, base, branch: "rigor/issue-7", branchLeft: null });
    expect(runGit(repository, "log", "--format=%s", "rigor/issue-7")).toBe("The rest\nAdd a\nstate");
    expect(runGit(repository, "ls-tree", "-r", "--name-only", first.commit)).toBe(
      ".gitignore\na.txt\nb.txt\nlib/model.py\ntrain.py",
    );
    expect(await workspaces.submit("issue-7")).toEqual(first);
    await work(workspace, "echo c >c.txt; git add c.txt; git commit --quiet --amend -m 'Again'");
    const second = await workspaces.submit("issue-7");
    expect(runGit(repository, "rev-parse", "rigor/issue-7")).toBe(second.commit);
    runGit(repository, "gc", "--quiet", "--prune=now");
    expect(runGit(repository, "cat-file", "-t", first.commit)).toBe("commit");
    expect(stateOf(repository)).toEqual({ ...before, entries: expect.any(Array), refs: expect.any(Array) });
  });

  test("of no change is the base itself [workspace.submit]", async () => {
    const { base, workspaces } = await lab();
    await workspaces.make({ name: "issue-7", base });
    expect(await workspaces.submit("issue-7")).toMatchObject({ commit: base, branchLeft: null });
  });

  test("runs no program that the author's repository names, outside the sandbox [F38] [workspace.submit]", async () => {
    const { base, workspaces, directory } = await lab();
    const workspace = await workspaces.make({ name: "issue-7", base });
    const mark = join(directory, "ran");
    await work(
      workspace,
      `for name in pre-commit post-commit reference-transaction post-index-change; do
         mkdir -p .git/hooks; printf '#!/bin/sh\\ntouch ${mark}\\n' >.git/hooks/$name; chmod +x .git/hooks/$name; done
       git config core.fsmonitor 'touch ${mark}'; git config filter.x.clean 'touch ${mark}; cat'
       git config uploadpack.packObjectsHook 'touch ${mark}'; git config core.pager 'touch ${mark}'
       git config diff.external 'touch ${mark}'; git config gpg.program 'touch ${mark}'; git config commit.gpgSign true
       echo '*.txt filter=x' >.gitattributes; echo x >x.txt`,
    );
    const { commit } = await workspaces.submit("issue-7");
    expect(commit).not.toBe(base);
    await workspaces.sweep(() => false);
    expect(existsSync(mark)).toBe(sandbox.kind === "none");
  });

  test.each([
    [
      "files in conflict",
      "git switch -q -c o; echo o >train.py; git commit -qam o; git switch -q -; echo m >train.py; git commit -qam m; git merge -q o >/dev/null || true",
      "train.py",
    ],
    ["another history", "git checkout -q --orphan new; git commit -qm new", "does not hold the commit"],
    [
      "a repository in it",
      "mkdir sub; cd sub; git init -q; echo x >x; git add x; git -c user.name=a -c user.email=a@b commit -qm x",
      "other git repositories: sub",
    ],
    ["a broken repository", "rm -rf .git/HEAD", "git cannot commit"],
  ])("refuses %s, with what to do [workspace.submit]", async (_what, script, message) => {
    const { repository, base, before, workspaces } = await lab();
    await work(await workspaces.make({ name: "issue-7", base }), script);
    await expect(workspaces.submit("issue-7")).rejects.toMatchObject({
      code: "not-possible",
      message: expect.stringContaining(message),
      next: expect.any(String),
    });
    expect({ ...stateOf(repository) }).toEqual(before);
    expect(runGit(repository, "branch", "--list", "rigor/*")).toBe("");
  });

  test("refuses a change that is too large [workspace.submit]", async () => {
    const { base, workspaces } = await lab();
    await work(await workspaces.make({ name: "issue-7", base }), "head -c 300000 /dev/urandom >data.bin");
    await expect(workspaces.submit("issue-7", { maxBytes: 100_000 })).rejects.toMatchObject({
      message: expect.stringMatching(/takes .* 100 kB are allowed|allowed/),
    });
  });

  test("refuses objects that would harm who checks them out [F38] [workspace.submit]", async () => {
    const { repository, base, before, workspaces } = await lab();
    const script = `blob=$(echo evil | git hash-object -w --stdin)
      inner=$(printf '100755 blob %s\\tpost-checkout\\n' $blob | git mktree)
      tree=$(printf '040000 tree %s\\t.git\\n' $inner | git mktree)
      git reset -q --soft $(git commit-tree $tree -p HEAD -m evil); rm -rf train.py lib .gitignore`;
    await work(await workspaces.make({ name: "issue-7", base }), script);
    await expect(workspaces.submit("issue-7")).rejects.toThrow("hasDotgit");
    expect(stateOf(repository)).toEqual(before);
    expect(runGit(repository, "for-each-ref", "refs/rigor", "refs/heads/rigor")).toBe("");
  });

  test("leaves a branch that a person has checked out or has worked on [workspace.submit]", async () => {
    const { repository, base, workspaces } = await lab();
    const workspace = await workspaces.make({ name: "issue-7", base });
    const place = join(scratchDirectory(), "look");
    await work(workspace, "echo a >a.txt");
    await workspaces.submit("issue-7");
    runGit(repository, "worktree", "add", "--quiet", place, "rigor/issue-7");
    await work(workspace, "echo b >b.txt");
    const looked = await workspaces.submit("issue-7");
    expect(looked.branchLeft).toBe(`rigor/issue-7 is checked out at ${place}.`);
    expect(runGit(place, "status", "--porcelain")).toBe("");
    writeFiles(place, { "mine.txt": "mine\n" });
    const mine = commitAll(place);
    runGit(repository, "worktree", "remove", place);
    const submitted = await workspaces.submit("issue-7");
    expect(submitted.branchLeft).toContain("is not the lab's");
    expect(runGit(repository, "rev-parse", "rigor/issue-7")).toBe(mine);
    expect(runGit(repository, "cat-file", "-t", submitted.commit)).toBe("commit");
  });
});

describe("a reader's workspace", () => {
  test("has the submitted files and none of the author's words [F32] [workspace.review]", async () => {
    const { repository, base, workspaces } = await lab();
    const author = await workspaces.make({ name: "issue-7", base });
    await work(author, "echo better >train.py; git commit --quiet -am 'I am sure that this is right'; echo x >x.txt");
    const { commit } = await workspaces.submit("issue-7", { message: "Trust me" });
    const reader = await workspaces.makeForReading({ name: "review-1", base, submitted: commit, access: "read" });
    const script = `git log --format=%s; git diff --stat HEAD~ HEAD; cat x.txt; git status --short
      git cat-file --batch-all-objects --batch-check='%(objecttype) %(objectname)' | grep -c commit`;
    expect(await work(reader, script)).toBe(
      "The change that was submitted\nstate\n train.py | 2 +-\n x.txt    | 1 +\n 2 files changed, 2 insertions(+), 1 deletion(-)\nx\n2\n",
    );
    const tree = runGit(repository, "rev-parse", `${commit}^{tree}`);
    expect((await work(reader, "git rev-parse HEAD^{tree}")).trim()).toBe(tree);
    if (sandbox.kind === "bwrap") {
      expect((await runInside(reader, sandbox, "echo x >>train.py")).stderr).toMatch(/read-only/i);
    }
    const checks = await workspaces.makeForReading({ name: "checks-1", base, submitted: commit, access: "write" });
    expect(await work(checks, "echo x >>train.py; cat train.py")).toBe("better\nx\n");
  });

  test("cannot be submitted [workspace.review]", async () => {
    const { base, workspaces } = await lab();
    await workspaces.makeForReading({ name: "review-1", base, submitted: base, access: "write" });
    await expect(workspaces.submit("review-1")).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("after the work", () => {
  test("workspaces that nobody needs are removed; unsubmitted work is kept and named [F39] [workspace.sweep]", async () => {
    const { base, workspaces, directory } = await lab();
    const [, needed, done, half] = [0, "needed", "done", "half"];
    for (const name of [needed, done, half]) await workspaces.make({ name, base });
    await workspaces.makeForReading({ name: "review", base, submitted: base, access: "read" });
    const finished = await workspaces.find(done);
    if (finished !== null) await work(finished, "echo done >done.txt");
    await workspaces.submit(done);
    const started = await workspaces.find(half);
    if (started !== null) await work(started, "echo half >half.txt");
    const swept = await workspaces.sweep(({ name }) => name === needed);
    expect(swept.sort((a, b) => a.name.localeCompare(b.name))).toEqual([
      { name: done, bytes: expect.any(Number), kept: null },
      { name: half, bytes: expect.any(Number), kept: "It has work that was not submitted." },
      { name: "review", bytes: expect.any(Number), kept: null },
    ]);
    expect(swept.every(({ bytes }) => bytes > 4096)).toBe(true);
    expect(await workspaces.find(done)).toBeNull();
    expect(await workspaces.find(needed)).not.toBeNull();
    await workspaces.remove(half);
    await workspaces.remove(half);
    const [place = ""] = readdirSync(directory);
    expect(readdirSync(join(directory, place)).sort()).toEqual([needed, "pool.git"]);
  });

  test("a lab that is killed at any moment goes on, and the person's repository is whole [workspace.crash]", async () => {
    const { repository, base, before, directory, workspaces } = await lab();
    const submitted: string[] = [];
    for (let round = 0; round < 8; round++) {
      const life = spawn(process.execPath, [join(import.meta.dirname, "workspace-life.ts"), repository, directory], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      onTestFinished(() => void life.kill("SIGKILL"));
      let printed = "";
      life.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
      const ended = new Promise((resolve) => life.once("close", resolve));
      if (round % 2 === 0) await vi.waitFor(() => expect(printed).not.toBe(""), { timeout: 90_000 });
      await sleep(Math.random() * 2_000);
      life.kill("SIGKILL");
      await ended;
      submitted.push(...printed.split("\n").slice(0, -1));
      await workspaces.sweep(() => true);
      const workspace = await workspaces.make({ name: "issue-1", base });
      await work(workspace, "git status --short >/dev/null; git fsck --connectivity-only 2>&1");
    }
    await workspaces.submit("issue-1");
    expect(await workspaces.sweep(() => false)).not.toEqual([]);
    for (const commit of submitted) expect(runGit(repository, "cat-file", "-t", commit)).toBe("commit");
    runGit(repository, "fsck", "--connectivity-only");
    expect(stateOf(repository)).toEqual(before);
    const [place = ""] = readdirSync(directory);
    expect(readdirSync(join(directory, place))).toEqual(["pool.git"]);
    expect(submitted.length).toBeGreaterThan(0);
  });
});

function hasBubblewrap(): boolean {
  return (process.env["PATH"] ?? "").split(":").some((directory) => existsSync(join(directory, "bwrap")));
}
