import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AttemptDirectory } from "./attempt-directory.ts";
import { makeAttempt, shells, writeJob } from "./job-script.testing.ts";

let folder: string;
let directory: AttemptDirectory;
let checkout: string;

/** A checkout with its seal, in a folder with a name that shells stumble over; the shell of some systems counts in seconds. */
beforeEach(async () => {
  ({ folder, directory } = makeAttempt());
  checkout = join(folder, "it's a $checkout");
  mkdirSync(join(checkout, "in *", "deep"), { recursive: true });
  for (const name of ["a.txt", ".hidden", "in */deep/b"]) writeFileSync(join(checkout, name), "1");
  execFileSync("ln", ["-s", "/tmp", join(checkout, "link")]);
  writeFileSync(`${checkout}.sealed`, "");
  await sleep(1_100);
});
afterEach(() => {
  execFileSync("chmod", ["-R", "u+w", folder]);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

describe.each(shells)("in %s %s [provenance.checkout-changed]", (shell, ...options) => {
  function run(command: string) {
    writeJob(directory, command, { working_directory: checkout, time_limit: null });
    spawnSync("setsid", ["-w", shell, ...options.filter((one) => one !== undefined), directory.script]);
    const told = readFileSync(directory.stderr, "utf8").match(/(?<=^rigor: changed in the code: ).*$/gm) ?? [];
    return { exit: directory.readExit(), told: told.toSorted() };
  }

  test.each([
    ["nothing is written", "cat a.txt", 0, []],
    ["what a link leads to is written", 'date >"link/$RIGOR_RUN_ID"; rm "link/$RIGOR_RUN_ID"', 0, []],
    ["a file is changed", "echo 2 >'in */deep/b'", 1, ["in */deep/b"]],
    ["a hidden file is changed", "echo 2 >.hidden; exit 3", 1, [".hidden"]],
    ["a file is added", "echo 2 >'in */c'", 2, ["in *", "in */c"]],
    ["a file of the top is removed", "rm a.txt", 1, []],
  ])("a run in whose checkout %s says so", (_, command, changed, told) => {
    expect(run(command)).toMatchObject({ exit: { code_changed: changed }, told });
  });

  test("what others wrote there before counts too, and some of it is named", () => {
    for (let number = 0; number < 20; number += 1) writeFileSync(join(checkout, `in */${number}`), "");
    const { exit, told } = run("true");
    expect(exit?.code_changed).toBe(21);
    expect(told).toHaveLength(5);
  });

  test("where nobody may write, nothing is looked at", () => {
    writeFileSync(join(checkout, "new"), "");
    execFileSync("chmod", ["a-w", checkout]);
    // Root may write everywhere.
    expect(run("true").exit?.code_changed).toBe(process.getuid?.() === 0 ? 2 : 0);
  });
});
