/** Runs that go wrong: what is recorded, and what a person reads about it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isAlive } from "../../packages/rigor/src/cli/daemon/processes.ts";
import { experiment, expectRefusal, until, UserLab, type Run } from "./lab.ts";

/** Each arm goes wrong in its own way. */
const ways = `set -u
out=$RIGOR_OUTPUT/result.json
case $RIGOR_ARM in
  missing) exit 0 ;;
  empty) : > "$out" ;;
  huge) head -c 20000000 /dev/zero | tr '\\0' ' ' > "$out" ;;
  not-json) printf 'loss = 3' > "$out" ;;
  nan) echo '{"metrics": {"loss": NaN, "accuracy": 0.5}}' > "$out" ;;
  lacks) echo '{"metrics": {"loss": 1.5}}' > "$out" ;;
  out-of-range) echo '{"metrics": {"loss": 1.5, "accuracy": 93.4}}' > "$out" ;;
  zero) echo '{"metrics": {"loss": 1.5, "accuracy": 0}}' > "$out" ;;
  text) echo '{"metrics": {"loss": "1.5", "accuracy": 0.5}}' > "$out" ;;
  no-artifact) echo '{"metrics": {"loss": 1.5, "accuracy": 0.5}}' > "$out"; exit 0 ;;
  no-module) exec python3 -c 'import numpyy' ;;
  memory) echo 'step 10' >&2; echo 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB' >&2; exit 1 ;;
  killed) kill -9 $$ ;;
  status) echo 'last words'; exit 3 ;;
esac
echo weights > "$RIGOR_OUTPUT/model.bin"
`;
const arms = [...ways.matchAll(/^ {2}([\w-]+)\)/gm)].map(([, name]) => name ?? "");

let lab: UserLab;
let ended: Awaited<ReturnType<UserLab["rigor"]>>;
let runs: Map<string, Run>;

beforeAll(async () => {
  lab = new UserLab().init();
  lab.write({
    "ways.sh": ways,
    "ways.yaml": experiment({
      name: "ways",
      metrics: { loss: { goal: "minimize" }, accuracy: { goal: "maximize", range: [0, 1] } },
      primary_metric: "loss",
      arms: Object.fromEntries(arms.map((name) => [name, {}])),
      seeds: [1],
      code: ["ways.sh"],
      run: "sh ways.sh",
      outputs: { artifacts: ["model.bin"] },
      retry: { infrastructure: 0 },
    }),
  });
  ended = await lab.rigor("run", "ways.yaml");
  runs = new Map((await lab.runs("ways")).map((run) => [run.arm, run]));
});
afterAll(() => lab.close());

describe("a run that exits with status 0 [F12] [job.bad-result] [checks.run] [checks.invalid]", () => {
  test.each<[string, string, string, string | RegExp]>([
    ["missing", "failed", "bad-result", "The run wrote no result.json to RIGOR_OUTPUT."],
    ["empty", "failed", "bad-result", "result.json is empty."],
    ["huge", "failed", "bad-result", /result\.json has more than \d+ MiB/],
    ["not-json", "failed", "bad-result", /result\.json is not JSON: .+/],
    ["nan", "failed", "non-finite", "result.json: the metric loss is NaN, not a finite number."],
    ["text", "failed", "bad-result", 'result.json: the metric loss is "1.5", not a number.'],
    ["lacks", "invalid", "metrics-present", /accuracy/],
    ["out-of-range", "invalid", "metrics-in-range", /accuracy.*93\.4.*0.*1/],
    ["zero", "invalid", "metrics-not-zero", /accuracy.*0/],
    ["no-artifact", "invalid", "artifacts-present", /model\.bin/],
  ])("and whose result is %s is %s: %s", async (arm, state, code, message) => {
    const run = runs.get(arm);
    expect(run).toMatchObject({ state, attempts: 1, metrics: null });
    expect(run?.reason?.code).toBe(code);
    expect(run?.reason?.message).toMatch(message);
    const shown = await lab.rigor("show", run?.id.slice(0, 10) ?? "");
    expect(shown.stdout).toMatch(new RegExp(`^run ${run?.id.slice(0, 10)}  ${state}$`, "m"));
    expect(shown.stdout).toContain(`${code}: ${run?.reason?.message}`);
  });
});

test("a metric that is not finite and not declared is left out, and `rigor show` says so [F12]", async () => {
  lab.write({
    "extra.yaml": experiment({
      name: "extra",
      arms: { one: {} },
      seeds: [1],
      run: ["sh", "-c", `echo '{"metrics": {"loss": 1.5, "grad_norm": NaN}}' > "$RIGOR_OUTPUT/result.json"`],
    }),
  });
  const answer = await lab.rigor("run", "extra.yaml");
  expect(answer.status, answer.text).toBe(0);
  const [run] = await lab.runs("extra");
  expect(run).toMatchObject({ state: "done", metrics: { loss: 1.5 } });
  expect((await lab.rigor("show", run?.id ?? "")).stdout).toMatch(
    /^ *warnings +result\.json: the metric grad_norm is NaN; it is not declared, and left out\.$/m,
  );
});

describe("a run that fails [job.category]", () => {
  test.each<[string, string, string | RegExp]>([
    ["no-module", "missing-module", "ModuleNotFoundError: No module named 'numpyy'"],
    ["memory", "out-of-memory-gpu", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"],
    ["killed", "killed", /SIGKILL; nothing says who sent it/],
    ["status", "unknown", "last words"],
  ])("for %s has the category %s and the line that shows it", async (arm, category, evidence) => {
    const run = runs.get(arm);
    expect(run).toMatchObject({ state: "failed", attempts: 1, reason: { code: category } });
    expect(run?.reason?.message).toMatch(evidence);
    const { stdout } = await lab.rigor("show", run?.id ?? "");
    expect(stdout).toContain(`failed: ${category}`);
    expect(stdout).toContain(run?.reason?.message);
  });
});

test("while only runs are left that are tried again, that is said, and no time left is promised [cli.why-waiting]", async () => {
  // The second pause is longer than the time between two lines of progress.
  const kill = 'if [ "$RIGOR_ARM" = one ] && [ "$RIGOR_ATTEMPT" -le 2 ]; then kill -9 $$; fi';
  lab.write({
    "again.yaml": experiment({
      name: "again",
      // The runs of the first arm give a pace.
      arms: { done: {}, one: {} },
      seeds: [1, 2],
      run: ["sh", "-c", `${kill}; echo '{"metrics": {"loss": 1.'$RIGOR_SEED'}}' > "$RIGOR_OUTPUT/result.json"`],
    }),
  });
  const { answer } = lab.start(["run", "again.yaml"]);
  const paused = /2 again after a pause \(killed\), the next in \d+ s/;
  await until("a pause", async () => paused.test((await lab.rigor("status")).stdout));
  const { status, stderr } = await answer;
  expect(status, stderr).toBe(0);
  expect(stderr).toMatch(/^2\/4 runs \(50 %\), \S+, 0 active, 2 again after a pause \(killed\), the next in \d+ s$/m);
  expect(stderr).not.toMatch(/^2\/4 runs.* left/m);
});

test("the experiment is held with what can be done, and its exit status is 1 [cli.exit-codes]", () => {
  expect(ended.status, ended.text).toBe(1);
  expect(ended.stdout).toContain(`Held now: ${arms.length} runs have no valid result (10 failed, 4 invalid)`);
  for (const way of [
    "list ways@1 --failed --invalid",
    "rerun ways@1 --failed",
    "release ways@1 --without-failed",
    "cancel ways@1",
  ]) {
    expect(ended.stdout).toContain(`  rigor ${way}`);
  }
  // While it runs, the first failures are named with the command that shows more.
  expect(ended.stderr).toMatch(/^failed: missing, only, seed 1: bad-result: .* \(rigor show [0-9a-f]{10}\)$/m);
});

test("runs that failed are not counted as to do: a start does not try them again", async () => {
  const count = `${arms.length} runs = ${arms.length} arms x 1 task x 1 seed`;
  expect((await lab.rigor("plan", "ways.yaml")).stdout).toContain(`ways: ${count}; ${arms.length} failed, 0 to do`);
});

test("list --failed and --invalid show each run with its reason", async () => {
  const failed = await lab.rigor("list", "ways", "--failed");
  expect(failed.stdout).toMatch(
    /^\w{10} +missing +only +1 +failed .*bad-result: The run wrote no result\.json to RIGOR_OUTPUT\.$/m,
  );
  expect(failed.stdout).not.toContain("out-of-range");
  expect((await lab.runs("ways", "--failed")).length).toBe(10);
  expect((await lab.runs("--invalid")).map(({ arm }) => arm).toSorted()).toEqual(
    ["lacks", "no-artifact", "out-of-range", "zero"].toSorted(),
  );
  expect((await lab.runs("--failed", "--invalid", "--arm", "zero")).length).toBe(1);
  expect((await lab.rigor("list", "ways", "--done")).stdout).toBe("No run fits.\n");
  expectRefusal(await lab.rigor("list", "ways", "--arm", "mising"), 2, "has no arm mising", "Did you mean missing?");
  expectRefusal(await lab.rigor("list", "ways", "--task", "moon"), 2, "has no task moon", "It has only.");
});

test("every attempt has a manifest, also one that failed [provenance.manifest] [F41] [F59]", async () => {
  for (const { id, arm } of runs.values()) {
    const { attempt_list: attempts } = await lab.json<{ attempt_list: { directory: string }[] }>("show", id);
    const [attempt] = attempts;
    const manifest = JSON.parse(readFileSync(join(attempt?.directory ?? "", "manifest.json"), "utf8")) as Record<
      string,
      unknown
    >;
    expect(JSON.stringify(manifest), arm).toContain("ways.sh");
  }
});

describe("a command that does not exist [job.missing-command]", () => {
  const write = (name: string, run: unknown, changes: Record<string, unknown> = {}) =>
    lab.write({ "absent.yaml": experiment({ name, run, code: ["ways.sh"], ...changes }) });

  test.each<[string, unknown, (string | RegExp)[]]>([
    [
      "a program",
      ["pythn3", "{seed}"],
      [/^error: absent\.yaml:\d+:5: run: .*no program `pythn3`/, "did you mean `python3`?"],
    ],
    [
      "a program in a shell command",
      "set -e; A=1 no-such-program {seed}",
      [/absent\.yaml:\d+:10: run: .*`no-such-program` on PATH/],
    ],
    ["a script", "sh wasy.sh {seed}", [/absent\.yaml:\d+:10: run: wasy\.sh is not in commit/, "Did you mean ways.sh?"]],
    ["a script of one arm", ["sh", "{arm}.sh"], [/absent\.yaml:\d+:5: run: one\.sh is not in commit/]],
    [
      "a script that git ignores",
      "cd ignored && python3 train.py",
      [/ignored\/train\.py is not in commit .*git ignores it/],
    ],
    ["a file that is not executable", "./ways.sh", [/ways\.sh is not executable/, "sh ways.sh"]],
  ])("is refused before anything starts: %s", async (_, run, words) => {
    lab.write({ ".gitignore": "ignored\n", "ignored/train.py": "" });
    write("refused", run);
    const before = lab.state();
    for (const command of ["plan", "run"]) expectRefusal(await lab.rigor(command, "absent.yaml"), 2, ...words);
    expect(lab.state()).toEqual(before);
  });

  test("holds the experiment, before any run, where only the environment tells [environment.venv]", async () => {
    lab.write({ "requirements.txt": "" });
    write("built", "no-such-tool train", { environment: { manager: "pip" } });
    const answer = await lab.rigor("run", "absent.yaml");
    expect(answer.status, answer.text).toBe(3);
    expect(answer.stdout).toMatch(/Held now: The command cannot start: there is no program `no-such-tool` on PATH/);
    expect((await lab.runs("built", "--pending")).length).toBe(6);
  });

  test("that only a shell finds out holds the experiment after the first runs; release goes on, rerun repeats [cli.exit-codes]", async () => {
    const program = join(lab.directory, "later");
    write("shell", `true; . ./ways.sh; "$(echo ${program})" {seed}`, { arms: { status2: {} }, seeds: { count: 40 } });
    const answer = await lab.rigor("run", "absent.yaml");
    expect(answer.status, answer.text).toBe(1);
    expect(answer.stdout).toMatch(
      /Held now: The first 3 runs could not start their command \(exit status 127\): .*later: not found/,
    );
    expect(answer.stdout).toContain("  rigor rerun shell@1 --failed");
    await until("nothing to run", async () => (await lab.runs("shell", "--active")).length === 0);
    const failed = await lab.runs("shell", "--failed");
    expect(failed[0]?.reason).toMatchObject({
      code: "missing-file",
      message: expect.stringMatching(/later: not found/),
    });
    expect(failed.length).toBeLessThan(20);
    expect((await lab.runs("shell", "--pending")).length).toBe(40 - failed.length);

    // Without the cause removed it is held once more, and loses no more than the first time.
    await lab.rigor("release", "shell");
    expect((await lab.rigor("run", "absent.yaml")).stdout).toContain("The first 3 runs could not start their command");
    lab.write({ "../later": `#!/bin/sh\nprintf '{"metrics": {"loss": 1.%s}}' "$1" > "$RIGOR_OUTPUT/result.json"\n` });
    await lab.program("chmod", ["+x", program]);
    await lab.rigor("rerun", "shell", "--failed");
    const ended = await lab.rigor("run", "absent.yaml");
    expect(
      (await lab.runs("shell")).every(({ state }) => state === "done"),
      ended.text,
    ).toBe(true);
  });
});

test("a run that passes its time limit is stopped with its children, and says so [job.time-limit] [job.process-group]", async () => {
  const left = join(lab.directory, "left-behind");
  lab.write({
    "slow.yaml": experiment({
      name: "slow",
      arms: { one: {} },
      seeds: [1],
      code: ["ways.sh"],
      run: ["sh", "-c", `sleep 1000 & echo $! >"${left}"; echo begun; sleep 1000`],
      resources: { time: "5s" },
    }),
  });
  const answer = await lab.rigor("run", "slow.yaml");
  expect(answer.status).toBe(1);
  const [run] = await lab.runs("slow");
  expect(run).toMatchObject({ state: "failed", attempts: 1, reason: { code: "timeout" } });
  const shown = await lab.rigor("show", run?.id ?? "");
  expect(shown.stdout).toContain("timed-out: timeout");
  expect(shown.stdout).toContain("It was stopped at its time limit");
  expect((await lab.rigor("logs", run?.id ?? "")).stdout).toBe("begun\n");
  await until("its child to end", () => !isAlive(Number(readFileSync(left, "utf8"))));
});

describe("logs [job.logs-whole]", () => {
  const bytes = 3_000_000;

  beforeAll(async () => {
    lab.write({
      "noisy.mjs": `import { writeSync, writeFileSync } from "node:fs";
const block = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 256));
for (let i = 0; i < ${bytes / 1000}; i++) for (let at = 0; at < 1000; ) at += writeSync(1, block, at);
for (let i = 0; i < 1000; i++) console.error("line " + i + " äöü");
writeFileSync(process.env.RIGOR_OUTPUT + "/result.json", JSON.stringify({ metrics: { loss: 1 } }));
`,
      "noisy.yaml": experiment({
        name: "noisy",
        arms: { one: {} },
        seeds: [1],
        code: ["noisy.mjs"],
        run: "node noisy.mjs",
      }),
    });
    const { status, text } = await lab.rigor("run", "noisy.yaml");
    if (status !== 0) throw new Error(text);
  });

  test("of megabytes, binary, come out byte for byte [F18]", async () => {
    const [run] = await lab.runs("noisy");
    const file = join(lab.directory, "stdout.bin");
    await lab.program("sh", ["-c", `"$0" "$1" logs ${run?.id} > "${file}"`, process.execPath, lab.launcher]);
    const block = Buffer.from(Array.from({ length: 1_000 }, (_, index) => index % 256));
    const written = readFileSync(file);
    expect(written.length).toBe(bytes);
    expect(written.equals(Buffer.concat(Array.from({ length: bytes / 1_000 }, () => block)))).toBe(true);
    const errors = await lab.rigor("logs", run?.id ?? "", "--stderr");
    expect(errors.stdout).toBe(Array.from({ length: 1_000 }, (_, index) => `line ${index} äöü\n`).join(""));
  });

  test("end quietly when the reader has enough", async () => {
    const [run] = await lab.runs("noisy");
    const cut = await lab.program("bash", [
      "-c",
      `set -o pipefail; "$0" "$1" logs ${run?.id} --stderr | head -n 1`,
      process.execPath,
      lab.launcher,
    ]);
    expect(cut.text).toBe("line 0 äöü\n");
  });

  test("of an attempt that does not exist are refused", async () => {
    const [run] = await lab.runs("noisy");
    expectRefusal(await lab.rigor("logs", run?.id ?? "", "--attempt", "2"), 2, "no attempt 2", "rigor show");
    expectRefusal(await lab.rigor("logs", run?.id ?? "", "--attempt", "0"), 2, "--attempt counts from 1");
  });

  test("are followed from before the start to the end, over a retry, which repeats command and commit [F20] [job.retry]", async () => {
    lab.write({
      "flaky.sh": `echo "attempt $RIGOR_ATTEMPT with $1"
if [ "$RIGOR_ATTEMPT" = 1 ]; then echo 'OSError: [Errno 28] No space left on device' >&2; exit 1; fi
while [ ! -e ${lab.directory}/go ]; do sleep 0.1; done
echo '{"metrics": {"loss": 2}}' > "$RIGOR_OUTPUT/result.json"
`,
      "flaky.yaml": experiment({
        name: "flaky",
        arms: { one: {} },
        seeds: [7],
        code: ["flaky.sh"],
        run: "sh flaky.sh {seed}",
      }),
    });
    await lab.rigor("run", "flaky.yaml", "--detach");
    const [run] = await lab.runs("flaky");
    const id = run?.id ?? "";
    const following = lab.start(["logs", id, "-f"]);
    // The pause before the second attempt is shorter than some calls of the command line on a busy machine.
    const client = await lab.client();
    const flaky = () => client.runs.get({ reference: id });
    await until("the first attempt to end", async () => {
      const { attempts, state } = await flaky();
      return attempts === 1 && state === "pending";
    });
    const waiting = await flaky();
    // Files that change between the attempts, even if they are committed, do not change the second one.
    lab.commit({ "flaky.sh": "exit 9\n" });
    expect(waiting).toMatchObject({
      reason: { code: "disk-full", message: "OSError: [Errno 28] No space left on device" },
      not_before: expect.stringMatching(/^\d{4}-/) as string,
    });
    await until("the second attempt to run", async () => (await flaky()).state === "active");
    // What ended the first attempt is not said of the second.
    expect(await flaky()).toMatchObject({ attempts: 2, reason: null });
    expect(await lab.runs("flaky")).toMatchObject([{ state: "active", reason: null }]);
    writeFileSync(join(lab.directory, "go"), "");
    const answer = await following.answer;
    expect(answer.stdout).toBe("attempt 1 with 7\nattempt 2 with 7\n");
    expect(answer.stderr).toContain("--- attempt 2 ---");
    const shown = await lab.json<{
      state: string;
      source: { commit: string };
      retries: { infrastructure: number };
      attempt_list: { state: string; category: string | null; directory: string }[];
    }>("show", id);
    expect(shown).toMatchObject({ state: "done", retries: { infrastructure: 1 } });
    expect(shown.attempt_list.map(({ state, category }) => [state, category])).toEqual([
      ["failed", "disk-full"],
      ["succeeded", null],
    ]);
    const manifests = shown.attempt_list.map(
      ({ directory }) => JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8")) as Record<string, unknown>,
    );
    const what = ["commit", "code", "command", "parameters", "seed", "arm", "task", "environment", "inputs"];
    const [first, second] = manifests.map((manifest) => what.map((name) => [name, manifest[name]]));
    expect(second).toEqual(first);
    expect(manifests.map(({ commit }) => commit)).toEqual([shown.source.commit, shown.source.commit]);
    expect(lab.git("rev-parse", "HEAD")).not.toBe(shown.source.commit);
    expect(lab.git("show", `${shown.source.commit}:flaky.sh`)).toContain("No space left on device");
    expect((await lab.rigor("logs", id, "--attempt", "1")).stdout).toBe("attempt 1 with 7\n");
  });
});
