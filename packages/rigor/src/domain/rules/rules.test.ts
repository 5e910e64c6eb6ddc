import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { definition, MemoryLog } from "../events/testing.ts";
import type { DomainEvent } from "../events/registry.ts";
import { attemptLifecycle, isFinal, TransitionError } from "../lifecycle.ts";
import { RigorError } from "../errors.ts";
import { holdCodes, type AttemptRecord, type ExperimentRecord, type HoldCode, type RunRecord } from "../records.ts";
import { concludeAttempt, retryPause, type AttemptOutcome, type RetryClass } from "./attempt-rules.ts";
import { emptyTally, nextExperimentStep, reference } from "./experiment-rules.ts";
import * as person from "./person-rules.ts";

const experimentId = "e1";
const runIds = ["a".repeat(64), "b".repeat(64), "c".repeat(64)];
const retry = { infrastructure: 2, preemption: 1, code: 0 } as const;
const stages = [
  { name: "pilot", seeds: [0], arms: null, tasks: null, pass: { all_succeed: true, metrics: [] } },
  { name: "full", seeds: null, arms: null, tasks: null, pass: { all_succeed: true, metrics: [] } },
];

/** An experiment of two stages with three runs, driven by the rules alone: a bench without machine and database. */
class PaperBench {
  readonly log = new MemoryLog();
  /** Attempts that were seen to be under way, also when their run went on without them. */
  readonly started: string[] = [];
  now = Date.parse("2030-01-01T00:00:00Z");

  constructor() {
    const parts = { repository: "/r", commit: "c", base: null, branch: null, dirty: false, code: { ".": "t" } };
    this.append([
      {
        kind: "experiment.created",
        entity: experimentId,
        data: {
          name: "paper",
          version: 1,
          plan_hash: "0".repeat(64),
          definition: { ...definition, stages, retry },
          file: "experiment.yaml",
          source: parts,
          environment: { key: "k", manager: "none", lock: null, lock_hash: null, setup: null, local: {} },
          inputs: {},
          search_path: "/bin",
          total_runs: runIds.length,
          foreknowledge: { known_results: 0, preregistered: true, predecessor: null },
        },
      },
      ...runIds.map((id, position): DomainEvent => {
        const at = { experiment_id: experimentId, position, arm: "a", task: "t", grid: {}, seed: position };
        const placement = { ...at, stages: position === 0 ? [0, 1] : [1], in_final_stage: true };
        return { kind: "run.created", entity: id, data: { parameters: { lr: 1 }, placement } };
      }),
      { kind: "experiment.started", entity: experimentId, data: {} },
    ]);
  }

  append(events: readonly DomainEvent[]): void {
    for (const event of events) this.log.append(event);
  }

  get experiment(): ExperimentRecord {
    return found(this.log.state.get("experiments", experimentId));
  }
  get runs(): RunRecord[] {
    return runIds.map((id) => found(this.log.state.get("runs", id)));
  }
  attempt(id: string): AttemptRecord {
    return found(this.log.state.get("attempts", id));
  }
  get heldRuns(): RunRecord[] {
    return this.runs.filter((run) => run.state === "held");
  }

  /** The dispatcher: a pending run of a stage that has begun starts, when its pause is over. */
  start(index: number): void {
    const run = found(this.runs[index]);
    const stage = index === 0 ? 0 : 1;
    if (this.experiment.state !== "running" || run.state !== "pending" || this.experiment.stage < stage) return;
    this.now = Math.max(this.now, run.not_before === null ? 0 : Date.parse(run.not_before));
    const id = `${run.id.slice(0, 16)}-${run.attempts + 1}`;
    const resources = { cpus: 1, gpus: 0, gpu_memory: null, memory: null, time: null };
    const where = { compute: "local", host: "h", directory: "/d", lease: { cpus: 1, memory: 0, gpus: [] }, resources };
    const of = { run_id: run.id, experiment_id: experimentId, number: run.attempts + 1 };
    this.append([
      { kind: "attempt.queued", entity: id, data: { ...of, ...where } },
      { kind: "attempt.submitted", entity: id, data: {} },
    ]);
    this.started.push(id);
  }

  conclude(id: string, outcome: AttemptOutcome): DomainEvent[] {
    const attempt = this.attempt(id);
    const run = found(this.log.state.get("runs", attempt.run_id));
    const events = concludeAttempt(run, attempt, outcome, this.experiment.definition.retry, this.now);
    this.append(events);
    return events;
  }

  advance(): void {
    const tally = emptyTally();
    const inStage = this.runs.filter((_, index) => index === 0 || this.experiment.stage === 1);
    for (const run of inStage) tally[run.state] += 1;
    const step = nextExperimentStep(this.experiment, { tally, measurements: [] });
    if (step.do === "append") this.append(step.events);
    if (step.do === "decide") {
      this.append([
        { kind: "experiment.deciding", entity: experimentId, data: {} },
        { kind: "experiment.decided", entity: experimentId, data: { decision: null } },
      ]);
    }
  }
}

function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("it is not there");
  return value;
}

function outcome(state: AttemptOutcome["state"], changes: Partial<AttemptOutcome> = {}): AttemptOutcome {
  const succeeded = state === "succeeded";
  return {
    state,
    exit: { code: succeeded ? 0 : 1, signal: null },
    category: succeeded || state === "cancelled" ? null : "unknown",
    evidence: succeeded ? null : "a line",
    retry_class: "code",
    started_at: null,
    finished_at: "2030-01-01T00:00:01.000Z",
    duration: 1,
    result: succeeded ? { metrics: { loss: 1 }, inputs_hash: null, artifacts: [] } : null,
    check_failures: [],
    ...changes,
  };
}

const outcomes = fc.oneof(
  fc.constantFrom(outcome("succeeded"), outcome("cancelled")),
  fc.constant(outcome("succeeded", { check_failures: [{ code: "metrics-finite", message: "NaN" }] })),
  fc
    .record({
      state: fc.constantFrom("failed" as const, "preempted" as const, "timed-out" as const, "lost" as const),
      retry_class: fc.constantFrom<RetryClass>("infrastructure", "preemption", "code"),
    })
    .map(({ state, retry_class }) => outcome(state, { retry_class })),
);

type Step = (bench: PaperBench) => void;

/** A person's action; what the state does not permit is refused with advice, and changes nothing. */
function byPerson(decide: (bench: PaperBench) => DomainEvent[]): Step {
  return (bench) => {
    const before = bench.log.events.length;
    try {
      bench.append(decide(bench));
    } catch (error) {
      if (!(error instanceof RigorError)) throw error;
      expect(error.code).toBe("not-possible");
      expect(error.next).toBeTruthy();
      expect(bench.log.events).toHaveLength(before);
    }
  };
}

const runIndex = fc.nat({ max: runIds.length - 1 });
const failedRuns = (bench: PaperBench) =>
  bench.runs.filter(({ state }) => ["failed", "invalid", "cancelled"].includes(state));
const release = (changes: Partial<person.Release> = {}): person.Release => ({
  note: "go",
  budget: null,
  without_failed: false,
  ...changes,
});

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: runIndex.map(
      (index): Step =>
        (bench) =>
          bench.start(index),
    ),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(fc.nat(), outcomes).map(([choice, ended]): Step => (bench) => {
      // Late answers too: any attempt that ever started, whether or not it is the present one.
      const id = bench.started[choice % Math.max(1, bench.started.length)];
      if (id !== undefined) bench.conclude(id, ended);
    }),
  },
  { weight: 4, arbitrary: fc.constant<Step>((bench) => bench.advance()) },
  runIndex.map((index) => byPerson((bench) => person.cancelRun(found(bench.runs[index]), "no"))),
  runIndex.map((index) => byPerson((bench) => person.holdRun(found(bench.runs[index]), "wait"))),
  runIndex.map((index) => byPerson((bench) => person.releaseRun(found(bench.runs[index]), "go"))),
  runIndex.map((index) =>
    byPerson((bench) => [
      ...person.resumeExperiment(bench.experiment, "again"),
      ...person.rerunRuns([found(bench.runs[index])], "again"),
    ]),
  ),
  fc.constant(byPerson((bench) => person.holdExperiment(bench.experiment, "wait"))),
  fc.constant(byPerson((bench) => person.cancelExperiment(bench.experiment, bench.runs, "no"))),
  fc
    .boolean()
    .map((without_failed) =>
      byPerson((bench) => person.releaseExperiment(bench.experiment, bench.heldRuns, release({ without_failed }))),
    ),
  fc.constant(
    byPerson((bench) => [
      ...person.resumeExperiment(bench.experiment, "again"),
      ...person.rerunRuns(failedRuns(bench), "again"),
    ]),
  ),
);

describe("any sequence of outcomes and actions", () => {
  test("is carried out or refused, and finished attempts stay as they are [F04] [state.finished-fixed]", () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 60 }), (sequence) => {
        const bench = new PaperBench();
        const finished = new Map<string, AttemptRecord>();
        for (const step of sequence) {
          step(bench);
          for (const id of bench.started) {
            const attempt = bench.attempt(id);
            const before = finished.get(id);
            if (before !== undefined) expect(attempt).toEqual(before);
            if (isFinal(attemptLifecycle, attempt.state)) finished.set(id, attempt);
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  test("never has more retries than allowed, and counts them in the log [job.retry] [F07]", () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 80 }), (sequence) => {
        const bench = new PaperBench();
        for (const step of sequence) {
          step(bench);
          for (const { retries } of bench.runs) {
            expect(retries.infrastructure).toBeLessThanOrEqual(retry.infrastructure);
            expect(retries.preemption).toBeLessThanOrEqual(retry.preemption);
            expect(retries.code).toBe(0);
          }
        }
        // Whoever reads the log later has the same counters and times.
        expect(MemoryLog.of(bench.log.events as DomainEvent[]).state.entries("runs")).toEqual(
          bench.log.state
            .entries("runs")
            .map(([id, run]) => [id, { ...run, changed_at: expect.any(String) as string }]),
        );
      }),
      { numRuns: 200 },
    );
  });

  test("leaves no experiment without a way on [F05]", () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 60 }), (sequence) => {
        const bench = new PaperBench();
        for (const step of sequence) step(bench);
        // A person who wants it to end asks for what failed, releases what is held, and lets everything succeed.
        for (let round = 0; round < 12 && bench.experiment.state !== "decided"; round += 1) {
          for (const id of bench.started) bench.conclude(id, outcome("succeeded"));
          bench.append([
            ...person.resumeExperiment(bench.experiment, "on"),
            ...bench.heldRuns.flatMap((run) => person.releaseRun(run, "on")),
            ...person.rerunRuns(failedRuns(bench), "on"),
          ]);
          for (const [index] of runIds.entries()) bench.start(index);
          for (const id of bench.started) bench.conclude(id, outcome("succeeded"));
          bench.advance();
        }
        expect(bench.experiment.state).toBe("decided");
      }),
      { numRuns: 200 },
    );
  });
});

describe("the end of an attempt", () => {
  test("repeats an infrastructure failure up to its limit, with growing pauses, then fails [job.retry]", () => {
    const bench = new PaperBench();
    const pauses: number[] = [];
    for (const last of [false, false, true]) {
      bench.start(0);
      const events = bench.conclude(found(bench.started.at(-1)), outcome("failed", { retry_class: "infrastructure" }));
      expect(events.at(-1)?.kind).toBe(last ? "run.failed" : "run.retried");
      const until = bench.runs[0]?.not_before ?? null;
      if (until !== null) pauses.push((Date.parse(until) - bench.now) / 1_000);
    }
    expect(pauses).toEqual([5, 20]);
    expect(bench.runs[0]).toMatchObject({
      state: "failed",
      attempts: 3,
      retries: { infrastructure: 2, preemption: 0, code: 0 },
    });
    expect(bench.runs[0]?.reason).toEqual({ code: "unknown", message: "a line" });
  });

  test("does not repeat a failure of the code [job.retry]", () => {
    const bench = new PaperBench();
    bench.start(0);
    bench.conclude(found(bench.started[0]), outcome("failed"));
    expect(bench.runs[0]).toMatchObject({ state: "failed", attempts: 1 });
  });

  test("repeats without limit where that is allowed, after ten minutes at most", () => {
    const run = { ...found(new PaperBench().runs[0]), state: "active", current_attempt: "x" } as RunRecord;
    const attempt = { id: "x", run_id: run.id, state: "running" } as AttemptRecord;
    fc.assert(
      fc.property(fc.nat({ max: 1_000 }), (used) => {
        const tried = { ...run, retries: { ...run.retries, preemption: used } };
        const [, next] = concludeAttempt(
          tried,
          attempt,
          outcome("preempted", { retry_class: "preemption" }),
          { ...retry, preemption: "unlimited" },
          0,
        );
        expect(next?.kind).toBe("run.retried");
        expect(retryPause(used)).toBeLessThanOrEqual(600);
        expect(retryPause(used)).toBeGreaterThanOrEqual(5);
      }),
    );
  });

  test("changes neither parameters nor seed of its run [F20]", () => {
    const bench = new PaperBench();
    const { parameters, seed, experiment_id } = found(bench.runs[0]);
    bench.start(0);
    bench.conclude(found(bench.started[0]), outcome("lost", { retry_class: "infrastructure" }));
    bench.start(0);
    expect(bench.runs[0]).toMatchObject({ state: "active", attempts: 2, parameters, seed, experiment_id });
  });

  test("that comes late gives a record and reverts nothing [F04]", () => {
    const bench = new PaperBench();
    bench.start(0);
    const [late] = bench.started;
    bench.append(person.cancelRun(found(bench.runs[0]), "no"));
    bench.append(person.rerunRuns([found(bench.runs[0])], "again"));
    bench.start(0);
    const present = bench.runs[0];
    expect(bench.conclude(found(late), outcome("succeeded")).map((event) => event.kind)).toEqual(["attempt.finished"]);
    expect(bench.runs[0]).toEqual(present);
    // And a second word on the same attempt gives nothing at all.
    expect(bench.conclude(found(late), outcome("failed"))).toEqual([]);
  });

  test("with a failed check gives a result that does not count [checks.invalid]", () => {
    const bench = new PaperBench();
    bench.start(0);
    const check_failures = [
      { code: "metrics-finite", message: "loss is NaN" },
      { code: "artifacts-present", message: "model.bin is missing" },
    ];
    bench.conclude(found(bench.started[0]), outcome("succeeded", { check_failures }));
    expect(bench.runs[0]?.state).toBe("invalid");
    expect(bench.runs[0]?.reason).toEqual({ code: "metrics-finite", message: "loss is NaN; model.bin is missing" });
  });
});

describe("what a hold offers", () => {
  /** What each command of an option does, by the rule behind it. */
  const commands: Record<string, (bench: PaperBench) => DomainEvent[]> = {
    "rigor release NAME": (bench) => person.releaseExperiment(bench.experiment, bench.heldRuns, release()),
    "rigor release NAME --without-failed": (bench) =>
      person.releaseExperiment(bench.experiment, bench.heldRuns, release({ without_failed: true })),
    "rigor release NAME --wall 2h (or --gpu-hours 10)": (bench) =>
      person.releaseExperiment(bench.experiment, bench.heldRuns, release({ budget: { wall: 7_200, gpu_hours: null } })),
    "rigor rerun NAME --failed": (bench) => [
      ...person.resumeExperiment(bench.experiment, "r"),
      ...person.rerunRuns(failedRuns(bench), "r"),
    ],
    "rigor cancel NAME": (bench) => person.cancelExperiment(bench.experiment, bench.runs, "no"),
  };
  const looking = ["rigor list NAME --failed", "rigor results NAME"];

  /** The options that the engine writes for each code, with `NAME` for the experiment. */
  const offered: Record<HoldCode, string[]> = {
    person: ["rigor release NAME", "rigor cancel NAME"],
    budget: ["rigor release NAME --wall 2h (or --gpu-hours 10)", "rigor cancel NAME"],
    preparation: ["rigor release NAME", "rigor cancel NAME"],
    fault: ["rigor release NAME", "rigor cancel NAME"],
    "stage-failed": ["rigor cancel NAME"],
    "runs-failed": ["rigor rerun NAME --failed", "rigor release NAME --without-failed", "rigor cancel NAME"],
    "checks-failed": ["rigor rerun NAME --failed", "rigor release NAME --without-failed", "rigor cancel NAME"],
  };

  /** A bench that is held for a reason; one run failed where the reason is a failure. */
  function heldFor(code: HoldCode): PaperBench {
    const bench = new PaperBench();
    if (code.endsWith("s-failed")) {
      bench.start(0);
      bench.conclude(found(bench.started[0]), outcome("failed"));
    }
    bench.append([{ kind: "experiment.held", entity: experimentId, data: { code, reason: "why", options: [] } }]);
    return bench;
  }

  const pairs = holdCodes.flatMap((code) => offered[code].map((option) => [code, option] as const));

  test.each(pairs)("for %s, `%s`, is accepted and leaves the hold [F05]", (code, option) => {
    const bench = heldFor(code);
    bench.append(found(commands[option])(bench));
    expect(bench.experiment.state).not.toBe("held");
    expect(bench.experiment.hold).toBeNull();
  });

  test("by the rules themselves is made of these commands only", () => {
    const tallies = [
      { ...emptyTally(), held: 1 },
      { ...emptyTally(), failed: 2, invalid: 1, cancelled: 1 },
    ];
    for (const tally of tallies) {
      const step = nextExperimentStep(new PaperBench().experiment, { tally, measurements: [] });
      const [event] = step.do === "append" ? step.events : [];
      if (event?.kind !== "experiment.held") throw new Error("nothing is held");
      const options = event.data.options.map((option) => option.replace("paper@1", "NAME"));
      expect(options.filter((option) => !looking.includes(option)).toSorted()).toEqual(
        offered[event.data.code].toSorted(),
      );
    }
  });

  test.each(["runs-failed", "checks-failed"] as const)(
    "for %s is asked for by name: a bare release is refused",
    (code) => {
      const bench = heldFor(code);
      const refused = () => person.releaseExperiment(bench.experiment, [], release());
      expect(refused).toThrow(
        expect.objectContaining({ code: "not-possible", next: expect.stringContaining("--without-failed") as string }),
      );
    },
  );

  test("for a budget is more budget: a bare release is refused [budget.held]", () => {
    const bench = heldFor("budget");
    expect(() => person.releaseExperiment(bench.experiment, [], release())).toThrow(RigorError);
    bench.append(person.releaseExperiment(bench.experiment, [], release({ budget: { wall: 9, gpu_hours: 1 } })));
    expect(bench.experiment.budget).toEqual({ wall: 9, gpu_hours: 1 });
  });
});

describe("what a person may not do", () => {
  test("is said with the state and what to do instead", () => {
    const bench = new PaperBench();
    bench.start(0);
    const active = found(bench.runs[0]);
    expect(() => person.holdRun(active, "")).toThrow(/is active/);
    expect(() => person.rerunRuns([active], "")).toThrow(/is active already/);
    expect(() => person.releaseRun(active, "")).toThrow(/is active/);
    bench.conclude(found(bench.started[0]), outcome("succeeded"));
    expect(() => person.cancelRun(found(bench.runs[0]), "")).toThrow(/is done/);
    expect(() => person.releaseExperiment(bench.experiment, [], release())).toThrow(
      `${reference(bench.experiment)} is running`,
    );
    const decided = { ...bench.experiment, state: "decided" } as ExperimentRecord;
    expect(() => person.cancelExperiment(decided, [], "")).toThrow(/decided/);
    expect(() => person.holdExperiment(decided, "")).toThrow(/decided/);
  });

  test("is an error of its own kind, not one of the states", () => {
    expect(new TransitionError("run", "x", "done", "held")).not.toBeInstanceOf(RigorError);
  });
});
