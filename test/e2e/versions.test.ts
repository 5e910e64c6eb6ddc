/** What is shared, what is stale, and what a changed rule means. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { experiment, expectRefusal, rule, script, UserLab } from "./lab.ts";

let lab: UserLab;

beforeAll(() => {
  lab = new UserLab().init();
  lab.commit({ "run.sh": script });
});
afterAll(() => lab.close());

const file = (name: string, changes: Record<string, unknown> = {}) =>
  lab.write({
    [`${name}.yaml`]: experiment({ name, code: ["run.sh"], seeds: { count: 4 }, decision: rule, ...changes }),
  });

async function run(name: string) {
  const answer = await lab.rigor("run", `${name}.yaml`);
  expect(answer.status, answer.text).toBe(0);
  return answer;
}

test("a first run says what it does, how far it is, and what came out [cli.progress]", async () => {
  file("first");
  const { stdout, stderr } = await run("first");
  expect(stdout).toMatch(/^first: 8 runs = 2 arms x 1 task x 4 seeds; 8 to do\n {2}code +commit \w{10}/);
  expect(stderr).toMatch(/^first@1: first version of this experiment\n/);
  // What is being made ready comes first where it takes its time; on a busy machine some are done before the first look.
  expect(stderr).toMatch(/^([0-7]\/8 runs \(\d+ %\), .*\d active|preparing: .*)\n/m);
  expect(stderr).toMatch(/^8\/8 runs \(100 %\)/m);
  expect(stderr).toMatch(/^8 runs in \d/m);
  expect(stdout).toMatch(
    /^loss \(lower is better\): mean ± half of the 95 % t interval over 4 seeds\n +arm +only\n +one +5\.\d+ ± \d\.\d+\n +two +3\.\d+ ± \d\.\d+ \*$/m,
  );
  expect(stdout).toMatch(
    /supported: two better than one on loss, all tasks \(paired t test\)\n +effect \d.*95 % interval .*, adjusted p .*, 4 pairs/,
  );
  expect(stdout).toContain(
    "Decision: supported. 1 comparison: 1 supported.\n  The rule was fixed before any result was known.",
  );
  expect(stdout).toMatch(
    /Where everything lies\n +file +first\.yaml\n +code +commit \w{10} in .*\n +attempts +.*attempts\n/,
  );
});

test("progress shows done, total, rate and time left, on a terminal as one line [cli.progress]", async () => {
  file("slow", { run: "sleep 0.3; sh run.sh", seeds: { count: 6 } });
  const program = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
  const words = ["-c", program, process.execPath, lab.launcher, "run", "slow.yaml"];
  const { stdout: shown, status } = await lab.program("python3", words, {
    TERM: "xterm",
    LANG: "C.UTF-8",
    COLUMNS: "120",
    NO_COLOR: "1",
  });
  const stdout = stripVTControlCharacters(shown);
  expect(status, stdout).toBe(0);
  expect(stdout).toMatch(/━+─+\D* {2}\d+\/12 {2}\d+ % {2}[\d.]+\/(s|min) {2}\d+ s left {2}\d active/);
  const left = await lab.rigor("results", "slow");
  expect(left.stdout).toContain("Decision: supported");
});

test("a second call says at once that all is done, and starts nothing [start.second-call]", async () => {
  const before = lab.state().events;
  const { stdout, stderr } = await run("first");
  expect(stdout).toMatch(/^first: all 8 runs are done already/);
  expect(stderr).toContain("first@1 is decided already: same plan, code, environment and inputs");
  expect(stdout).toContain("Decision: supported");
  expect(lab.state().events).toBe(before);
});

test("another experiment shares equal runs, and a new seed runs only what is new [identity.shared]", async () => {
  file("second", { seeds: { count: 5 } });
  const { stdout } = await run("second");
  expect(stdout).toMatch(/^second: 10 runs = .*; 8 done already, 2 to do$/m);
  const runs = await lab.runs("second");
  expect(runs.every(({ attempts }) => attempts === 1)).toBe(true);
  const first = await lab.runs("first");
  expect(
    runs
      .filter(({ seed }) => seed < 4)
      .map(({ id }) => id)
      .toSorted(),
  ).toEqual(first.map(({ id }) => id).toSorted());
  const shown = await lab.rigor("show", first[0]?.id ?? "");
  expect(shown.stdout).toMatch(/experiment +second@1, shared with first@1/);
});

test("a rule that changes after results are known is a new version, and the decision says so [F54]", async () => {
  file("first", { decision: { comparisons: [{ ...rule.comparisons[0], min_effect: 0.5 }] } });
  const { stdout, stderr } = await run("first");
  expect(stderr).toContain("first@2: the plan changed since first@1");
  expect(stdout).toContain("first: all 8 runs are done already");
  expect(stdout).toMatch(/not (pre-?registered|fixed before)|after .*results? .*known/i);
  expect(stdout).not.toContain("The rule was fixed before any result was known");
  const earlier = await lab.rigor("results", "first@1");
  expect(earlier.stdout).toContain("The rule was fixed before any result was known");
});

test("a change of other files leaves results as they are", async () => {
  lab.write({ "notes.md": "Nothing that a run reads.\n" });
  expect((await lab.rigor("list", "--stale")).stdout).toBe("No run fits.\n");
  expect((await lab.rigor("rerun", "--stale")).stdout).toBe("No run is stale.\n");
});

test("runs that rest on other files outside `code` are told of in plan, run, results and export [identity.unlisted]", async () => {
  lab.write({ "lib/noise.sh": "noise=1\n" });
  const note = /8 of 8 runs rest on commit \w{10}, which differs from the present files outside `code`: lib\/noise\.sh/;
  expect((await lab.rigor("plan", "first.yaml")).stdout).toMatch(note);
  const { stdout } = await run("first");
  expect(stdout.match(new RegExp(note, "g")), stdout).toHaveLength(1);
  expect((await lab.rigor("results", "first")).stdout.replaceAll("\n  ", " ")).toMatch(note);
  const markdown = (await lab.rigor("export", "first", "--format", "markdown")).stdout;
  expect(markdown.replaceAll("\\", "")).toMatch(note);
  const { commits } = await lab.json<{ commits: { runs: number; commit: string }[] }>("results", "first");
  expect(markdown).toContain(`**Commit:** ${commits[0]?.commit}`);
  rmSync(join(lab.repository, "lib"), { recursive: true });
});

test("when code changes, results are stale, and rerun --stale runs them anew as a new version [identity.stale] [F06]", async () => {
  lab.write({ "run.sh": `${script}# a fix\n` });
  const stale = await lab.rigor("list", "first", "--stale");
  expect(stale.stdout.match(/done, stale/g)).toHaveLength(8);
  const again = await lab.rigor("rerun", "first", "--stale");
  expect(again.stdout).toBe("first@3: the code changed since first@2.\n");
  await run("first");
  expect((await lab.runs("first", "--stale")).length).toBe(0);
  const superseded = await lab.rigor("list", "first@2", "--stale");
  expect(superseded).toMatchObject({ status: 2, stdout: "" });
  expect(superseded.stderr).toMatch(/first@2 was superseded by a newer version\..*Use first, which names the newest/s);
  const fresh = await lab.runs("first");
  const old = await lab.runs("first@1");
  expect(fresh.every(({ state }) => state === "done")).toBe(true);
  expect(old.every(({ state }) => state === "done")).toBe(true);
  expect(fresh.map(({ id }) => id).some((id) => old.some((one) => one.id === id))).toBe(false);

  expect((await lab.rigor("list")).stdout).not.toContain("first@1");
  expect((await lab.rigor("list", "--archived")).stdout).toMatch(/^first@1 +archived /m);
  expect((await lab.rigor("show", "first@1")).stdout).toMatch(/^first@1 +archived/);
  expect((await lab.rigor("results", "first@2")).stdout).toContain("first@2");
});

test("a file that names no code is told once what identifies its runs, and one that does is not [identity.unlisted]", async () => {
  const said = /All files of the repository identify the runs, as `code` is not given/g;
  file("open", { code: undefined, seeds: { count: 1 }, decision: undefined });
  const plain = ({ stdout }: { stdout: string }) => stdout.replace(/\s+/g, " ");
  expect(plain(await lab.rigor("plan", "open.yaml")).match(said)).toHaveLength(1);
  expect(plain(await run("open")).match(said)).toHaveLength(1);
  expect(plain(await run("open"))).not.toMatch(said);
  file("closed", { seeds: { count: 1 }, decision: undefined });
  expect(plain(await run("closed"))).not.toMatch(said);
});

test("a start that leaves nothing to run says so, also when nobody waits for it", async () => {
  file("again", { run: "sh run.sh; exit" });
  expect((await lab.rigor("run", "again.yaml", "--detach")).stdout).toContain("It runs on its own now.");
  await run("again");
  expect((await lab.rigor("run", "again.yaml", "--detach")).stdout).toMatch(/^Nothing is left to run\./m);
});

test("a name that another repository uses is refused; in a clone it is a new version [identity.repository]", async () => {
  const other = new UserLab("other").init();
  try {
    other.commit({ "run.sh": script, "named.yaml": experiment({ name: "named", run: "sh run.sh; exit" }) });
    lab.commit({ "named.yaml": experiment({ name: "named", run: "sleep 60" }) });
    expect((await lab.rigor("run", "named.yaml", "--detach")).status).toBe(0);
    const elsewhere = { environment: { RIGOR_HOME: lab.home } };
    const refused = await other.call(["run", "named.yaml"], elsewhere);
    expectRefusal(refused, 2, "named@1 is an experiment of another repository", lab.repository, "another `name`");
    expect((await lab.runs("named", "--cancelled")).length).toBe(0);
    expect((await lab.json<{ experiment: { state: string } }>("show", "named@1")).experiment.state).toBe("running");
    lab.git("clone", "--quiet", lab.repository, join(other.directory, "clone"));
    const clone = { ...elsewhere, cwd: join(other.directory, "clone") };
    writeFileSync(join(clone.cwd, "copy.yaml"), experiment({ name: "named", run: "sleep 61" }));
    const started = await other.call(["run", "copy.yaml", "--detach"], clone);
    expect(started.text).toMatch(/named@2: .* changed since named@1, which is named\.yaml\n/);
    expect((await lab.rigor("cancel", "named")).status).toBe(0);
  } finally {
    await other.close();
  }
});
