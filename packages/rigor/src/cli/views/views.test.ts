import { describe, expect, test } from "vitest";
import { interruptLines } from "../commands/run.ts";
import { plainLines } from "../reporter.ts";
import { plainStyle } from "../terminal.ts";
import { cell, comparison, experiment, now, plan, progress, results, run, runCounts } from "../cli.testing.ts";
import { printable, textWidth } from "../text.ts";
import { planSummary } from "./plan.ts";
import { liveText, lineText } from "./progress.ts";
import { comparisonLines, resultsLines } from "./results.ts";
import { runTable } from "./run.ts";

const look = { style: plainStyle, columns: 110, now };
const terminal = (columns: number, unicode = false) => ({ columns, unicode, style: plainStyle });

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

  test("says what is prepared, for how long, and where its log is", () => {
    const preparing = { what: "npm ci", since: "2026-01-01T00:00:48Z", log_file: "/data/build.log" };
    const view = progress({ preparing, active: [] });
    expect(liveText(view, terminal(100), now)).toBe("preparing: npm ci, for 12 s, log: /data/build.log");
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

describe("a plan", () => {
  test("says how many runs there are, why, and what is done", () => {
    expect(planSummary(plan(), plainStyle)).toEqual([
      "smoothing: 20 runs = 2 arms x 1 task x 2 lr x 5 seeds; 8 done already, 12 to do",
      "  stages    pilot (4 runs, 0 to do), then full (20 runs, 12 to do)",
      "  code      commit 0123456789, a snapshot with 1 changed file: train.py",
      "  estimate  about 6 s: 4 runs at a time, 2 s each (median of earlier runs)",
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

  test("name failed checks with runs and remedy, and what a held experiment waits for", () => {
    const hold = {
      code: "checks-failed" as const,
      reason: "A check failed.",
      options: ["rigor rerun smoothing --failed"],
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
    expect(lines.slice(from, from + 11)).toEqual([
      "No decision: 1 run without a valid result.",
      "",
      "Checks that failed",
      "  metrics-finite: perplexity is NaN.",
      "    runs 3f9c2a71d0",
      "    Look at the log for where the value went wrong: `rigor logs 3f9c2a71d0`.",
      "",
      "Held 1 min ago: A check failed.",
      "What can be done:",
      "  rigor rerun smoothing --failed",
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

test("a list of runs has an escaped reason, and no column that says nothing", () => {
  const evil = run({ reason: { code: "unknown", message: "\u001b]0;title\u0007boom\nagain" } });
  expect(runTable([printable(evil)], look)).toEqual([
    "run         arm   task  seed  state   time  reason",
    String.raw`3f9c2a71d0  ours  news     3  failed  12 s  unknown: \x1b]0;title\x07boom\nagain`,
  ]);
});

test("Ctrl-C says that runs go on, how to come back and how to stop them [cli.detach]", () => {
  expect(interruptLines(experiment(), "my experiment.yaml", "interrupted")).toEqual([
    "No longer watching smoothing; its runs go on.",
    "  rigor run 'my experiment.yaml'   come back to it",
    "  rigor status                     see how far it is",
    "  rigor cancel smoothing           stop its runs",
  ]);
});
