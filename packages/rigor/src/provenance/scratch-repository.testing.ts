import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished, vi } from "vitest";

/** A directory for one test, with its symbolic links resolved; removed when the test ends, read-only parts included. */
export function scratchDirectory(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "rigor-test-")));
  onTestFinished(() => removeTree(directory));
  return directory;
}

/** Removes a directory with its read-only parts. */
export function removeTree(directory: string): void {
  // A process that has not ended yet, as git's own clean-up, may take files away meanwhile, and chmod complains of those: what
  // counts is that the directory is gone in the end.
  spawnSync("chmod", ["-R", "u+w", directory], { stdio: "ignore" });
  rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
}

/** Runs git in a test repository and returns what it printed, without white space at the ends. */
export function runGit(directory: string, ...args: string[]): string {
  const identity = ["user.name=Test", "user.email=test@example.org"];
  // git's clean-up would go on behind the test.
  const settings = [...identity, "protocol.file.allow=always", "gc.auto=0", "maintenance.auto=false"];
  return execFileSync("git", [...settings.flatMap((setting) => ["-c", setting]), ...args], {
    cwd: directory,
    encoding: "utf8",
    stdio: "pipe",
  }).trim();
}

/** Writes files by relative path. */
export function writeFiles(directory: string, files: Record<string, string>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
}

/** A git repository with the given files in one commit; no commit at all for no files. */
export function scratchRepository(files: Record<string, string> = { "a.txt": "a\n", "code/run.sh": "echo\n" }): string {
  const directory = scratchDirectory();
  runGit(directory, "init", "--quiet", "--initial-branch=main");
  if (Object.keys(files).length > 0) {
    writeFiles(directory, files);
    commitAll(directory);
  }
  return directory;
}

/** Commits everything and returns the commit. */
export function commitAll(directory: string, message = "state"): string {
  runGit(directory, "add", "--all");
  runGit(directory, "commit", "--quiet", "--message", message);
  return runGit(directory, "rev-parse", "HEAD");
}

/** The commands of git that some work calls, sorted. */
export async function gitCalls(work: () => Promise<unknown>): Promise<string[]> {
  const programs = scratchDirectory();
  const real = execFileSync("sh", ["-c", "command -v git"], { encoding: "utf8" }).trim();
  writeFiles(programs, { calls: "", git: `#!/bin/sh\necho "$@" >>${programs}/calls\nexec ${real} "$@"\n` });
  chmodSync(join(programs, "git"), 0o755);
  vi.stubEnv("PATH", `${programs}:${process.env["PATH"]}`);
  await work();
  vi.unstubAllEnvs();
  const lines = readFileSync(join(programs, "calls"), "utf8").split("\n").slice(0, -1);
  return lines.map((line) => line.replace(/^(?:-c \S+ )*/, "").replace(/ .*/, "")).sort();
}
