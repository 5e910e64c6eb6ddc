import { describe, expect, test } from "vitest";
import type { JobStatus } from "../../compute/executor.ts";
import { TestBench } from "../bench.testing.ts";
import { attemptsOfRun } from "../records/attempt-queries.ts";
import { askersOfHeld, startAnew, stuckExperiments } from "../dispatch/stuck.ts";
import { waitingGroups, Waits, type Wait } from "./waits.ts";

const waiting = (reason: string | null, held = false): JobStatus => ({ state: "waiting", reason, held });

describe("why jobs wait", () => {
  async function threeJobs() {
    const bench = await TestBench.open();
    const { experiment_id: id } = await bench.start();
    const runs = (await bench.runs(id)).slice(0, 3);
    const attempts: string[] = [];
    for (const run of runs) attempts.push(await bench.begin(run));
    const waits = new Waits(bench.lab.store);
    const note = (...statuses: JobStatus[]) =>
      waits.note(attempts, new Map(statuses.map((status, index) => [attempts[index] ?? "", status])));
    return {
      bench,
      id,
      runs,
      attempts,
      waits,
      note,
      groups: async () => (await waitingGroups(bench.db, [id])).get(id),
    };
  }

  test("is counted by compute and reason, and forgotten when they start [compute.why-waiting]", async () => {
    const { note, groups } = await threeJobs();
    await note(waiting("Resources"), waiting("Priority"), waiting("Priority"));
    expect(await groups()).toEqual([
      { compute: "local", reason: "Priority", held: false, runs: 2 },
      { compute: "local", reason: "Resources", held: false, runs: 1 },
    ]);
    await note({ state: "running", beat_at: null }, waiting("Resources"), { state: "gone", withdrawn: true });
    expect(await groups()).toEqual([{ compute: "local", reason: "Resources", held: false, runs: 1 }]);
  });

  test("tells whether it has changed, so that a cluster where nothing changes is left in peace [compute.soon]", async () => {
    const { note } = await threeJobs();
    const [held, priority] = [waiting("JobHeldUser", true), waiting("Priority")];
    expect(await note(held, priority, priority)).toBe(true);
    expect(await note(held, priority, priority)).toBe(false);
    expect(await note(waiting("JobHeldUser"), priority, priority)).toBe(true);
    expect(await note(waiting("JobHeldUser"), waiting("Resources"), priority)).toBe(true);
    expect(await note({ state: "running", beat_at: null }, waiting("Resources"), priority)).toBe(true);
    expect(await note({ state: "running", beat_at: null }, waiting("Resources"), priority)).toBe(false);
  });

  test("lasts over daemons; since when changes only with whether it is held [compute.why-waiting]", async () => {
    const { bench, attempts, note } = await threeJobs();
    await note(waiting("Priority"), waiting("Priority"), waiting(null));
    const next = new Waits(bench.lab.store);
    await next.adopt(new Set(attempts.slice(0, 1)));
    const [one = "", other = ""] = attempts;
    expect(next.of(other)).toBeUndefined();
    const before = next.of(one);
    await next.note([one], new Map([[one, waiting("Resources")]]));
    expect(next.of(one)).toEqual({ ...before, reason: "Resources" });
    await next.note([one], new Map([[one, waiting("JobHeldUser", true)]]));
    expect(next.of(one)).toMatchObject({ reason: "JobHeldUser", held: true });
    const rows = await bench.db.selectFrom("waiting_jobs").selectAll().execute();
    expect(rows).toMatchObject([{ attempt_id: one, reason: "JobHeldUser", held: 1 }]);
  });

  test("of a run that was given up is not said of it [compute.why-waiting]", async () => {
    const { bench, runs, note, groups } = await threeJobs();
    await note(waiting("Priority"), waiting("Priority"), waiting("Priority"));
    const reason = { code: "person", message: "no" };
    await bench.append({ kind: "run.cancelled", entity: runs[0]?.id ?? "", data: { reason } });
    expect(await groups()).toMatchObject([{ runs: 2 }]);
  });
});

describe("an experiment is stuck", () => {
  /** @param seconds since when all wait, how long ago the experiment was released, and how long ago its jobs were queued */
  async function stuck(held: readonly boolean[], seconds: number, released = 3_600, queued = 0) {
    const bench = await TestBench.open();
    const { experiment_id: id } = await bench.start();
    const begun = await bench.experiment(id);
    const now = Date.now();
    const since = new Date(now - seconds * 1_000).toISOString();
    const experiment = { ...begun, running: { seconds: 0, since: new Date(now - released * 1_000).toISOString() } };
    const waits = new Map<string, Wait>();
    const holding = [];
    for (const [index, isHeld] of held.entries()) {
      const run = (await bench.runs(id))[index];
      if (run === undefined) throw new Error("too few runs");
      const attemptId = await bench.begin(run);
      const [attempt] = await attemptsOfRun(bench.db, run.id);
      if (attempt === undefined) throw new Error("no attempt");
      if (isHeld) waits.set(attemptId, { reason: "PartitionConfig", held: true, since });
      const queued_at = new Date(now - queued * 1_000).toISOString();
      holding.push({ attempt: { ...attempt, queued_at }, run, experiment });
    }
    const waitOf = (one: string) => waits.get(one);
    const askers = await askersOfHeld(bench.lab, holding, waitOf);
    return { bench, found: stuckExperiments(holding, waitOf, askers, [experiment], now), now };
  }

  test("when all of its jobs have waited for a person for half a minute [compute.stuck]", async () => {
    expect((await stuck([true, true], 40)).found).toMatchObject([
      { reason: 'waiting alone does not start its jobs: local says "PartitionConfig" of 2 jobs', outdated: [] },
    ]);
  });

  test("and its jobs start anew when they are older than its release, once [compute.stuck]", async () => {
    const { bench, found, now } = await stuck([true, true], 40, 50, 60);
    const [one] = found;
    if (one === undefined) throw new Error("it is not stuck");
    const again = await startAnew(bench.lab, one, now);
    expect(again).toHaveLength(2);
    for (const run of await bench.runs(one.experiment.id)) {
      if (again.includes(run.id)) expect(run).toMatchObject({ state: "pending", reason: { code: "stuck" } });
    }
    expect(await startAnew(bench.lab, one, now)).toEqual([]);
  });

  test.each([
    ["one of them goes on", [true, false], 40, 3_600],
    ["it is so since a moment ago only", [true, true], 10, 3_600],
    ["it was released a moment ago", [true, true], 40, 10],
    ["nothing of it is under way", [], 40, 3_600],
  ] as const)("not while %s", async (_, held, seconds, released) => {
    expect((await stuck(held, seconds, released)).found).toEqual([]);
  });
});
