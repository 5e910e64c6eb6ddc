/** Watching, leaving, holding, cancelling and running again, as a person does it. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isAlive } from "../../packages/rigor/src/cli/daemon/processes.ts";
import { experiment, expectRefusal, rule, script, until, UserLab, type Run } from "./lab.ts";

let lab: UserLab;

beforeAll(() => {
  lab = new UserLab().init();
  lab.commit({
    "run.sh": script,
    // Waits until the test lets it go on.
    "gate.sh": `until [ -e "${lab.directory}/open-$1" ]; do sleep 0.1; done\n. ./run.sh\n`,
    "rigor.yaml": "compute: { local: { kind: local, cpus: 1 } }\n",
  });
});
/** What a test leaves open would keep the one slot from all others. */
afterEach(() => lab.cancelAll());
afterAll(() => lab.close());

/** An experiment whose runs wait, one after another, until its gate is opened. */
function gated(name: string, changes: Record<string, unknown> = {}): string {
  const file = `${name}.yaml`;
  lab.write({ [file]: experiment({ name, run: `sh gate.sh ${name}`, code: ["gate.sh", "run.sh"], ...changes }) });
  return file;
}
const open = (name: string) => lab.program("touch", [`${lab.directory}/open-${name}`]);
/** Waits until a run of an experiment is under way; the experiment may not be there yet. */
const active = (name: string) =>
  until("an active run", async () => {
    const { experiments } = await lab.json<{ experiments: { name: string; counts: { active: number } }[] }>("status");
    return experiments.some((one) => one.name === name && one.counts.active > 0);
  });

describe("Ctrl-C [cli.detach] [cli.exit-codes]", () => {
  test("leaves the runs going, says how to come back, and ends with 130", async () => {
    const watching = lab.start(["run", gated("left")]);
    await until("progress", () => watching.said.stderr.includes("active"));
    await active("left");
    watching.child.kill("SIGINT");
    const answer = await watching.answer;
    expect(answer.status).toBe(130);
    expect(answer.stderr).toContain(
      [
        "No longer watching left; its runs go on.",
        "  rigor run left.yaml   come back to it",
        "  rigor status          see how far it is",
        "  rigor cancel left     stop its runs",
      ].join("\n"),
    );
    expect((await lab.runs("left", "--active")).length).toBe(1);
    const back = lab.start(["run", "left.yaml"]);
    await open("left");
    const ended = await back.answer;
    expect(ended.status, ended.text).toBe(0);
    expect(ended.stderr).toMatch(/left@1 is (running|decided) already/);
    expect((await lab.runs("left", "--done")).map(({ attempts }) => attempts)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test("is what --detach does at once, with status 0", async () => {
    const answer = await lab.rigor("run", gated("alone"), "--detach");
    expect(answer.status, answer.text).toBe(0);
    expect(answer.stdout).toContain(
      "It runs on its own now. `rigor status` shows how far it is, `rigor results alone`",
    );
    expect((await lab.rigor("status")).stdout).toMatch(/^alone@1 +running +0\/6 /m);
    const provisional = await lab.rigor("results", "alone");
    expect(provisional.stdout).toMatch(/provisional/i);
    expect((await lab.rigor("cancel", "alone")).stdout).toBe("Cancelled alone@1 with 6 open runs.\n");
  });
});

describe("`rigor down` while somebody watches [cli.detach] [daemon.graceful]", () => {
  test("stays down: the watcher says so, how to come back, and ends with 130; what runs goes on", async () => {
    const watching = lab.start(["run", gated("downed")]);
    await active("downed");
    await until("progress", () => watching.said.stderr.includes("active"));
    const pid = lab.daemonPid() ?? 0;
    expect((await lab.rigor("down")).stdout).toMatch(/^The daemon has ended\. 1 job goes on/);
    const answer = await watching.answer;
    expect(answer.status, answer.text).toBe(130);
    expect(answer.stderr).toContain(
      [
        "The daemon was stopped. Runs of downed that are under way go on, and no other starts.",
        "  rigor run downed.yaml   start the daemon again, and come back to it",
        "  rigor status            start the daemon again, and see how far it is",
        "  rigor cancel downed     stop its runs",
      ].join("\n"),
    );
    expect(answer.stderr).not.toContain("starting it again");
    await until("the daemon to end", () => !isAlive(pid));
    expect(lab.daemonPid()).toBeNull();
    await open("downed");
    const back = await lab.rigor("run", "downed.yaml");
    expect(back.status, back.text).toBe(0);
    expect((await lab.runs("downed", "--done")).map(({ attempts }) => attempts)).toEqual([1, 1, 1, 1, 1, 1]);
  });
});

describe("cancel [job.cancel]", () => {
  test("stops what runs and what waits; run FILE takes it up again", async () => {
    await lab.rigor("run", gated("stopped"), "-d");
    await active("stopped");
    const [running] = await lab.runs("stopped", "--active");
    const [waiting] = await lab.runs("stopped", "--pending");
    expect((await lab.rigor("cancel", waiting?.id ?? "", "-m", "not needed")).stdout).toMatch(
      /^Run \w{10} is cancelled\.\n$/,
    );
    expect((await lab.rigor("cancel", running?.id ?? "")).stdout).toMatch(/^Run \w{10} is cancelled\.\n$/);
    await until("both to be cancelled", async () => (await lab.runs("stopped", "--cancelled")).length === 2);
    const shown = await lab.rigor("show", waiting?.id ?? "");
    expect(shown.stdout).toMatch(/why +not needed\n/);
    expect((await lab.rigor("cancel", "stopped")).stdout).toBe("Cancelled stopped@1 with 4 open runs.\n");
    await until("every job to be gone", async () => (await lab.runs("--active")).length === 0);
    expect((await lab.rigor("status")).stdout).toMatch(/^stopped@1 +cancelled /m);
    expectRefusal(await lab.rigor("release", "stopped"), 2, "stopped@1 is cancelled");

    await open("stopped");
    const again = await lab.rigor("run", "stopped.yaml");
    expect(again.status, again.text).toBe(0);
    expect(again.stderr).toContain("stopped@1 was cancelled and goes on");
    expect((await lab.runs("stopped", "--done")).length).toBe(6);
    expectRefusal(await lab.rigor("cancel", "stopped"), 2, "stopped@1 is decided", "nothing left to cancel");
    expectRefusal(await lab.rigor("cancel", running?.id ?? ""), 2, "is done", "rigor rerun");
  });
});

describe("hold and release", () => {
  test("an experiment: what runs goes on, nothing else starts, and watching ends with 3 [cli.exit-codes]", async () => {
    const watching = lab.start(["run", gated("paused")]);
    await active("paused");
    expect((await lab.rigor("hold", "paused", "-m", "GPUs are needed elsewhere")).stdout).toContain("paused@1 is held");
    const answer = await watching.answer;
    expect(answer.status, answer.text).toBe(3);
    expect(answer.stdout).toContain("Held now: GPUs are needed elsewhere");
    expect(answer.stdout).toMatch(/^ {2}rigor release paused@1 +go on$/m);
    await open("paused");
    await until("the active run to end", async () => (await lab.runs("paused", "--active")).length === 0);
    expect((await lab.runs("paused", "--pending")).length).toBe(5);
    expect((await lab.rigor("status")).stdout).toMatch(
      /^paused@1 +held +1\/6 .* 1 done, 5 pending$[^]*^ {2}Held .*GPUs are needed elsewhere$/m,
    );
    expect((await lab.rigor("release", "paused")).stdout).toBe("paused@1 goes on.\n");
    const back = await lab.rigor("run", "paused.yaml");
    expect(back.status, back.text).toBe(0);
  });

  test("a run: the others go on without it, and it is waited for", async () => {
    await lab.rigor("run", gated("spared"), "-d");
    await active("spared");
    const [run] = (await lab.runs("spared", "--pending")).toReversed();
    const id = run?.id.slice(0, 10) ?? "";
    expect((await lab.rigor("hold", id, "-m", "wait for the data")).stdout).toBe(`Run ${id} is held.\n`);
    await open("spared");
    const answer = await lab.rigor("run", "spared.yaml");
    expect(answer.status, answer.text).toBe(3);
    expect(answer.stdout).toContain("1 run is held");
    expect((await lab.rigor("list", "spared", "--held")).stdout).toMatch(
      new RegExp(`^${id} .* held .*wait for the data$`, "m"),
    );
    expect((await lab.rigor("release", id)).stdout).toBe(`Run ${id} is released.\n`);
    const back = await lab.rigor("run", "spared.yaml");
    expect(back.status, back.text).toBe(0);
    expectRefusal(await lab.rigor("release", id), 2, `Run ${id} is done.`, "Only what is held");
    expectRefusal(await lab.rigor("hold", id), 2, `Run ${id} is done.`);
  });

  test("of an experiment by a person outlasts rerun and release of its runs", async () => {
    await lab.rigor("run", gated("kept"), "-d");
    await active("kept");
    await lab.rigor("hold", "kept", "-m", "the machine is needed");
    const short = (runs: Run[]) => runs[0]?.id.slice(0, 10) ?? "";
    const cancelled = short(await lab.runs("kept", "--pending"));
    await lab.rigor("cancel", cancelled);
    const held = short(await lab.runs("kept", "--pending"));
    await lab.rigor("hold", held);
    await open("kept");
    await until("an end of the active run", async () => (await lab.runs("kept", "--done")).length === 1);
    const done = short(await lab.runs("kept", "--done"));
    const later = "; nothing of it starts before `rigor release kept@1`";
    expect((await lab.rigor("rerun", done)).stdout).toBe(`Run ${done} runs again${later}.\n`);
    expect((await lab.rigor("release", held)).stdout).toBe(`Run ${held} is released${later}.\n`);
    expect((await lab.rigor("rerun", "kept", "--failed")).stdout).toBe(`1 run of kept@1 to run again${later}.\n`);
    await sleep(1_500);
    expect((await lab.rigor("status")).stdout).toMatch(
      /^kept@1 +held +0\/6 .* 6 pending$[^]*^ {2}Held .*the machine is needed$/m,
    );
    expect((await lab.runs("kept", "--pending")).length).toBe(6);
    await lab.rigor("release", "kept");
    const ended = await lab.rigor("run", "kept.yaml");
    expect(ended.status, ended.text).toBe(0);
  });
});

describe("rerun", () => {
  test("--failed repeats failed runs with the code they had; --without-failed decides without them [cli.exit-codes]", async () => {
    const flag = `${lab.directory}/mended`;
    lab.write({
      "fragile.sh": `if [ "$RIGOR_SEED" = 2 ] && [ ! -e "$1" ]; then echo 'there is no data' >&2; exit 1; fi\n. ./run.sh\n`,
      "fragile.yaml": experiment({
        name: "fragile",
        seeds: { count: 4 },
        run: ["sh", "fragile.sh", flag],
        code: ["fragile.sh", "run.sh"],
        decision: rule,
      }),
    });
    const held = await lab.rigor("run", "fragile.yaml");
    expect(held.status, held.text).toBe(1);
    expect(held.stdout).toContain("2 runs have no valid result (2 failed)");
    expectRefusal(await lab.rigor("release", "fragile"), 2, "rerun fragile@1 --failed", "--without-failed");

    const without = await lab.rigor("release", "fragile", "--without-failed");
    expect(without.status, without.text).toBe(0);
    await until("a decision", async () => (await lab.rigor("status")).stdout.includes("supported"));
    const decided = await lab.rigor("results", "fragile");
    expect(decided.stdout).toMatch(/Decision: supported/);
    expect(decided.stdout).toContain("Decided without 2 of the planned runs, which have no valid result.");
    // The answer stands, and yet runs failed.
    expect((await lab.rigor("run", "fragile.yaml")).status).toBe(1);

    await lab.program("touch", [flag]);
    expect((await lab.rigor("rerun", "fragile", "--failed")).stdout).toBe("2 runs of fragile@1 to run again.\n");
    const ended = await lab.rigor("run", "fragile.yaml");
    expect(ended.status, ended.text).toBe(0);
    const runs = await lab.runs("fragile");
    expect(runs.map(({ state, attempts, seed }) => [state, attempts, seed])).toEqual(
      [0, 1, 2, 3, 0, 1, 2, 3].map((seed) => ["done", seed === 2 ? 2 : 1, seed]),
    );
    const { attempt_list: tries, retries } = await lab.json<{
      attempt_list: { state: string }[];
      retries: { code: number };
    }>("show", runs.find(({ seed }) => seed === 2)?.id ?? "");
    expect(tries.map(({ state }) => state)).toEqual(["failed", "succeeded"]);
    expect(retries.code).toBe(0);
    expect((await lab.rigor("rerun", "fragile", "--failed")).stdout).toMatch(/^No run of fragile@1 failed\.\n$/);
    expect((await lab.rigor("rerun", "--failed")).stdout).toBe("No run has failed.\n");
  });

  test("RUN discards a valid result and measures again", async () => {
    lab.write({ "again.yaml": experiment({ name: "again", run: "sh run.sh again", code: ["run.sh"] }) });
    await lab.rigor("run", "again.yaml");
    const [run] = await lab.runs("again", "--done");
    const id = run?.id.slice(0, 10) ?? "";
    expect((await lab.rigor("rerun", id, "-m", "wrong driver")).stdout).toBe(`Run ${id} runs again.\n`);
    const ended = await lab.rigor("run", "again.yaml");
    expect(ended.status, ended.text).toBe(0);
    expect(await lab.runs("again", "--arm", run?.arm ?? "", "--seed", String(run?.seed))).toMatchObject([
      { state: "done", attempts: 2 },
    ]);
    expectRefusal(await lab.rigor("rerun", id, "--failed"), 2, "--failed is for experiments");
    expectRefusal(await lab.rigor("rerun", "again"), 2, "Say which runs of again: --failed or --stale");
  });
});

test("a time budget that is used up holds the experiment with 3; release --wall goes on [budget.held] [cli.exit-codes]", async () => {
  lab.write({
    "brief.yaml": experiment({
      name: "brief",
      run: "sleep 0.7; sh run.sh",
      code: ["run.sh"],
      budget: { wall: "1s" },
      decision: rule,
    }),
  });
  const held = await lab.rigor("run", "brief.yaml");
  expect(held.status, held.text).toBe(3);
  expect(held.stdout).toMatch(/Held now: the budget of 1 s is used up: it has been running for \d+ s/);
  expect(held.stdout).toContain("rigor release brief@1 --wall");
  expect(held.stderr).toMatch(/^\d of 6 runs in /m);
  expectRefusal(await lab.rigor("release", "brief"), 2, "budget of 1 s", "--wall 1h");
  expect((await lab.rigor("release", "brief", "--wall", "1h")).stdout).toBe("brief@1 goes on.\n");
  const ended = await lab.rigor("run", "brief.yaml");
  expect(ended.status, ended.text).toBe(0);
});

describe("stages [stages.order]", () => {
  test("the pilot runs first, on the same command, and the full stage only when it has passed [F58] [F53]", async () => {
    lab.write({
      "staged.yaml": experiment({
        name: "staged",
        seeds: [0, 1, 2, 9],
        code: ["run.sh"],
        stages: [
          { name: "pilot", seeds: [9] },
          { name: "full", seeds: [0, 1, 2] },
        ],
        decision: rule,
      }),
    });
    const answer = await lab.rigor("run", "staged.yaml");
    expect(answer.status, answer.text).toBe(0);
    expect(answer.stdout).toMatch(/stages +pilot \(2 runs, 2 to do\), then full \(6 runs, 6 to do\)/);
    expect(answer.stderr).toMatch(/stage 1 of 2: pilot[^]*stage 2 of 2: full/);
    const runs = await lab.runs("staged");
    const details = await Promise.all(
      runs.map(({ id }) =>
        lab.json<{ command: string; seed: number; attempt_list: { queued_at: string; finished_at: string }[] }>(
          "show",
          id,
        ),
      ),
    );
    const pilots = details.filter(({ seed }) => seed === 9);
    const others = details.filter(({ seed }) => seed !== 9);
    // The end of a job is told by the job's own clock, which may differ from the daemon's by some milliseconds.
    const clockDifferenceMs = 200;
    const times = (key: "queued_at" | "finished_at", of: typeof details) =>
      of.map(({ attempt_list: [one] }) => Date.parse(one?.[key] ?? ""));
    expect(Math.min(...times("queued_at", others))).toBeGreaterThan(
      Math.max(...times("finished_at", pilots)) - clockDifferenceMs,
    );
    expect(new Set(details.map(({ command, seed }) => command.replace(String(seed), "SEED"))).size).toBe(1);
    // Seed 9 is in no cell of the table that decides.
    const { results } = await lab.json<{
      results: { tables: { rows: { cells: { values: { seed: number }[] }[] }[] }[] };
    }>("run", "staged.yaml");
    const seeds = results.tables.flatMap(({ rows }) =>
      rows.flatMap(({ cells }) => cells.flatMap(({ values }) => values.map(({ seed }) => seed))),
    );
    expect([...new Set(seeds)].toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
  });

  test("a pilot with a failing run holds the experiment", async () => {
    lab.write({
      "blocked.yaml": experiment({
        name: "blocked",
        run: "test {seed} != 0 && sh run.sh",
        code: ["run.sh"],
        stages: [{ name: "pilot", seeds: [0] }, { name: "full" }],
      }),
    });
    const answer = await lab.rigor("run", "blocked.yaml");
    expect(answer.status, answer.text).toBe(1);
    expect(answer.stdout).toContain("Held now: 2 runs have no valid result (2 failed)");
    expect((await lab.runs("blocked", "--pending")).length).toBe(4);
    expect((await lab.runs("blocked")).every(({ seed, attempts }) => attempts === (seed === 0 ? 1 : 0))).toBe(true);
    await lab.rigor("cancel", "blocked");
  });

  test("a pilot that does not pass its bounds holds the experiment with 3 [cli.exit-codes]", async () => {
    lab.write({
      "bounded.yaml": experiment({
        name: "bounded",
        run: "sh run.sh bounded",
        seeds: [0, 1, 2, 9],
        code: ["run.sh"],
        stages: [
          { name: "pilot", seeds: [9], pass: { metrics: [{ metric: "loss", arm: "two", at_most: 1 }] } },
          { name: "full", seeds: [0, 1, 2] },
        ],
      }),
    });
    const answer = await lab.rigor("run", "bounded.yaml");
    expect(answer.status, answer.text).toBe(3);
    expect(answer.stdout).toContain("stage pilot did not pass: mean loss of two is 3.61, above 1");
    expect(answer.stdout).toContain("rigor cancel bounded@1");
    expect((await lab.runs("bounded", "--pending")).length).toBe(6);
    await lab.rigor("cancel", "bounded");
  });
});
