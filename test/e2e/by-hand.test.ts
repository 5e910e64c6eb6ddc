/** What `rigor show RUN` prints to repeat a run by hand, pasted into real shells. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { experiment, script, UserLab, type Run } from "./lab.ts";

const secret = "tok'en $HOME \\ of a person";

/** Reports everything that a run is given; a metric hangs on each part of it. */
const program = `import hashlib, json, os, sys
environment = {name: value for name, value in os.environ.items() if name not in ("RIGOR_OUTPUT", "RIGOR_PARAMETERS", "RIGOR_JOB", "PWD", "SHLVL", "_", "OLDPWD")}
seen = {
    "arguments": [word.replace(os.environ["RIGOR_OUTPUT"], "OUTPUT") for word in sys.argv[1:]],
    "environment": environment,
    "parameters": json.load(open(os.environ["RIGOR_PARAMETERS"])),
    "input": open(os.environ["RIGOR_INPUT_MY_CORPUS"]).read(),
    "code": open("part.txt").read(),
    "secret": os.environ["TOKEN"],
}
text = json.dumps(seen, sort_keys=True)
loss = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
json.dump({"metrics": {"loss": loss}}, open(os.environ["RIGOR_OUTPUT"] + "/result.json", "w"))
print(text)
`;

const strange = `it's "$HOME" \\ {seed}\ttab\n  two lines é \u001b[31m \u202e`;

let lab: UserLab;
beforeAll(async () => {
  lab = new UserLab().init();
  lab.environment["TOKEN"] = secret;
  const changes = {
    seeds: [3],
    inputs: { "my-corpus": { path: "corpus.txt" } },
    environment: { variables: { GREETING: strange, PYTHONPATH: "lib" }, pass: ["TOKEN"] },
    parameters: { rate: { values: [0.5, strange] } },
    code: ["report.py", "part.txt", "run.sh"],
  };
  lab.commit({
    "report.py": program,
    "part.txt": "as committed",
    "corpus.txt": "words\n",
    "run.sh": script,
    "shell.yaml": experiment({
      ...changes,
      name: "shell",
      run: `set -eu\nout="{output}"\npython3 report.py {parameters.rate} {seed} 'in {arm}' "$out/x" '{output}' {inputs.my-corpus} "{resume}" <<'END'\n  text\nEND\n`,
    }),
    "list.yaml": experiment({
      ...changes,
      name: "list",
      run: [
        "python3",
        "report.py",
        "a {parameters.rate} b",
        "{output}/x",
        "{inputs.my-corpus}",
        "{run_id}",
        "{attempt}",
      ],
    }),
  });
  for (const name of ["shell", "list"]) {
    const answer = await lab.rigor("run", `${name}.yaml`);
    if (answer.status !== 0) throw new Error(answer.text);
  }
  // What the person has in the working tree meanwhile is not what ran.
  lab.write({ "part.txt": "edited", "report.py": "raise SystemExit(9)" });
});
afterAll(() => lab.close());

async function byHand(run: Run): Promise<string> {
  const { stdout } = await lab.rigor("show", run.id.slice(0, 10));
  const [, text = ""] = stdout.split("By hand, in any shell\n");
  expect(text).not.toBe("");
  return text;
}

/** Types a text into a shell, as a person who pastes it, somewhere else and with variables of their own. */
function paste(shell: readonly string[], text: string, environment: Record<string, string> = { TOKEN: secret }) {
  const [file = "", ...words] = shell;
  const own = {
    PATH: "/usr/bin:/bin",
    HOME: "/",
    PYTHONPATH: "/nowhere",
    RIGOR_SEED: "99",
    PS1: "",
    TMPDIR: lab.directory,
    ...environment,
  };
  const ended = spawnSync(file, words, { cwd: "/", env: own, input: `${text}\n`, encoding: "utf8" });
  const directory = /^Output: (.*)$/m.exec(ended.stdout)?.[1];
  return { ...ended, directory };
}

const has = (shell: string) => spawnSync("sh", ["-c", `command -v ${shell}`]).status === 0;

describe("the commands under `By hand` [cli.by-hand]", () => {
  const shells = ["bash", "bash --norc -i", "dash", "zsh", "busybox sh"].filter((shell) =>
    has(shell.split(" ")[0] ?? ""),
  );
  test.each(shells)("give the same result in %s", async (shell) => {
    for (const name of ["shell", "list"]) {
      for (const run of await lab.runs(name)) {
        const { stdout, stderr, directory } = paste(shell.split(" "), await byHand(run));
        expect(directory, stderr).toMatch(/^\//);
        const log = (await lab.rigor("logs", run.id)).stdout;
        expect(stdout.slice(stdout.indexOf("{")).split("\n")[0]).toBe(log.trimEnd());
        const result = JSON.parse(readFileSync(join(directory ?? "", "result.json"), "utf8")) as unknown;
        expect(result).toEqual({ metrics: run.metrics });
        rmSync(join(directory ?? "", ".."), { recursive: true });
      }
    }
  });

  test("leave secrets to the person: they are named, and asked for when they are missing [job.secrets]", async () => {
    const [run] = await lab.runs("shell");
    if (run === undefined) throw new Error("there is no run");
    const shown = await lab.rigor("show", run.id, "--json");
    const text = await byHand(run);
    for (const said of [shown.text, text]) expect(said).not.toContain("of a person");
    const { status, stderr } = paste(["bash"], text, {});
    expect(status).not.toBe(0);
    expect(stderr).toContain("TOKEN: must be set");
  });

  test("leave the attempt's own output, the repository and its worktrees as they are", async () => {
    const [run] = await lab.runs("list");
    if (run === undefined) throw new Error("there is no run");
    const before = lab.state();
    const { attempt_list: tries } = await lab.json<{ attempt_list: { directory: string }[] }>("show", run.id);
    const output = join(tries[0]?.directory ?? "", "output");
    const list = () => execFileSync("ls", ["-lR", "--time-style=full-iso", output], { encoding: "utf8" });
    const files = list();
    paste(["sh"], await byHand(run));
    expect(list()).toBe(files);
    expect(lab.git("worktree", "list").split("\n")).toHaveLength(1);
    expect(lab.state()).toEqual(before);
  });

  test("are not there for a run that was never started, because nothing is prepared for it", async () => {
    lab.write({
      "later.yaml": experiment({
        name: "later",
        code: ["run.sh"],
        arms: { one: {} },
        seeds: [1, 2],
        run: "sleep 1000; sh run.sh",
      }),
    });
    lab.write({ "rigor.yaml": "compute: { local: { kind: local, cpus: 1 } }\n" });
    await lab.rigor("run", "later.yaml", "-d");
    await lab.rigor("hold", "later");
    const [pending] = await lab.runs("later", "--pending");
    const { status, stdout } = await lab.rigor("show", pending?.id ?? "nothing");
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.not.stringContaining("By hand") });
  });
});
