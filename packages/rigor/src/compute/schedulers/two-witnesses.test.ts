import { describe, expect, test } from "vitest";
import type { Seen } from "../remote/remote-attempts.ts";
import { endCauses } from "./scheduler.ts";
import { endByFiles, finalStatus, isOver, presentStatus, type Word } from "./two-witnesses.ts";

const claimed: Seen = { state: "claimed", witness: "elsewhere", beat_at: 5 };
const unclaimed: Seen = { state: "unclaimed" };
const waiting: Word = { state: "waiting", reason: "Resources", held: false };
const running: Word = { state: "running", host: "n1", restarts: 0 };
const exit = {
  attempt: "a",
  code: 0,
  signal: null,
  reason: "exited",
  oom_kills: null,
  memory_peak: null,
  gpu_memory_peak: null,
  restarts: 0,
  resumed: false,
  code_changed: 0,
  code_added: 0,
  duration: 1,
  started_at: 1,
  finished_at: 2,
} as const;

test("a record of the end counts, whatever the scheduler says [F14]", () => {
  expect(endByFiles({ state: "ended", exit })).toEqual({ state: "ended", exit });
  expect(endByFiles({ state: "withdrawn" })).toEqual({ state: "gone", withdrawn: true });
  expect(endByFiles(claimed)).toBeNull();
  expect(endByFiles(unclaimed)).toBeNull();
});

test("what has ended at the scheduler, or is not known there, is over; what nobody asked about is not [F11]", () => {
  expect([waiting, running, { state: "unasked" } as const].map(isOver)).toEqual([false, false, false]);
  expect(isOver({ state: "unknown" })).toBe(true);
  expect(isOver({ state: "ended", cause: "finished", evidence: "" })).toBe(true);
});

test("a job that was interrupted and waits to be started again is waiting [F16]", () => {
  expect(presentStatus(claimed, waiting)).toEqual({ state: "waiting", reason: "Resources", held: false });
  expect(presentStatus(claimed, running)).toEqual({ state: "running", beat_at: 5 });
  expect(presentStatus(claimed, { state: "unasked" })).toEqual({ state: "running", beat_at: 5 });
  expect(presentStatus(unclaimed, running)).toEqual({ state: "waiting", reason: null, held: false });
  expect(presentStatus(unclaimed, { ...waiting, held: true })).toMatchObject({ state: "waiting", held: true });
});

describe("a job without a record of its end", () => {
  const where = "in /batches/rigor-1 on n1";
  const final = (seen: Seen, word: Word, submitted = true, cancelled = false) =>
    finalStatus(seen, word, { submitted, cancelled, where });

  test.each(endCauses)("that the scheduler calls ended (%s) is gone, never done [F13] [F16]", (cause) => {
    for (const seen of [claimed, unclaimed]) {
      const status = final(seen, { state: "ended", cause, evidence: "Slurm says so." });
      expect(status).toMatchObject({
        state: "gone",
        withdrawn: false,
        evidence: expect.stringContaining("Slurm says"),
      });
    }
  });

  test("has the scheduler's reason [F16]", () => {
    const categories = Object.fromEntries(
      endCauses.map((cause) => {
        const status = final(claimed, { state: "ended", cause, evidence: "" });
        return [cause, status.state === "gone" && !status.withdrawn ? status.category : null];
      }),
    );
    expect(categories).toEqual({
      finished: "killed",
      cancelled: "killed",
      preempted: "preempted",
      "node-failure": "node-failure",
      "out-of-memory": "out-of-memory-host",
      "time-limit": "timeout",
      // The files are a witness that it had.
      "not-started": "killed",
      unprepared: "killed",
      unknown: "node-failure",
    });
    const early = final(unclaimed, { state: "ended", cause: "finished", evidence: "FAILED." });
    expect(early).toMatchObject({ category: "not-started", evidence: expect.stringContaining(where) });
    const vanished = final(unclaimed, { state: "ended", cause: "unknown", evidence: "No record." });
    expect(vanished).toMatchObject({ category: "not-started", evidence: "No record." });
    const unprepared = final(unclaimed, { state: "ended", cause: "unprepared", evidence: "No modules." });
    expect(unprepared).toMatchObject({ category: "unprepared", evidence: expect.stringContaining(where) });
  });

  test("that the scheduler does not know: submitted again only where nobody knows that it was submitted [F10]", () => {
    const unknown: Word = { state: "unknown" };
    expect(final(unclaimed, unknown, false)).toEqual({ state: "unclaimed" });
    expect(final(unclaimed, unknown)).toMatchObject({ state: "gone", category: "not-started" });
    expect(final(claimed, unknown, false)).toMatchObject({ state: "gone", category: "node-failure" });
    expect(final(claimed, unknown)).toMatchObject({ state: "gone", category: "node-failure" });
  });

  test("that Rigor has cancelled is withdrawn [job.cancel]", () => {
    const word: Word = { state: "ended", cause: "cancelled", evidence: "" };
    expect(final(claimed, word, true, true)).toMatchObject({ state: "gone", withdrawn: true });
  });

  test("tells its last sign of life [budget.lost]", () => {
    const alive: Seen = { state: "claimed", witness: "unknown", beat_at: 5_000 };
    const word: Word = { state: "ended", cause: "cancelled", evidence: "" };
    for (const cancelled of [true, false]) {
      expect(final(alive, word, true, cancelled)).toMatchObject({ state: "gone", beat_at: 5_000 });
    }
    expect(final(unclaimed, word)).toMatchObject({ state: "gone", beat_at: null });
  });
});
