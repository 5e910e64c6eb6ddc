import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryLog } from "../events/events.testing.ts";
import type { DomainEvent } from "../events/registry.ts";
import { attemptLifecycle, isFinal } from "../lifecycle.ts";
import { RigorError } from "../errors.ts";
import type { AttemptRecord, ExperimentRecord, RunRecord } from "../records.ts";
import { concludeAttempt, retryPause, type RetryClass } from "./attempt-rules.ts";
import { reference } from "./experiment-rules.ts";
import { failedRuns, found, outcome, PaperBench, release, retry, runIds } from "./paper-bench.testing.ts";
import * as person from "./person-rules.ts";

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
            ...(person.isHeldByPerson(bench.experiment)
              ? person.releaseExperiment(bench.experiment, [], release())
              : person.resumeExperiment(bench.experiment, "on")),
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

test("what a person holds, no rerun of its runs releases", () => {
  const bench = new PaperBench();
  bench.start(0);
  bench.conclude(found(bench.started[0]), outcome("succeeded"));
  bench.append(person.holdExperiment(bench.experiment, "wait"));
  bench.append([
    ...person.resumeExperiment(bench.experiment, "again"),
    ...person.rerunRuns([found(bench.runs[0])], "again"),
  ]);
  expect(bench.experiment).toMatchObject({ state: "held", hold: { code: "person", reason: "wait" } });
  expect(bench.runs[0]?.state).toBe("pending");
  bench.append(person.releaseExperiment(bench.experiment, [], release()));
  expect(bench.experiment.state).toBe("running");
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

  test("repeats nothing that no experiment waits for any more [state.no-orphans]", () => {
    const run = { ...found(new PaperBench().runs[0]), state: "active", current_attempt: "x" } as RunRecord;
    const attempt = { id: "x", run_id: run.id, state: "running" } as AttemptRecord;
    const lost = outcome("lost", { retry_class: "infrastructure", category: "node-failure", evidence: "It died." });
    const [, next] = concludeAttempt(run, attempt, lost, { retry, isWanted: false }, 0);
    const message = "It died. It is not retried: no experiment waits for it any more.";
    expect(next).toMatchObject({ kind: "run.cancelled", data: { reason: { code: "node-failure", message } } });
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
          { retry: { ...retry, preemption: "unlimited" }, isWanted: true },
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
});
