/** Bad input gets one clear message, and changes nothing. */
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { experiment, expectRefusal, script, UserLab } from "./lab.ts";

let lab: UserLab;
let before: ReturnType<UserLab["state"]>;

beforeAll(async () => {
  lab = new UserLab().init();
  lab.write({ "run.sh": script, "good.yaml": experiment() });
  await lab.rigor("up");
});
beforeEach(() => {
  before = lab.state();
});
afterAll(() => lab.close());

/** Refuses a file that `plan` and `run` read, in words and as JSON, and leaves everything as it was. */
async function expectRefused(content: string, status: number, ...words: (string | RegExp)[]): Promise<void> {
  lab.write({ "bad.yaml": content });
  before = lab.state();
  for (const command of ["plan", "run"]) {
    expectRefusal(await lab.rigor(command, "bad.yaml"), status, ...words);
  }
  const { error } = await lab.json<{ error: { code: string; message: string; next: string | null } }>(
    "run",
    "bad.yaml",
  );
  expect(error).toEqual({ code: expect.any(String), message: expect.any(String), next: expect.any(String) });
  expect(lab.state()).toEqual(before);
}

describe("an experiment file [file.bad-input] [cli.no-stack]", () => {
  test("that is no YAML is refused at its line and column [file.position]", () =>
    expectRefused("name: small\narms: [one, two\nseeds: 3\n", 2, /^error: bad\.yaml:\d+:\d+: /));

  test("with an unknown key is refused with the key that was meant [file.unknown-key]", () =>
    expectRefused(
      experiment({ resorces: { cpus: 1 } }),
      2,
      /bad\.yaml:\d+:\d+: .*`resorces`.*did you mean `resources`\?/,
    ));

  test("with a seed twice is refused at both places", () =>
    expectRefused(
      experiment({ seeds: [4, 7, 4] }),
      2,
      "seed 4 is listed twice",
      /the first is at line \d+, column \d+/,
    ));

  test.each([
    ["an empty list", []],
    ["a count of zero", { count: 0 }],
  ])("that asks for zero runs is refused: %s", (_, seeds) =>
    expectRefused(experiment({ seeds }), 2, "seeds: found", /zero runs|at least 1/),
  );

  test("without any key says what is required", () =>
    expectRefused("{}", 2, ...["name", "metrics", "arms", "tasks", "seeds", "run"].map((key) => `\`${key}\``)));

  test("that is empty says so", () => expectRefused("", 2, /bad\.yaml:1:1: .*empty/));

  test("names an input that is missing [file.position]", () =>
    expectRefused(
      experiment({ inputs: { corpus: { path: "data/corpus.txt" } } }),
      2,
      /bad\.yaml:\d+:\d+: inputs: Input corpus is missing.*data\/corpus\.txt/,
    ));

  test("names a lock that is missing [file.position]", () =>
    expectRefused(
      experiment({ environment: { manager: "pip" } }),
      2,
      /bad\.yaml:\d+:\d+: environment: The lock requirements\.txt is not in commit/,
      "Add the file",
    ));

  test("names code that is missing [file.position]", () =>
    expectRefused(
      experiment({ code: ["src/train.py"] }),
      2,
      /bad\.yaml:\d+:\d+: code: src\/train\.py is not in commit/,
    ));

  test("names compute that rigor.yaml lacks", () => expectRefused(experiment({ compute: ["cluster"] }), 2, "cluster"));

  test("has a placeholder that leads nowhere", () =>
    expectRefused(experiment({ run: "sh run.sh {parameters.rate}" }), 2, /bad\.yaml:\d+:\d+: .*parameters\.rate/));
});

describe("a million runs [file.too-many-runs]", () => {
  const million = { seeds: { count: 500_000 } };

  test("are refused with the limit and how to raise it", () =>
    expectRefused(experiment(million), 2, "asks for 1,000,000 runs", "--max-runs 1000000", "limits.max_runs"));

  test("are refused without being counted one by one, however large the number", async () => {
    lab.write({ "bad.yaml": experiment({ seeds: { count: 4_000_000_000_000 } }) });
    expectRefusal(await lab.rigor("run", "bad.yaml"), 2, "the limit is 10,000");
  });

  test("a limit holds below, and can be raised for one call", async () => {
    lab.write({
      "rigor.yaml": "limits: { max_runs: 4 }\n",
      "some.yaml": experiment({ name: "some", seeds: { count: 3 } }),
    });
    expectRefusal(await lab.rigor("plan", "some.yaml"), 2, "asks for 6 runs; the limit is 4");
    expectRefusal(await lab.rigor("plan", "some.yaml", "--max-runs", "5"), 2, "the limit is 5");
    const raised = await lab.rigor("plan", "some.yaml", "--max-runs", "6");
    expect(raised.status, raised.text).toBe(0);
    expect(raised.stdout).toContain("some: 6 runs = 2 arms x 1 task x 3 seeds; 6 to do");
    rmSync(join(lab.repository, "rigor.yaml"));
  });
});

describe("a command line [cli.no-stack]", () => {
  test.each<[string, string[], (string | RegExp)[]]>([
    ["a file that is not there", ["run", "none.yaml"], ["There is no file", "none.yaml", "rigor init"]],
    ["a directory in place of a file", ["run", "."], ["is a directory", "experiment.yaml"]],
    ["no file", ["run"], ["FILE", "rigor run --help"]],
    ["an unknown command", ["rnu", "good.yaml"], ["Unknown command 'rnu'", "Did you mean run?"]],
    ["an unknown option", ["run", "good.yaml", "--detatch"], ["--detatch", "Did you mean --detach?"]],
    ["a word too many", ["status", "now"], ["rigor status --help"]],
    ["a number that is none", ["list", "--seed", "x"], ["--seed", "whole number"]],
    ["a duration that is none", ["release", "small", "--wall", "soon"], ["--wall"]],
    ["a limit of zero", ["list", "small", "--limit", "0"], ["--limit must be from 1 to 10,000"]],
    ["a maximum of zero", ["run", "good.yaml", "--max-runs", "0"], ["--max-runs must be at least 1"]],
    ["an empty word", ["show", ""], ["empty", "rigor show --help"]],
    ["an unknown shell", ["completion", "tcsh"], ["bash, zsh, fish"]],
    ["a format that does not exist", ["export", "small", "--format", "word"], ["csv, markdown, latex"]],
    ["a name that tells no format", ["export", "small", "-o", "small.docx"], ["small.docx", "--format"]],
    ["an experiment that does not exist", ["results", "none"], ["no experiment", "none", "rigor list"]],
    ["a version that does not exist", ["show", "none@7"], ["none@7"]],
    ["nothing of that name", ["cancel", "none"], ["No experiment and no run is called none", "rigor list"]],
    ["a run that does not exist", ["logs", "0123456789"], ["no run", "0123456789"]],
    ["a rerun of nothing", ["rerun"], ["--failed", "--stale"]],
    ["a rerun of two things", ["rerun", "--failed", "--stale"], ["Choose one of --failed and --stale"]],
    ["a backup to nowhere", ["backup", "/nonexistent/copy.db"], ["/nonexistent"]],
    ["init in a directory that is not there", ["init", "nowhere"], ["There is no directory", "nowhere"]],
    ["a time for a drain", ["compute", "drain", "local", "--for", "2h"], ["--for goes with rest, not with drain"]],
    ["a reason to use", ["compute", "use", "local", "-m", "x"], ["--message goes with rest and drain, not with use"]],
    ["a compute to list that is none", ["compute", "list", "moon"], ["no compute named moon", "rigor.yaml"]],
    ["compute that does not exist", ["run", "good.yaml", "--compute", "moon"], ["moon", "rigor.yaml"]],
  ])("with %s gets one message", async (_, words, expected) => {
    const answer = await lab.rigor(...words);
    expectRefusal(answer, 2, ...expected);
    expect(answer.stdout.replace(/^small: .*(\n .*)*\n/, "")).toBe("");
    expect(lab.state()).toEqual(before);
  });
});

describe("a repository", () => {
  test("that is none is named, and git init is suggested [cli.no-stack]", async () => {
    const plain = new UserLab("plain");
    try {
      plain.write({ "bad.yaml": experiment() });
      expectRefusal(await plain.rigor("run", "bad.yaml"), 2, "no git repository", "git init");
      expectRefusal(await plain.rigor("init"), 2, "is not in a git repository", "git init");
    } finally {
      await plain.close();
    }
  });

  test("with a submodule in the code says that it cannot be recorded", async () => {
    lab.write({ "bad.yaml": experiment({ code: ["vendor"] }), "vendor/inner/file": "x" });
    const inner = join(lab.repository, "vendor/inner");
    await lab.program("git", ["-C", inner, "init", "--quiet"]);
    await lab.program("git", ["-C", inner, "add", "."]);
    await lab.program("git", [
      "-C",
      inner,
      "-c",
      "user.name=T",
      "-c",
      "user.email=t@example.org",
      "commit",
      "-qm",
      "x",
    ]);
    const answer = await lab.rigor("run", "bad.yaml");
    rmSync(join(lab.repository, "vendor"), { recursive: true });
    expectRefusal(answer, 2, "vendor/inner", /submodule|repository/);
  });

  test("with a rigor.yaml that is wrong is told where", async () => {
    lab.write({ "rigor.yaml": "limits: { max_run: 3 }\n" });
    const answer = await lab.rigor("plan", "good.yaml");
    rmSync(join(lab.repository, "rigor.yaml"));
    expectRefusal(answer, 2, /rigor\.yaml:1:\d+: .*`max_run`.*`max_runs`/);
  });

  test("with a pipe in place of a file does not wait for it", async () => {
    for (const name of ["pipe.yaml", "rigor.yaml"]) await lab.program("mkfifo", [join(lab.repository, name)]);
    const asked = await lab.rigor("plan", "pipe.yaml");
    const settings = await lab.rigor("plan", "good.yaml");
    rmSync(join(lab.repository, "rigor.yaml"));
    expectRefusal(asked, 2, "pipe.yaml is no ordinary file");
    expectRefusal(settings, 2, "rigor.yaml is no ordinary file");
  });

  test("is found through a link to the file", async () => {
    symlinkSync(join(lab.repository, "good.yaml"), join(lab.directory, "link.yaml"));
    const answer = await lab.call(["plan", "link.yaml"], { cwd: lab.directory });
    expect(answer.status, answer.text).toBe(0);
  });
});

test("asking for what the machine lacks is refused at once: a GPU, or too many CPUs", async () => {
  lab.write({ "gpu.yaml": experiment({ name: "gpu", resources: { gpus: 64 } }) });
  lab.write({ "cpu.yaml": experiment({ name: "cpu", resources: { cpus: 100_000 } }) });
  before = lab.state();
  expectRefusal(
    await lab.rigor("run", "gpu.yaml"),
    2,
    /can never start .* needs 64 GPUs; the host has \d+/,
    "`resources`",
  );
  expectRefusal(await lab.rigor("run", "cpu.yaml"), 2, /can never start .* needs 100000 CPUs; the host has \d+/);
  expect(lab.state().events).toBe(before.events);
  expect((await lab.rigor("plan", "gpu.yaml")).stdout).toMatch(/compute +local on .*: needs 64 GPUs/);
});
