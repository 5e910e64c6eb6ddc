/** `rigor init` in other people's repositories, environments, completion, and the lab around the experiments. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { isAlive } from "../../packages/rigor/src/cli/daemon/processes.ts";
import { experiment, expectRefusal, rule, script, until, UserLab, workspace } from "./lab.ts";

const labs: UserLab[] = [];
afterAll(async () => {
  for (const lab of labs) await lab.close();
});

function newLab(): UserLab {
  const lab = new UserLab().init();
  labs.push(lab);
  return lab;
}

describe("rigor init [init.any-repository]", () => {
  test.each<[string, Record<string, string>, RegExp]>([
    ["a Python repository with requirements", { "requirements.txt": "", "train.py": "print(1)\n" }, /manager: pip/],
    ["a plain repository", { "README.md": "Nothing yet.\n" }, /manager: none/],
    [
      "a repository of Node's",
      { "package.json": '{ "name": "mine", "version": "1.0.0" }', "index.js": "console.log(1);\n" },
      /manager: none/,
    ],
  ])("in %s writes what runs to a decision, and overwrites nothing", async (_, files, manager) => {
    const lab = newLab();
    lab.commit(files);
    const answer = await lab.rigor("init");
    expect(answer.status, answer.text).toBe(0);
    expect(answer.stdout).toMatch(/^wrote {2}rigor\.yaml\nwrote {2}experiments\/first\/experiment\.yaml\n/);
    expect(answer.stdout).toContain("Next:\n  rigor run experiments/first/experiment.yaml\n");
    expect(lab.git("status", "--porcelain")).toBe("?? experiments/\n?? rigor.yaml");
    const file = join(lab.repository, "experiments/first/experiment.yaml");
    expect(readFileSync(file, "utf8")).toMatch(manager);
    expect(readFileSync(join(lab.repository, "rigor.yaml"), "utf8")).toMatch(/^# .*\n/);

    writeFileSync(file, `${readFileSync(file, "utf8")}# mine\n`);
    const second = await lab.rigor("init");
    expect(second.stdout).toContain(
      "kept   rigor.yaml (it was there already)\nkept   experiments/first (it was there already)",
    );
    expect(readFileSync(file, "utf8")).toMatch(/# mine\n$/);

    const ran = await lab.rigor("run", "experiments/first/experiment.yaml");
    expect(ran.status, ran.text).toBe(0);
    expect(ran.stdout).toContain("Decision: supported. 2 comparisons: 2 supported.");
    expect(lab.git("status", "--porcelain")).toBe("?? experiments/\n?? rigor.yaml");
    expect(lab.git("branch", "--list", "--all").split("\n")).toHaveLength(1);
  });
});

test("the README's lines for one's own repository work as they stand [start.anywhere]", async () => {
  const readme = readFileSync(join(workspace, "README.md"), "utf8");
  const [, block = ""] = /^## In your own repository\n\n((?: {4}.*\n)+)/m.exec(readme) ?? [];
  const lines = block.split("\n").map((line) => line.trim());
  const lab = newLab();
  lab.commit({ "requirements.txt": "", "train.py": "print(1)\n" });
  const prefix = join(lab.directory, "npm");
  const entered = lines.join("\n").replace("YOUR-REPOSITORY", '"$1"');
  const answer = await lab.program("sh", ["-ec", `cd "$0"\n${entered}`, workspace, lab.repository], {
    npm_config_prefix: prefix,
    PATH: [join(prefix, "bin"), process.env["PATH"]].join(delimiter),
  });
  expect(answer.status, answer.text).toBe(0);
  expect(answer.stdout).toContain("Decision: supported. 2 comparisons: 2 supported.");
  expect(existsSync(join(prefix, "bin/rigor"))).toBe(true);
});

describe("environments", () => {
  const one = { arms: { one: { role: "baseline" }, two: { role: "ours" } }, seeds: { count: 3 } };

  test("a local wheel is built into an environment that the runs use [environment.venv]", async () => {
    const lab = newLab();
    const metadata = "Metadata-Version: 2.1\nName: tinyloss\nVersion: 1.2\n";
    const wheel = [
      [
        "tinyloss.py",
        "def loss(arm, seed):\n    return (5.0 if arm == 'one' else 3.0) + seed * (0.1 if arm == 'one' else 0.17)\n",
      ],
      ["tinyloss-1.2.dist-info/METADATA", metadata],
      [
        "tinyloss-1.2.dist-info/WHEEL",
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
      ],
      [
        "tinyloss-1.2.dist-info/RECORD",
        "tinyloss.py,,\ntinyloss-1.2.dist-info/METADATA,,\ntinyloss-1.2.dist-info/WHEEL,,\ntinyloss-1.2.dist-info/RECORD,,\n",
      ],
    ];
    lab.write({ "wheels/.keep": "" });
    const pack =
      "import json, sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as z:\n    for name, text in json.loads(sys.argv[2]): z.writestr(name, text)\n";
    execFileSync("python3", [
      "-c",
      pack,
      join(lab.repository, "wheels/tinyloss-1.2-py3-none-any.whl"),
      JSON.stringify(wheel),
    ]);
    lab.commit({
      "requirements.txt": "./wheels/tinyloss-1.2-py3-none-any.whl\n",
      "train.py":
        "import json, os, tinyloss\nloss = tinyloss.loss(os.environ['RIGOR_ARM'], int(os.environ['RIGOR_SEED']))\njson.dump({'metrics': {'loss': loss}}, open(os.environ['RIGOR_OUTPUT'] + '/result.json', 'w'))\n",
      "train.yaml": experiment({
        name: "train",
        ...one,
        run: "python train.py",
        code: ["train.py"],
        environment: { manager: "pip" },
        decision: rule,
      }),
    });
    const answer = await lab.rigor("run", "train.yaml");
    expect(answer.status, answer.text).toBe(0);
    expect(answer.stdout).toContain("Decision: supported");
    const [run] = await lab.runs("train");
    const {
      attempt_list: [attempt],
    } = await lab.json<{ attempt_list: { directory: string }[] }>("show", run?.id ?? "");
    const manifest = JSON.parse(readFileSync(join(attempt?.directory ?? "", "manifest.json"), "utf8")) as {
      environment: { packages: Record<string, string> };
    };
    expect(manifest.environment.packages).toMatchObject({ tinyloss: "1.2" });
  });

  test("an npm lock is installed and used; one that cannot be built holds the experiment with the log [environment.npm]", async () => {
    const lab = newLab();
    const lock = (version: string) =>
      JSON.stringify({
        name: "mine",
        version,
        lockfileVersion: 3,
        packages: {
          "": { name: "mine", version, dependencies: { part: "file:part" } },
          "node_modules/part": { resolved: "part", link: true },
          part: { name: "part", version: "2.0.0" },
        },
      });
    lab.commit({
      "package.json": JSON.stringify({ name: "mine", version: "1.0.0", dependencies: { part: "file:part" } }),
      "package-lock.json": lock("1.0.0"),
      "part/package.json": JSON.stringify({ name: "part", version: "2.0.0", main: "index.js" }),
      "part/index.js": "exports.loss = (arm, seed) => (arm === 'one' ? 5 + seed * 0.1 : 3 + seed * 0.17);\n",
      "train.cjs":
        "const { loss } = require('part');\nconst { RIGOR_ARM: arm, RIGOR_SEED: seed, RIGOR_OUTPUT: out } = process.env;\nrequire('fs').writeFileSync(out + '/result.json', JSON.stringify({ metrics: { loss: loss(arm, Number(seed)) } }));\n",
      "train.yaml": experiment({
        name: "train",
        ...one,
        run: "node train.cjs",
        code: ["train.cjs"],
        environment: { manager: "npm" },
        decision: rule,
      }),
    });
    const answer = await lab.rigor("run", "train.yaml");
    expect(answer.status, answer.text).toBe(0);

    lab.write({
      "package.json": JSON.stringify({
        name: "mine",
        version: "1.0.0",
        dependencies: { part: "file:part", other: "9.9.9" },
      }),
      "package-lock.json": `${lock("1.0.0")}\n`,
    });
    const held = await lab.rigor("run", "train.yaml");
    expect(held.status, held.text).toBe(3);
    expect(held.stdout).toMatch(/Held now: .*(npm|environment)/);
    expect(held.stdout).toMatch(/\.log/);
  });
});

describe("the lab", () => {
  test("up and down say what they did, the first time and the second [daemon.autostart] [daemon.graceful]", async () => {
    const lab = newLab();
    expect((await lab.rigor("down")).stdout).toMatch(/no daemon|not running|nothing/i);
    expect((await lab.rigor("up")).stdout).toMatch(
      /^Rigor \S+ is up at http:\/\/127\.0\.0\.1:\d+ \(pid \d+\), data in /,
    );
    const pid = lab.daemonPid() ?? 0;
    expect((await lab.rigor("up")).stdout).toContain(`was up already at`);
    expect((await lab.rigor("doctor")).stdout).toMatch(
      /^ok +git .*\n[^]*^ok +log +the tables equal what the log gives$/m,
    );
    const down = await lab.rigor("down");
    expect(down.status, down.text).toBe(0);
    await until("the daemon to end", () => !isAlive(pid));
    expect((await lab.rigor("down")).status).toBe(0);
  });

  test("results leave the lab as CSV, Markdown and LaTeX, and the database as a backup [export.formats] [store.backup]", async () => {
    const lab = newLab();
    lab.commit({ "run.sh": script, "small.yaml": experiment({ seeds: { count: 4 }, decision: rule }) });
    expect((await lab.rigor("run", "small.yaml")).status).toBe(0);
    const csv = await lab.rigor("export", "small");
    expect(csv.stdout.trim().split("\n")).toHaveLength(9);
    expect((await lab.rigor("export", "small", "-o", "table.md")).status).toBe(0);
    expect(readFileSync(join(lab.repository, "table.md"), "utf8")).toMatch(/\| two \| \*\*3\.\d+/);
    expectRefusal(await lab.rigor("export", "small", "-o", "table.md"), 2, "table.md", "--force");
    expect((await lab.rigor("export", "small", "-o", "table.tex")).status).toBe(0);
    expect(readFileSync(join(lab.repository, "table.tex"), "utf8")).toContain("\\mathbf{3.");
    const backup = await lab.rigor("backup", "copy.db");
    expect(backup.status, backup.text).toBe(0);
    expect(existsSync(join(lab.repository, "copy.db"))).toBe(true);
    expectRefusal(await lab.rigor("backup", "copy.db"), 2, "exists already");

    // Completion in a real shell: commands, options, experiments.
    const complete = async (line: string) => {
      const bash = `rigor() { "$NODE" "$LAUNCHER" "$@"; }; eval "$(rigor completion bash)"; read -ra COMP_WORDS <<<"$LINE"; [[ $LINE == *" " ]] && COMP_WORDS+=(""); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); COMP_LINE=$LINE; COMP_POINT=\${#LINE}; $(complete -p rigor | sed 's/.*-F \\([^ ]*\\).*/\\1/') rigor "\${COMP_WORDS[COMP_CWORD]}" ""; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout } = await lab.program("bash", ["-c", bash], {
        NODE: process.execPath,
        LAUNCHER: lab.launcher,
        LINE: line,
      });
      return stdout.split("\n").map((word) => word.trim());
    };
    expect(await complete("rigor re")).toEqual(expect.arrayContaining(["rerun", "results", "release"]));
    expect(await complete("rigor list --fa")).toContain("--failed");
    expect(await complete("rigor results sm")).toContain("small");
  });
});
