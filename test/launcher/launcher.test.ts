import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { findOldNode } from "../support/old-node.ts";

const packageDirectory = resolve(import.meta.dirname, "../../packages/rigor");
const oldNode = findOldNode();

let directory: string;
/** A package like Rigor whose program says what it got. */
let launcher: string;
let main: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rigor launcher "));
  mkdirSync(join(directory, "bin"));
  mkdirSync(join(directory, "src/cli"), { recursive: true });
  launcher = join(directory, "bin/rigor.js");
  main = join(directory, "src/cli/main.ts");
  cpSync(join(packageDirectory, "bin/rigor.js"), launcher);
  cpSync(join(packageDirectory, "package.json"), join(directory, "package.json"));
  symlinkSync(resolve(packageDirectory, "../../node_modules"), join(directory, "node_modules"));
});
afterAll(() => rmSync(directory, { recursive: true, maxRetries: 10 }));

const program = (text: string) => writeFileSync(main, text);

describe.skipIf(oldNode === undefined).each([
  ["the machine's older Node", oldNode ?? ""],
  ["the pinned Node", process.execPath],
])("the launcher on %s [start.node-20]", (_name, node) => {
  test("tells the version without starting anything", () => {
    program("throw new Error('not to be loaded');");
    const { version } = JSON.parse(readFileSync(join(packageDirectory, "package.json"), "utf8")) as { version: string };
    for (const flag of ["--version", "-v"]) {
      expect(execFileSync(node, [launcher, flag], { encoding: "utf8" })).toBe(`${version}\n`);
    }
  });

  test("runs the program on Node 24 with arguments, input and exit code unchanged", () => {
    program(`
      import { readFileSync } from "node:fs";
      const got: unknown = { major: process.versions.node.split(".")[0], arguments: process.argv.slice(2), input: readFileSync(0, "utf8") };
      console.log(JSON.stringify(got));
      process.exitCode = 3;
    `);
    const given = ["run", "a b", "$HOME", `'"`, "two\nlines", "ü", "", "--flag=*"];
    const result = spawnSync(node, [launcher, ...given], { encoding: "utf8", input: "from stdin" });
    expect(result.stderr).toBe("");
    expect(result.status).toBe(3);
    expect(JSON.parse(result.stdout)).toEqual({ major: "24", arguments: given, input: "from stdin" });
  });

  test.each(["SIGINT", "SIGTERM"] as const)("delivers %s once, and waits for the program to end", async (signal) => {
    program(`
      let count = 0;
      process.on("${signal}", () => {
        count += 1;
        setTimeout(() => { console.log("ended after " + count); process.exit(7); }, 300);
      });
      setInterval(() => undefined, 1000);
      console.log("ready");
    `);
    const child = spawn(node, [launcher, "run"], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    const output = collect(child);
    await until(() => output.text.includes("ready"));
    child.kill(signal);
    expect(await ending(child)).toEqual({ code: 7, signal: null });
    expect(output.text).toBe("ready\nended after 1\n");
  });

  test("ends by the signal that ended the program", async () => {
    program(`process.kill(process.pid, "SIGKILL");`);
    const child = spawn(node, [launcher, "run"], { stdio: "ignore" });
    expect(await ending(child)).toEqual({ code: null, signal: "SIGKILL" });
  });
});

describe.skipIf(oldNode === undefined || !existsSync("/usr/bin/script"))("on a terminal", () => {
  test("Ctrl-C reaches the program once, also through the older Node", async () => {
    program(`
      let count = 0;
      process.on("SIGINT", () => {
        count += 1;
        setTimeout(() => { console.log("ended after " + count); process.exit(0); }, 300);
      });
      setInterval(() => undefined, 1000);
      console.log("ready");
    `);
    const command = [oldNode ?? "", launcher, "run"].map((word) => `'${word}'`).join(" ");
    const child = spawn("/usr/bin/script", ["-qfec", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    const output = collect(child);
    await until(() => output.text.includes("ready"));
    child.stdin.write("\x03");
    await ending(child);
    expect(output.text).toContain("ended after 1");
  });
});

test.skipIf(oldNode === undefined)("a missing pinned Node is named, with what to do", () => {
  const bare = join(directory, "bare");
  mkdirSync(join(bare, "bin"), { recursive: true });
  cpSync(launcher, join(bare, "bin/rigor.js"));
  cpSync(join(directory, "package.json"), join(bare, "package.json"));
  mkdirSync(join(bare, "node_modules/node"), { recursive: true });
  writeFileSync(join(bare, "node_modules/node/package.json"), "{}");
  const result = spawnSync(oldNode ?? "", [join(bare, "bin/rigor.js"), "status"], { encoding: "utf8" });
  expect(result.status).toBe(1);
  expect(result.stderr).toMatch(
    /^rigor: this is Node \d+\.\d+\.\d+, and the Node 24 that comes with Rigor is missing\.\n/,
  );
  expect(result.stderr).toContain("npm install-scripts approve node");
});

/** What the child has printed so far. */
function collect(child: ChildProcess): { text: string } {
  const output = { text: "" };
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    output.text += chunk;
  });
  return output;
}

function ending(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((done) => {
    child.once("close", (code, signal) => done({ code, signal }));
  });
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 90_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("The program did not get there in 90 seconds.");
    await sleep(20);
  }
}
