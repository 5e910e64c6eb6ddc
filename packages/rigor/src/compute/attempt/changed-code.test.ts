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
  writeFileSync(`${checkout}.sealed`, "./in */deep/b\n./a.txt\n./.hidden\n./link\n");
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
    const told =
      readFileSync(directory.stderr, "utf8").match(/(?<=^rigor: (?:changed in|added to) the code: ).*$/gm) ?? [];
    return { exit: directory.readExit(), told: told.toSorted() };
  }

  test.each([
    ["nothing is written", "cat a.txt", 0, 0, []],
    ["what a link leads to is written", 'date >"link/$RIGOR_RUN_ID"; rm "link/$RIGOR_RUN_ID"', 0, 0, []],
    ["a file is changed", "echo 2 >'in */deep/b'", 1, 0, ["in */deep/b"]],
    ["a hidden file is changed", "echo 2 >.hidden; exit 3", 1, 0, [".hidden"]],
    ["a file is replaced by another", "echo 2 >new; mv new a.txt", 1, 0, ["a.txt"]],
    ["a file is replaced by a link", "ln -sf .hidden a.txt", 1, 0, ["a.txt"]],
    ["a file is removed", "rm a.txt", 1, 0, ["a.txt"]],
    ["a folder is removed", "rm -r 'in *'", 1, 0, ["in */deep/b"]],
    ["a link is led elsewhere", "ln -sfn /usr link", 1, 0, ["link"]],
    ["a link is replaced by a file", "rm link; echo 2 >link", 1, 0, ["link"]],
    ["files are added", "mkdir -p .cache/x; echo 2 >.cache/x/y; echo 2 >'in */c'", 0, 2, ["in */c"]],
    ["a file is changed, and others are added", "echo 2 | tee a.txt b.txt >c.txt", 1, 2, ["a.txt"]],
  ])("a run in whose checkout %s says so", (_, command, changed, added, told) => {
    expect(run(command)).toMatchObject({ exit: { code_changed: changed, code_added: added }, told });
  });

  test("what others added before counts too", () => {
    for (let number = 0; number < 20; number += 1) writeFileSync(join(checkout, `in */${number}`), "");
    expect(run("true").exit).toMatchObject({ code_changed: 0, code_added: 20 });
  });

  test("what others removed before counts too, and some of it is named", async () => {
    const names = Array.from({ length: 20 }, (_, number) => `${number}.txt`);
    for (const name of names) writeFileSync(join(checkout, name), "");
    writeFileSync(`${checkout}.sealed`, ["a.txt", ...names].map((name) => `./${name}\n`).join(""));
    await sleep(1_100);
    for (const name of names) rmSync(join(checkout, name));
    const { exit, told } = run("true");
    expect(exit).toMatchObject({ code_changed: 20, code_added: 0 });
    expect(told).toEqual(["0.txt", "1.txt", "2.txt", "3.txt", "4.txt"]);
  });

  test("where nobody may write, nothing is looked at", () => {
    writeFileSync(join(checkout, "new"), "");
    execFileSync("chmod", ["a-w", checkout]);
    // Root may write everywhere.
    expect(run("true").exit?.code_added).toBe(process.getuid?.() === 0 ? 1 : 0);
  });
});
