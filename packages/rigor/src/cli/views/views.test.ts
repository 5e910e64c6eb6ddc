import { describe, expect, test } from "vitest";
import { interruptLines } from "../commands/run.ts";
import { closedLines, plainLines } from "./reporter.ts";
import { plainStyle } from "../output/terminal.ts";
import {
  cell,
  comparison,
  experiment,
  now,
  plan,
  progress,
  results,
  run,
  runCounts,
  runDetail,
} from "../cli.testing.ts";
import { printable, textWidth } from "../output/text.ts";
import { computeLines, gpuText, usedText } from "./compute.ts";
import { experimentTable } from "./experiment.ts";
import { planLines, planSummary } from "./plan.ts";
import { liveText, lineText } from "./progress.ts";
import { comparisonLines, resultsLines } from "./results.ts";
import { closedNotes, runLines, runTable } from "./run.ts";
import { entryLines } from "./session.ts";

const look = { style: plainStyle, columns: 110, now };
const terminal = (columns: number, unicode = false) => ({ columns, unicode, style: plainStyle });

test("a rest that is over is not said to go on [compute.rest]", () => {
  const resting = (until: number) => ({
    ...{ name: "lab1", id: "ssh:lab1", kind: "ssh", host: "lab1", state: "resting", reason: "a demo" },
    ...{ until: new Date(until).toISOString(), trouble: null, lacking: null, jobs: 0, max_jobs: null, calls: null },
    ...{ limits: { cpus: null, memory: null }, capacity: null, checked_at: null, problems: [] },
  });
  expect(computeLines([resting(now + 1_000), resting(now)], look).slice(1)).toEqual([
    expect.stringMatching(/0 {2}resting until 2026-01-01 00:01:01 UTC: a demo$/),
    expect.stringMatching(/0 {2}rested until 2026-01-01 00:01:00 UTC: a demo; tried before its next run$/),
  ]);
});

describe("progress [cli.progress]", () => {
  test("shows done of total, rate and time left on one line", () => {
    expect(liveText(progress(), terminal(100), now)).toBe(
      "[#############-----------]  34/60  56 %  3.2/s  8 s left  4 active  1 failed",
    );
    expect(liveText(progress(), terminal(100, true), now)).toMatch(/^━{13}─{11} {2}34\/60/);
  });

  test("leaves out what matters least on a narrow terminal", () => {
    expect([70, 40, 24, 16].map((columns) => liveText(progress(), terminal(columns), now))).toEqual([
      "[#############-----------]  34/60  3.2/s  8 s left  1 failed",
      "34/60  3.2/s  8 s left  1 failed",
      "34/60  1 failed",
      "34/60  1 failed",
    ]);
    for (let columns = 20; columns < 120; columns += 1) {
      expect(textWidth(liveText(progress(), terminal(columns), now))).toBeLessThan(columns);
    }
  });

  test("says how many jobs wait where, and why [compute.why-waiting]", () => {
    const waiting = (...groups: [compute: string, reason: string | null, runs: number, held?: boolean][]) =>
      progress({
        experiment: experiment({
          counts: runCounts({ done: 33, active: 20, pending: 7 }),
          total_runs: 60,
          waiting: groups.map(([compute, reason, runs, held = false]) => ({ compute, reason, held, runs })),
        }),
      });
    expect(lineText(waiting(["marlowe", "QOSMaxGRESPerUser", 12]), now)).toContain(
      "20 active, 12 waiting at marlowe: QOSMaxGRESPerUser",
    );
    const several = waiting(
      ["marlowe", "Priority", 9],
      ["marlowe", "Resources", 1],
      ["gadi", "Can Never Run", 2, true],
    );
    expect(lineText(several, now)).toContain(
      "10 waiting at marlowe: Priority (9), Resources (1), 2 stuck at gadi: Can",
    );
    expect(lineText(waiting(["lab", null, 3]), now)).toContain("3 waiting at lab");
    expect(liveText(waiting(["marlowe", "Priority", 12]), terminal(70), now)).toBe(
      "34/60  8 s left  20 active  12 waiting at marlowe: Priority",
    );
  });

  test("says of how many active runs the job has ended and the outputs are read [run.collecting]", () => {
    const [active] = progress().active;
    const collecting = active === undefined ? [] : [{ ...active, collecting: true }];
    expect(lineText(progress({ active: collecting }), now)).toContain("4 active (1 collecting)");
    expect(runTable([run({ state: "active", reason: null, collecting: true })], [], look)[1]).toMatch(
      / 3 +collecting /,
    );
  });

  test("says on which computes nothing starts, and once why and what can be done [compute.closed]", () => {
    const nothing = { message: null, next: null, since: null, until: null };
    const view = progress({
      closed: [
        { ...nothing, compute: "lab1", state: "no-answer", message: "lab1 is off", next: "Look.", since: "2026-01-01" },
        { ...nothing, compute: "lab2", state: "resting", message: "no power", until: "2026-01-02" },
        { ...nothing, compute: "lab3", state: "drained", message: "new disks", next: "Use it." },
        { ...nothing, compute: "lab4", state: "tried" },
      ],
    });
    expect(lineText(view, now)).toContain("no answer from lab1, trying lab4, at rest: lab2, drained: lab3");
    const lines: string[] = [];
    const report = closedLines((line) => lines.push(line));
    for (let time = 0; time < 3; time += 1) report(view);
    expect(lines).toEqual([
      "lab1 has not answered since 2026-01-01 00:00:00 UTC: lab1 is off. Look.",
      "lab2 rests until 2026-01-02 00:00:00 UTC: no power.",
      "lab3 is drained: new disks. Use it.",
    ]);
    report(progress());
    report(view);
    expect(lines).toHaveLength(6);
  });

  test("says how many runs are tried again, after what, and when [cli.why-waiting]", () => {
    const pausing = experiment({
      counts: runCounts({ pending: 6 }),
      total_runs: 6,
      retries: { runs: 6, next_at: "2026-01-01T00:01:12Z", after: "killed" },
    });
    const view = progress({ experiment: pausing, finished: 0, runs_per_second: null, seconds_left: null, active: [] });
    const told = "6 again after a pause (killed), the next in 12 s";
    expect(lineText(view, now)).toBe(`0/6 runs (0 %), 0 active, ${told}`);
    expect(liveText(view, terminal(120), now)).toContain(told);
    expect(liveText(view, terminal(65), now)).toBe(`0/6  0 active  ${told}`);
    expect(experimentTable([pausing], look).at(-1)).toMatch(/6 pending, 6 again after a pause \(killed\), the next in/);
  });

  test("says that the disk is full, also while runs are active [cli.why-waiting]", () => {
    const view = progress({ waits_for: "the disk is full: 0 MB are free, 67 MB are needed in /data" });
    expect(lineText(view, now)).toMatch(/4 active, 1 failed, the disk is full: 0 MB are free/);
    expect(liveText(view, terminal(90), now)).toBe(
      "34/60  4 active  1 failed  the disk is full: 0 MB are free, 67 MB are needed in /data",
    );
    expect(lineText({ ...view, active: [] }, now)).toMatch(/^waiting: the disk is full/);
  });

  test("says what is prepared, for how long, and where its log is", () => {
    const preparing = { what: "npm ci", since: "2026-01-01T00:00:48Z", log_file: "/data/build.log" };
    const view = progress({ preparing, active: [] });
    expect(liveText(view, terminal(100), now)).toBe("preparing: npm ci, for 12 s, log: /data/build.log");
    const begun = { what: "checking out the code", since: new Date(now).toISOString(), log_file: null };
    expect(lineText(progress({ preparing: begun, active: [] }), now)).toBe("preparing: checking out the code");
  });

  test("is never complete before the last run is", () => {
    const almost = progress({ finished: 999, experiment: experiment({ total_runs: 1000 }) });
    expect(lineText(almost, now)).toContain("999/1,000 runs (99 %)");
  });

  test("elsewhere than on a terminal is a line per tenth or per five seconds", () => {
    const lines: string[] = [];
    const report = plainLines((line) => lines.push(line));
    const at = (finished: number, ms: number) => report(progress({ finished }), now + ms);
    for (const [finished, ms] of [
      [1, 0],
      [2, 200],
      [6, 400],
      [7, 600],
      [7, 5_500],
      [8, 5_700],
      [60, 5_900],
    ] as const)
      at(finished, ms);
    expect(lines.map((line) => line.split(" ")[0])).toEqual(["1/60", "6/60", "7/60", "60/60"]);
  });
});

test("what is used of a machine is told with what rigor.yaml allows, be it more than there is", () => {
  expect(usedText(1, null, 2, String)).toBe("1 of 2");
  expect(usedText(4, 4, 2, String)).toBe("4 of 4; the machine has 2");
  expect(usedText(0, 1, 2, String)).toBe("0 of 1; the machine has 2");
  expect(usedText(4, null, 2, String)).toBe("4; the machine has 2");
});

describe("a plan", () => {
  test("says how many runs there are, why, and what is done", () => {
    expect(planSummary(plan(), plainStyle)).toEqual([
      "smoothing: 20 runs = 2 arms x 1 task x 2 lr x 5 seeds; 8 done already, 12 to do",
      "  stages    pilot (4 runs, 0 to do), then full (20 runs, 12 to do)",
      "  code      commit 0123456789, a snapshot with 1 changed file: train.py",
      "  estimate  about 6 s: 4 runs at a time, 2 s each (median of earlier runs)",
    ]);
  });

  test("says what runs used before, and proposes it where less is asked for [memory.learnt]", () => {
    const lines = planLines(
      plan({
        memory: { asked: 1e9, seen: 2e9, proposed: 2.4e9 },
        gpu_memory: { asked: null, seen: 21e9, proposed: 21e9 },
      }),
      plainStyle,
    );
    expect(lines.filter((line) => line.includes("memory"))).toEqual([
      "  memory       only 1 GB are asked for; earlier runs used up to 2 GB: `memory: 2.4GB` in `resources` would be enough",
      "  gpu memory   nothing is asked for; earlier runs used up to 21 GB: `gpu_memory: 21GB` in `resources` would be enough",
    ]);
  });

  test("that is done says so at once", () => {
    expect(planSummary(plan({ done: 20, to_do: 0, dirty: false }), plainStyle)).toEqual([
      "smoothing: all 20 runs are done already (2 arms x 1 task x 2 lr x 5 seeds)",
      "  code  commit 0123456789",
    ]);
  });
});

describe("results [cli.progress]", () => {
  test("are table, comparisons, decision and where everything lies", () => {
    expect(resultsLines(results(), look)).toEqual([
      "smoothing@1  supported  10 done",
      "  question  Which smoothing is best?",
      "",
      "perplexity (lower is better): mean ± half of the 95 % t interval over 5 seeds",
      "  arm            news",
      "  base      164 ± 3",
      "  ours  151.3 ± 1.3 *",
      "  * best",
      "",
      "Comparisons",
      "  supported: ours better than base on perplexity, all tasks (paired t test)",
      "    effect 12.2 (95 % interval 10.1 to 14.4), adjusted p < 0.0001, 5 pairs.",
      "",
      "Decision: supported. The comparison is supported.",
      "  The rule was fixed before any result was known.",
      "  The p values are adjusted by Holm's method.",
      "  Confidence is at most moderate: no run was reproduced.",
      "",
      "Where everything lies",
      "  file        experiment.yaml",
      "  code        commit 0123456789 in /home/ada/lm",
      "  attempts    /home/ada/.rigor/attempts",
      "  data        /home/ada/.rigor",
      "  this again  rigor results smoothing",
      "  its runs    rigor list smoothing, then rigor show RUN",
      "  to a file   rigor export smoothing --output smoothing.csv",
    ]);
  });

  test("mark ties, missing runs and what could not be measured", () => {
    const [table] = results().tables;
    const cells = [
      cell({ best: true }),
      cell({ tied_with_best: true, n: 3 }),
      cell({ n: 0, mean: null, sd: null, low: null, high: null }),
    ];
    const rows = cells.map((one, index) => ({ arm: `arm ${index}`, role: null, grid: { lr: index }, cells: [one] }));
    const lines = resultsLines(results({ tables: table === undefined ? [] : [{ ...table, rows }] }), look);
    expect(lines.slice(3, 9)).toEqual([
      "perplexity (lower is better): mean ± half of the 95 % t interval over 3 to 5 seeds",
      "  arm                          news",
      "  arm 0 (lr=0)        151.3 ± 1.3 *",
      "  arm 1 (lr=1)  151.3 ± 1.3 (3/5) ~",
      "  arm 2 (lr=2)            - (0/5)",
      "  * best   ~ not distinguishable from the best   (n/m) only n of m runs have a value",
    ]);
  });

  test("say of a metric that nothing has a value, instead of a table of nothing", () => {
    const [table] = results().tables;
    const none = cell({ n: 0, mean: null, sd: null, low: null, high: null });
    const views =
      table === undefined
        ? []
        : [[], [{ arm: "ours", role: null, grid: {}, cells: [none] }]].map((rows) => ({ ...table, rows }));
    const lines = resultsLines(results({ tables: views }), look);
    expect(lines.filter((line) => line === "  no run that counts has a value")).toHaveLength(2);
    expect(lines.join("\n")).not.toContain("(n/m)");
  });

  test("name failed checks with runs and remedy, and what a held experiment waits for", () => {
    const hold = {
      code: "checks-failed" as const,
      reason: "A check failed.",
      options: ["mend it", "rigor rerun smoothing --failed", "rigor release smoothing --without-failed"],
      since: "2026-01-01T00:00:00Z",
    };
    const lines = resultsLines(
      results({
        experiment: experiment({ state: "held", hold, counts: runCounts({ done: 9, invalid: 1 }) }),
        decision: null,
        provisional: true,
        missing_runs: 1,
        check_failures: [
          { rule: "metrics-finite", message: "perplexity is NaN.", run_ids: ["3f9c2a71d0aabb"], values: {} },
        ],
      }),
      look,
    );
    const from = lines.indexOf("No decision: 1 run without a valid result.");
    expect(lines.slice(from, from + 13)).toEqual([
      "No decision: 1 run without a valid result.",
      "",
      "Checks that failed",
      "  metrics-finite: perplexity is NaN.",
      "    runs 3f9c2a71d0",
      "    Look at the log for where the value went wrong: `rigor logs 3f9c2a71d0`.",
      "",
      "Held 1 min ago: A check failed.",
      "What can be done:",
      "  mend it",
      "  rigor rerun smoothing --failed             run them again with the same code",
      "  rigor release smoothing --without-failed   decide without them and their partners in other arms",
      "",
    ]);
  });

  test("a test that took the place of a t test is named", () => {
    expect(comparisonLines(comparison({ method: "permutation" }), look)[0]).toBe(
      "supported: ours better than base on perplexity, all tasks (exact sign-flip test in place of the paired t test, because the differences do not vary)",
    );
    expect(comparisonLines(comparison({ test: "wilcoxon", method: "exact" }), look)[0]).toContain(
      "(exact Wilcoxon signed-rank test)",
    );
  });

  test("a comparison is two lines, whatever its reason", () => {
    const one = comparison({
      verdict: "inconclusive",
      task: "news",
      reason: "Not testable: 2 pairs, at least 3 are needed.",
    });
    expect(comparisonLines(one, look)).toEqual([
      "inconclusive: ours better than base on perplexity, news (paired t test)",
      "  Not testable: 2 pairs, at least 3 are needed.",
    ]);
  });
});

test("a run none of whose computes is open says so, and what can be done is said once [compute.closed]", () => {
  const drained = { compute: "lab1", state: "drained" as const, message: "maintenance", since: null, until: null };
  const closed = [{ ...drained, next: "To use it again: rigor compute use lab1" }];
  const pending = run({ state: "pending", reason: null, host: null, duration: null, closed });
  const runs = [pending, { ...pending, id: "4f9c2a71d0", seed: 4 }];
  expect(runTable(runs, [], look)[1]).toMatch(/pending +lab1 is drained: maintenance$/);
  expect(closedNotes(runs)).toEqual(["lab1 is drained: maintenance. To use it again: rigor compute use lab1"]);
  // What it waits for first comes first.
  const behind = { ...pending, waits_for: [{ folder: "pretrain", run_id: "5f9c2a71d0", state: "active" as const }] };
  expect(runTable([behind], [], look)[1]).toContain("waits for pretrain");
  expect(closedNotes([behind])).toEqual([]);
});

test("a list of runs has an escaped reason, and no column that says nothing", () => {
  const evil = run({ reason: { code: "unknown", message: "\u001b]0;title\u0007boom\nagain" } });
  expect(runTable([printable(evil)], [], look)).toEqual([
    "run         arm   task  seed  state   time  reason",
    String.raw`3f9c2a71d0  ours  news     3  failed  12 s  unknown: \x1b]0;title\x07boom\nagain`,
  ]);
});

test("of very many metrics the declared ones are shown, a few others, and where the rest is [cli.many-metrics]", () => {
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`extra ${index}`, index]));
  const detail = runDetail({ metrics: { ...many, loss: 0.5, accuracy: 0.75 }, declared_metrics: ["accuracy", "loss"] });
  const [header, row] = runTable([detail], ["accuracy", "loss", "absent"], look);
  expect(header).toMatch(/ time +accuracy +loss +reason$/);
  expect(row).toMatch(/ 0\.75 +0\.5 /);
  const lines = runLines(detail, look);
  const first = lines.findIndex((line) => line.includes("metrics"));
  expect(lines.slice(first, first + 3).map((line) => line.trim())).toEqual([
    "metrics      accuracy = 0.75",
    "loss = 0.5",
    "extra 0 = 0",
  ]);
  expect(lines[first + 20]?.trim()).toBe("99,982 more: rigor show 3f9c2a71d0 --json");
  expect(lines.length).toBeLessThan(60);
});

test("Ctrl-C says that runs go on, how to come back and how to stop them [cli.detach]", () => {
  expect(interruptLines(experiment(), "my experiment.yaml", "interrupted")).toEqual([
    "No longer watching smoothing; its runs go on.",
    "  rigor run 'my experiment.yaml'   come back to it",
    "  rigor status                     see how far it is",
    "  rigor cancel smoothing           stop its runs",
  ]);
});

test("a card that somebody else uses is not called free [F17]", () => {
  const gpu = { id: "GPU-a", index: 0, name: "A100", memory: 40e9, memory_free: 1e9, held_by: null, is_idle: false };
  expect(gpuText(gpu)).toBe("0: A100, used by others, 39 GB of 40 GB");
  expect(gpuText({ ...gpu, memory_free: 40e9, is_idle: true })).toBe("0: A100, free, 0 B of 40 GB");
  expect(gpuText({ ...gpu, held_by: "abc-1" })).toBe("0: A100, held by abc-1, 39 GB of 40 GB");
});

test("what a tool said to an agent is shown by lines, the first of many [session.transcript]", () => {
  const said = (text: string) => entryLines(printable({ entry: { kind: "tool-result", id: "1", text, error: false } }));
  expect(said("two\n  lines\u001b[2J\n")).toEqual(["  two", "    lines\\x1b[2J"]);
  const many = said(Array.from({ length: 50 }, (_, index) => `line ${index + 1}`).join("\n"));
  expect(many).toHaveLength(21);
  expect(many.slice(-2)).toEqual(["  line 20", "  [30 more lines]"]);
});
