import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endWithTests } from "../support/left-behind.ts";

const bin = resolve(import.meta.dirname, "../../packages/rigor/bin/rigor.js");
const scratch = mkdtempSync(join(tmpdir(), "rigor-cli-"));
endWithTests(scratch);
const repository = join(scratch, "repository");
const home = join(scratch, "home");
const environment = { ...process.env, RIGOR_HOME: home, NO_COLOR: "1" };

interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

function rigor(...words: string[]): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...words], {
    cwd: repository,
    env: environment,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

function json(...words: string[]): unknown {
  return JSON.parse(rigor(...words, "--json").stdout);
}

/** A program whose loss is its parameter, which fails or waits if it is told to: for some time, or for a file. */
const program = `
import json, os, sys, time
p = json.load(open(os.environ["RIGOR_PARAMETERS"]))
seed = int(os.environ["RIGOR_SEED"])
print("seed", seed, flush=True)
time.sleep(p.get("sleep", 0))
while not os.path.exists(p.get("gate", "/")): time.sleep(0.1)
if p.get("fail") and seed == 1: sys.exit("ValueError: \\x1b[31mbad luck")
json.dump({"metrics": {"loss": p["loss"] * (1 + seed * 0.01)}}, open(os.environ["RIGOR_OUTPUT"] + "/result.json", "w"))
`;

function experiment(name: string, arms: string): string {
  const file = `${name}.yaml`;
  const text = `name: ${name}
metrics: { loss: { goal: minimize } }
arms: ${arms}
tasks: { only: {} }
seeds: [0, 1, 2, 3]
code: [program.py]
run: python3 program.py
checks: { same_inputs: false }
decision: { comparisons: [{ better: ours, than: base, metric: loss, min_effect: 0.1 }] }
`;
  writeFileSync(join(repository, file), text);
  return file;
}

beforeAll(() => {
  mkdirSync(repository);
  execFileSync("git", ["init", "-q", repository]);
  writeFileSync(join(repository, "program.py"), program);
});
afterAll(() => {
  rigor("down");
  rmSync(scratch, { recursive: true, force: true });
});

describe("the command line", () => {
  test("two that start at once use one daemon", async () => {
    const ups = await Promise.all(Array.from({ length: 3 }, () => finished("up", "--json")));
    const pids = ups.map(({ stdout }) => (JSON.parse(stdout) as { pid: number }).pid);
    expect(new Set(pids).size).toBe(1);
  });

  test("runs the first experiment to its decision, and then says that it is done [cli.progress] [init.any-repository]", () => {
    expect(rigor("init").status).toBe(0);
    const first = rigor("run", "experiments/first/experiment.yaml");
    expect(first.status).toBe(0);
    expect(first.stdout).toContain("20 runs = 2 arms x 2 tasks x 5 seeds; 20 to do");
    expect(first.stderr).toContain("20/20 runs (100 %)");
    expect(first.stdout).toContain("Decision: supported.");
    expect(first.stdout).toContain("Where everything lies");
    const second = rigor("run", "experiments/first/experiment.yaml");
    expect(second.status).toBe(0);
    expect(second.stdout).toContain("all 20 runs are done already");
    expect(second.stdout).toContain("Decision: supported.");
  });

  test("has the exit status of the answer [cli.exit-codes]", () => {
    const better = "{ base: { parameters: { loss: 1 } }, ours: { parameters: { loss: 0.5 } } }";
    expect(rigor("run", experiment("better", better)).status).toBe(0);
    const worse = "{ base: { parameters: { loss: 1 } }, ours: { parameters: { loss: 2 } } }";
    expect(rigor("run", experiment("worse", worse)).status).toBe(1);
    expect(rigor("run", "absent.yaml").status).toBe(2);
    writeFileSync(join(repository, "broken.yaml"), "name: broken\narmz: {}\n");
    const broken = rigor("run", "broken.yaml");
    expect(broken.status).toBe(2);
    expect(broken.stderr).toMatch(/^error: [^]*armz[^]*did you mean `arms`/);
    expect(broken.stderr).not.toMatch(/^\s+at /m);
  });

  test("names runs that fail with their reason, which cannot command the terminal [cli.exit-codes]", () => {
    const fails = "{ base: { parameters: { loss: 1 } }, ours: { parameters: { loss: 0.4, fail: true } } }";
    const ended = rigor("run", experiment("fails", fails));
    expect(ended.status).toBe(1);
    expect(ended.stderr).toMatch(/^failed: ours, only, seed 1: .*bad luck.* \(rigor show [0-9a-f]{10}\)$/m);
    expect(ended.stdout + ended.stderr).not.toContain("\u001b");
    expect(ended.stdout).toContain("rigor release fails@1 --without-failed");

    const { runs } = json("list", "fails", "--failed") as { runs: { id: string }[] };
    expect(runs).toHaveLength(1);
    const [{ id } = { id: "" }] = runs;
    expect(rigor("show", id.slice(0, 10)).stdout).toContain("By hand");
    expect(rigor("logs", id.slice(0, 10)).stdout).toBe("seed 1\n");
    expect(rigor("logs", id.slice(0, 10), "--stderr").stdout).toBe("ValueError: \u001b[31mbad luck\n");

    const { runs: done } = json("list", "fails", "--done") as { runs: { id: string }[] };
    const empty = json("logs", done[0]?.id ?? "", "--stderr");
    expect(empty).toMatchObject({ stream: "stderr", next_offset: 0, base64: "", ended: true });

    expect(rigor("release", "fails", "--without-failed").status).toBe(0);
    expect(rigor("run", "fails.yaml").status).toBe(1);
  });

  test("Ctrl-C leaves runs going and says how to come back; holding is exit 3 [cli.detach] [cli.exit-codes]", async () => {
    const gate = join(scratch, "gate");
    const arm = (loss: number) => ({ parameters: { loss, gate } });
    const slow = JSON.stringify({ base: arm(1), ours: arm(0.3) });
    const interrupted = await finished("run", experiment("slow", slow), (child, text) => {
      if (text.includes("0 %")) child.kill("SIGINT");
    });
    expect(interrupted.status).toBe(130);
    expect(interrupted.stderr).toContain("No longer watching slow; its runs go on.");
    expect(interrupted.stderr).toContain("rigor run slow.yaml");
    expect(interrupted.stderr).toContain("rigor cancel slow");
    expect(json("show", "slow@1")).toMatchObject({ experiment: { state: "running" } });

    expect(rigor("hold", "slow", "-m", "the machine is needed").status).toBe(0);
    const held = rigor("run", "slow.yaml");
    expect(held.status).toBe(3);
    expect(held.stdout).toContain("the machine is needed");
    writeFileSync(gate, "");
    expect(rigor("release", "slow").status).toBe(0);
    expect(rigor("run", "slow.yaml").status).toBe(0);
  });

  test("goes on when the daemon is killed while it watches", async () => {
    const slow = "{ base: { parameters: { loss: 1.5, sleep: 1 } }, ours: { parameters: { loss: 0.2, sleep: 1 } } }";
    const { pid } = json("up") as { pid: number };
    let killed = false;
    const ended = await finished("run", experiment("survives", slow), (_, text) => {
      if (killed || !text.includes("0 %")) return;
      killed = true;
      process.kill(pid, "SIGKILL");
    });
    expect(killed).toBe(true);
    expect(ended.stderr).toContain("The daemon has ended; starting it again.");
    expect(ended.status).toBe(0);
  });

  test("prints errors as JSON where JSON is wanted, also for a wrong command line [cli.commands]", () => {
    expect(json("show", "nothing")).toMatchObject({
      error: { code: "not-found", message: expect.any(String) as unknown },
    });
    expect(json("list", "--faild")).toMatchObject({
      error: { code: "usage", next: expect.stringContaining("--failed") as unknown },
    });
  });

  test("exports to a file once, and replaces it only when told to", () => {
    const file = join(scratch, "table.md");
    expect(rigor("export", "better", "-o", file).status).toBe(0);
    expect(readFileSync(file, "utf8")).toContain("|");
    expect(rigor("export", "better", "-o", file)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("--force") as unknown,
    });
    expect(rigor("export", "better", "-o", file, "--force").status).toBe(0);
    expect(rigor("export", "better").stdout.split("\n")[0]).toContain("experiment");
  });

  test.each([
    ["nowhere/table.md", /There is no directory .*nowhere\..*Make it first/s],
    ["table.csv/table.md", /table\.csv is no directory\./],
    [".", /is a directory\..*Name a file in it\./s],
  ])("an export to %s says what is wrong with the place, and what to do [cli.no-stack]", (place, said) => {
    writeFileSync(join(scratch, "table.csv"), "");
    for (const force of [[], ["--force"]]) {
      expect(rigor("export", "better", "-o", join(scratch, place), ...force)).toMatchObject({
        status: 2,
        stderr: expect.stringMatching(said) as unknown,
      });
    }
  });

  test("is quiet when its reader goes away", () => {
    const script = 'set -o pipefail; "$NODE" "$BIN" list better --json | head -n 1';
    const { stderr } = spawnSync("bash", ["-c", script], {
      env: { ...environment, NODE: process.execPath, BIN: bin },
      encoding: "utf8",
    });
    expect(stderr).toBe("");
  });

  test("asks the daemon without loading all of `fetch`, which takes as long as everything else [size.status]", () => {
    const tell = `process.on("exit", () => console.error("fetch", process.moduleLoadList.join().includes("undici/undici")))`;
    const options = `--import "data:text/javascript,${encodeURIComponent(tell)}"`;
    const { status, stderr } = spawnSync(process.execPath, [bin, "status"], {
      cwd: repository,
      env: { ...environment, NODE_OPTIONS: options },
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "fetch false\n" });
  });

  test("does not use a daemon's file that others can read", () => {
    const file = join(home, "daemon.json");
    chmodSync(file, 0o644);
    const refused = rigor("status");
    chmodSync(file, 0o600);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain("can be read by others (mode 644)");
  });

  test("refuses a daemon of another version, and says how to restart", () => {
    const file = join(home, "daemon.json");
    const content = readFileSync(file, "utf8");
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(content) as object), version: "0.0.1" }));
    const refused = rigor("status");
    writeFileSync(file, content);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(/The daemon is Rigor 0\.0\.1[^]*`rigor down`/);
  });

  test("ends the daemon, and says so when there is none", () => {
    expect(json("down")).toMatchObject({ was_running: true, running_jobs: 0 });
    expect(rigor("down").stdout).toBe("No daemon is running.\n");
  });
});

type Watch = (child: ReturnType<typeof spawn>, stderr: string) => void;

/** A command that runs beside the test; the last word may be a watcher of its stderr. */
function finished(...words: (string | Watch)[]): Promise<Ended> {
  const watch = words.find((word) => typeof word === "function");
  const texts = words.filter((word) => typeof word === "string");
  const child = spawn(process.execPath, [bin, ...texts], {
    cwd: repository,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended: Ended = { status: null, stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (ended.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    ended.stderr += text;
    watch?.(child, ended.stderr);
  });
  return new Promise((resolve) => child.on("close", (status) => resolve({ ...ended, status })));
}
