import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { definition } from "../events/events.testing.ts";
import type { PassRule, Stage } from "../experiment.ts";
import type { ExperimentRecord } from "../records.ts";
import {
  spentBudget,
  emptyTally,
  holdForMissingCommand,
  nextExperimentStep,
  type StageFacts,
  type Tally,
} from "./experiment-rules.ts";

const stage = (name: string, pass: Partial<PassRule> = {}): Stage => ({
  name,
  seeds: null,
  arms: null,
  tasks: null,
  pass: { all_succeed: true, metrics: [], ...pass },
});

function running(changes: Partial<ExperimentRecord> = {}, stages = [stage("pilot"), stage("full")]): ExperimentRecord {
  const record = { id: "e", name: "n", version: 2, state: "running", stage: 0, without_failed: false, ...changes };
  return { ...record, definition: { ...definition, stages } } as ExperimentRecord;
}

const facts = (tally: Partial<Tally>, losses: [string, number][] = []): StageFacts => ({
  tally: { ...emptyTally(), ...tally },
  measurements: losses.map(([arm, value], seed) => ({
    run_id: `${seed}`,
    arm,
    task: "t",
    grid: {},
    seed,
    metric: "loss",
    value,
  })),
});

/** Kind of the event that follows, or what is done instead; with the code of a hold. */
function following(experiment: ExperimentRecord, known: StageFacts): string {
  const step = nextExperimentStep(experiment, known);
  if (step.do !== "append") return step.do;
  const [event] = step.events;
  return event?.kind === "experiment.held" ? `held: ${event.data.code}` : (event?.kind ?? "nothing");
}

describe("stages", () => {
  test("rest while any run of theirs is open [stages.order]", () => {
    const counts = fc.nat({ max: 3 });
    fc.assert(
      fc.property(
        fc.record({
          pending: counts,
          active: counts,
          done: counts,
          failed: counts,
          held: counts,
          cancelled: counts,
          invalid: counts,
        }),
        fc.nat({ max: 1 }),
        fc.boolean(),
        (tally, at, without_failed) => {
          const next = following(running({ stage: at, without_failed }), facts(tally));
          const { pending, active, held, failed, cancelled, invalid } = tally;
          if (pending + active > 0) expect(next).toBe("rest");
          else if (held > 0) expect(next).toBe("held: runs-held");
          else if (failed + cancelled + invalid > 0 && !without_failed) expect(next).toBe("held: runs-failed");
          else expect(next).toBe(at === 0 ? "experiment.stage-started" : "decide");
        },
      ),
    );
  });

  test("start one after the other, each by its number [stages.order]", () => {
    const step = nextExperimentStep(running({}, [stage("a"), stage("b"), stage("c")]), facts({ done: 3 }));
    expect(step).toEqual({
      do: "append",
      events: [
        {
          kind: "experiment.stage-started",
          entity: "e",
          data: { stage: 1, reason: "stage a passed with 3 valid runs" },
        },
      ],
    });
    expect(following(running({ stage: 2 }, [stage("a"), stage("b"), stage("c")]), facts({ done: 3 }))).toBe("decide");
  });

  test.each(["draft", "deciding", "decided", "held", "cancelled", "archived"] as const)(
    "rest while the experiment is %s",
    (state) => {
      expect(following(running({ state }), facts({ done: 1 }))).toBe("rest");
      expect(following(running({ state }), facts({ failed: 1 }))).toBe("rest");
    },
  );

  test("that break their rule hold the experiment with the numbers [stages.order]", () => {
    const bound = { metric: "loss", arm: "a", at_least: null, at_most: 2 };
    const stages = [stage("pilot", { metrics: [bound] }), stage("full")];
    const passes = facts({ done: 3 }, [
      ["a", 1],
      ["a", 3],
      ["b", 99],
    ]);
    expect(following(running({}, stages), passes)).toBe("experiment.stage-started");
    const fails = nextExperimentStep(
      running({}, stages),
      facts({ done: 2 }, [
        ["a", 1],
        ["a", 3.5],
      ]),
    );
    expect(JSON.stringify(fails)).toContain("stage pilot did not pass: mean loss of a is 2.25, above 2");
    expect(following(running({}, stages), facts({ done: 1 }))).toBe("held: stage-failed");
    const nan = nextExperimentStep(running({}, stages), facts({ done: 1 }, [["a", Number.NaN]]));
    expect(JSON.stringify(nan)).toContain("stage-failed");
  });

  test("may tolerate failures where they say so, the last one never [stages.order] [F52]", () => {
    const stages = [stage("pilot", { all_succeed: false }), stage("full", { all_succeed: false })];
    expect(following(running({}, stages), facts({ done: 1, failed: 1 }))).toBe("experiment.stage-started");
    expect(following(running({ stage: 1 }, stages), facts({ done: 1, failed: 1 }))).toBe("held: runs-failed");
  });
});

describe("budgets", () => {
  const amount = fc.double({ min: 0, max: 1e6, noNaN: true });

  test("forbid a run exactly when one is used up [budget.held]", () => {
    fc.assert(
      fc.property(
        fc.option(amount),
        fc.option(amount),
        amount,
        amount,
        fc.nat({ max: 2 }),
        (gpu_hours, wall, usedGpu, usedWall, gpus) => {
          const problem = spentBudget({ gpu_hours, wall }, { gpu_hours: usedGpu, wall: usedWall }, gpus);
          const over = (wall !== null && usedWall >= wall) || (gpus > 0 && gpu_hours !== null && usedGpu >= gpu_hours);
          expect(problem !== null).toBe(over);
        },
      ),
    );
  });

  test("that are used up name the option that gives the double of what was used [budget.held]", () => {
    const problem = (gpu_hours: number | null, wall: number | null) =>
      spentBudget({ gpu_hours, wall }, { gpu_hours: 120.004, wall: 36_001 }, 1);
    expect(problem(120, null)).toEqual({
      reason: "the budget of 120 GPU hours is used up: 120 were used",
      option: "--gpu-hours 241",
    });
    expect(problem(null, 36_000)).toEqual({
      reason: "the budget of 10 h is used up: it has been running for 10 h",
      option: "--wall 21h",
    });
    expect(spentBudget({ gpu_hours: 0, wall: null }, { gpu_hours: 0, wall: 0 }, 1)?.option).toBe("--gpu-hours 1");
  });

  test("of zero GPU hours forbid no run that needs none", () => {
    expect(spentBudget({ gpu_hours: 0, wall: null }, { gpu_hours: 0, wall: 5 }, 0)).toBeNull();
    expect(spentBudget({ gpu_hours: 0, wall: null }, { gpu_hours: 0, wall: 5 }, 1)).toMatchObject({
      reason: expect.stringContaining("0 GPU hours") as string,
    });
  });
});

describe("a command that cannot be started [job.missing-command]", () => {
  const ends = (...codes: (number | null)[]) =>
    codes.map((code) => ({ exit: code === null ? null : { code, signal: null }, evidence: "sh: pyton: not found" }));
  const held = (state: ExperimentRecord["state"], codes: (number | null)[], pending = 5) =>
    holdForMissingCommand(running({ state }), ends(...codes), pending).length > 0;

  test("holds the experiment when its first three attempts show it, and there is something to save", () => {
    expect(held("running", [127, 127, 127])).toBe(true);
    expect(held("running", [126, 127, 126])).toBe(true);
    expect(held("running", [127, 127])).toBe(false);
    expect(held("running", [127, 127, 1])).toBe(false);
    expect(held("running", [127, null, 127])).toBe(false);
    expect(held("running", [127, 127, 127], 0)).toBe(false);
    expect(held("held", [127, 127, 127])).toBe(false);
  });
});
