import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { runDeclaredChecks } from "../../packages/rigor/src/agents/checks/declared-checks.ts";
import { findDuplication } from "../../packages/rigor/src/agents/checks/duplication.ts";
import { findSandbox, type Sandbox } from "../../packages/rigor/src/agents/sandbox/sandbox.ts";
import { Workspaces } from "../../packages/rigor/src/agents/workspaces/workspaces.ts";
import {
  commitAll,
  runGit,
  scratchDirectory,
  scratchRepository,
  writeFiles,
} from "../../packages/rigor/src/provenance/scratch-repository.testing.ts";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await findSandbox(process.env["CI"] === "true" ? "required" : "when-present");
});

/** A reader's workspace of a change from some files to others. */
async function change(before: Record<string, string>, after: Record<string, string>) {
  const repository = scratchRepository(before);
  const base = runGit(repository, "rev-parse", "HEAD");
  writeFiles(repository, after);
  const submitted = commitAll(repository);
  const workspaces = await Workspaces.open(repository, scratchDirectory(), sandbox);
  return workspaces.makeForReading({ name: "checks", base, submitted, access: "write" });
}

/** A function of twelve lines, in Python and in TypeScript. */
const python = (name: string) => {
  const lines = Array.from({ length: 10 }, (_, n) => `    total += scale(values[${n}], ${n}) * weights[${n}] + bias`);
  return `def ${name}(values, weights, bias, total):\n${lines.join("\n")}\n    return total\n`;
};
const typescript = (name: string) => {
  const lines = Array.from({ length: 10 }, (_, n) => `  total += scale(values[${n}], ${n}) * weights[${n}] + bias;`);
  return `export function ${name}(values: number[], weights: number[], bias: number, total: number) {\n${lines.join("\n")}\n  return total;\n}\n`;
};

describe("duplicated code", () => {
  test("that a change adds is found in Python and TypeScript, with both places [agents.duplication]", async () => {
    const workspace = await change(
      { "lib/sum.py": python("weigh"), "web/sum.ts": typescript("weigh"), "README.md": "# Sums\n" },
      {
        "new/again.py": `import lib\n\n\n${python("weigh_again")}`,
        "web/sum.ts": `${typescript("weigh")}\n${typescript("other")}`,
      },
    );
    const found = await findDuplication(workspace, sandbox);
    expect(found).toHaveLength(2);
    expect(found).toContainEqual({
      file: "new/again.py",
      lines: { from: expect.any(Number), to: expect.any(Number) },
      otherFile: "lib/sum.py",
      otherLines: { from: 1, to: 12 },
      tokens: expect.any(Number),
      beginning: expect.stringContaining("values, weights, bias, total") as string,
    });
    const again = found.find(({ file }) => file === "web/sum.ts");
    expect(again).toMatchObject({ otherFile: "web/sum.ts", otherLines: { from: 1 } });
    expect(again?.lines.from).toBeGreaterThan(13);
  });

  test("that stood there before, or is only changed in a line, is not told [agents.duplication]", async () => {
    const twice = { "a.py": python("weigh"), "b.py": python("weigh") };
    const edited = python("weigh").replace("values[4]", "values[5]");
    const workspace = await change(twice, { "a.py": edited, "b.py": edited, "c.py": "print('new')\n" });
    expect(await findDuplication(workspace, sandbox)).toEqual([]);
  });

  test("is found whatever settings its author has committed [agents.duplication]", async () => {
    const workspace = await change(
      { "a.py": python("weigh"), "package.json": '{"jscpd":{"ignore":["**"]}}\n' },
      { "b.py": python("weigh"), ".jscpd.json": '{"ignore":["**"]}\n', ".gitignore": "settings\n" },
    );
    expect(await findDuplication(workspace, sandbox)).toHaveLength(1);
  });

  test("of a change without code is none [agents.duplication]", async () => {
    const workspace = await change({ "a.md": "a\n" }, { "b.md": "b\n" });
    expect(await findDuplication(workspace, sandbox)).toEqual([]);
  });
});

describe("declared checks", () => {
  test("run in the sandbox on the submitted commit, and each tells how it ended [agents.checks]", async () => {
    const workspace = await change(
      { "a.py": "a = 1\n" },
      { "a.py": "a = 2\n", "test.py": "import a\nassert a.a == 2\n" },
    );
    const output = join(scratchDirectory(), "checks");
    const commands = ["python3 test.py && echo fine", "echo wrong >&2; exit 3", "kill -9 $$", "no-such-linter ."];
    const made = await runDeclaredChecks(workspace, sandbox, { commands, output });
    expect(made.map(({ command }) => command)).toEqual(commands);
    expect(made.map(({ passed }) => passed)).toEqual([true, false, false, false]);
    expect(made[0]).toMatchObject({ exit: 0, tail: "fine\n", timedOut: false, output: join(output, "check-1.log") });
    expect(made[1]).toMatchObject({ exit: 3, tail: "wrong\n" });
    expect(made[3]?.tail).toContain("no-such-linter");
    expect(made.every(({ seconds }) => seconds > 0)).toBe(true);
  });

  test("are ended after their time, with what they started [agents.checks]", async () => {
    const workspace = await change({ "a.py": "a = 1\n" }, { "a.py": "a = 2\n" });
    const output = scratchDirectory();
    const commands = ["echo started; sleep 600 & sleep 600", "echo next"];
    // A sandbox takes its own time to start, which is long on a busy machine.
    const none = await findSandbox("when-present", "/nowhere");
    const made = await runDeclaredChecks(workspace, none, { commands, output, timeLimit: 5 });
    expect(made[0]).toMatchObject({ passed: false, exit: null, timedOut: true, tail: "started\n" });
    expect(made[1]).toMatchObject({ passed: true, tail: "next\n" });
  });

  test("keep all of their output in a file, and the end of it [agents.checks]", async () => {
    const workspace = await change({ "a.py": "a = 1\n" }, { "a.py": "a = 2\n" });
    const commands = ["seq 1 100000"];
    const [made] = await runDeclaredChecks(workspace, sandbox, { commands, output: scratchDirectory() });
    expect(readFileSync(made?.output ?? "", "utf8").split("\n")).toHaveLength(100_001);
    expect(made?.tail.length).toBeLessThanOrEqual(4_000);
    expect(made?.tail.endsWith("99999\n100000\n")).toBe(true);
  });

  test.runIf(hasBubblewrap())("reach nothing outside [F38] [agents.checks]", async () => {
    const workspace = await change({ "a.py": "a = 1\n" }, { "a.py": "a = 2\n" });
    const outside = join(scratchDirectory(), "outside");
    const commands = [
      `touch ${outside}`,
      "curl -s --noproxy '*' -m 5 http://192.0.2.1/",
      `cat ${workspace.repository}/a.py`,
    ];
    const made = await runDeclaredChecks(workspace, sandbox, { commands, output: scratchDirectory() });
    expect(made.map(({ passed }) => passed)).toEqual([false, false, false]);
    expect(existsSync(outside)).toBe(false);
  });
});

function hasBubblewrap(): boolean {
  return (process.env["PATH"] ?? "").split(":").some((directory) => existsSync(join(directory, "bwrap")));
}
