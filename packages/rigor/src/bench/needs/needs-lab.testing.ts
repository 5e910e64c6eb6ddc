import { RigorError } from "../../domain/errors.ts";
import type { RunRecord } from "../../domain/records.ts";
import { isDead } from "../../domain/rules/need-rules.ts";
import * as actions from "../experiments/actions.ts";
import { advanceExperiment } from "../experiments/advance.ts";
import { TestBench } from "../bench.testing.ts";
import { outputsFor, validOutputs } from "./given-outputs.ts";
import { attemptsOfRun, liveAttempts } from "../records/attempt-queries.ts";
import { runsById } from "../records/run-queries.ts";
import { ReadyQueue } from "../dispatch/ready-queue.ts";
import type { ResolvedExperiment } from "../experiments/resolve.ts";
import { startExperiment } from "../experiments/start.ts";

const person = "person:test";

/** Three arms in a row, and another experiment that needs the first two of them. */
const chain = {
  name: "chain",
  arms: { pretrain: { role: "baseline" }, probe: { role: "ours", needs: ["pretrain"] }, prune: { needs: ["probe"] } },
  seeds: [1],
};
const beside = {
  name: "beside",
  needs: ["chain/probe"],
  arms: { judge: { role: "baseline", needs: ["chain/pretrain"] } },
  seeds: [1],
};

/** What may happen, to whichever run or experiment the number picks of those that it may happen to. */
export const happenings = [
  "start",
  "succeed",
  "succeed with other outputs",
  "fail",
  "break a check",
  "rerun",
  "cancel",
  "hold",
  "release",
  "cancel experiment",
  "hold experiment",
  "release experiment",
  "rerun failed",
  "run again",
  "advance",
] as const;

export type Happening = (typeof happenings)[number];

/** Two experiments, one of which needs the other, to which anything happens. */
export class NeedsLab {
  readonly bench: TestBench;
  readonly #resolved: ResolvedExperiment[];
  readonly ids: string[];

  static async open(): Promise<NeedsLab> {
    const bench = await TestBench.open();
    const first = await bench.resolve(chain);
    const { experiment_id: id } = await startExperiment(bench.lab, person, first);
    const second = await bench.resolve(beside);
    const { experiment_id: other } = await startExperiment(bench.lab, person, second);
    return new NeedsLab(bench, [first, second], [id, other]);
  }

  private constructor(bench: TestBench, resolved: ResolvedExperiment[], ids: string[]) {
    this.bench = bench;
    this.#resolved = resolved;
    this.ids = ids;
  }

  async runs(): Promise<RunRecord[]> {
    return (await Promise.all(this.ids.map((id) => this.bench.runs(id)))).flat();
  }

  async #ready(id: string): Promise<string[]> {
    const experiment = await this.bench.experiment(id);
    if (experiment.state !== "running") return [];
    const queue = new ReadyQueue(id);
    await queue.refill(this.bench.db, experiment, Date.now());
    return queue.peek(10);
  }

  /** Does one thing; what is not possible now is refused and changes nothing. */
  async happen(what: Happening, pick: number): Promise<void> {
    try {
      await this.#happen(what, pick);
    } catch (error) {
      if (!(error instanceof RigorError) || error.code !== "not-possible") throw error;
    }
  }

  async #happen(what: Happening, pick: number): Promise<void> {
    const { bench } = this;
    const { lab } = bench;
    const id = oneOf(this.ids, pick) ?? "";
    const runs = await this.runs();
    const run = oneOf(runs, pick)?.id ?? "";
    const live = oneOf(await liveAttempts(bench.db), pick)?.id;
    const ways: Record<Happening, () => Promise<unknown>> = {
      start: () => this.#start(pick),
      succeed: () => this.#end(live, "a"),
      "succeed with other outputs": () => this.#end(live, "b"),
      fail: () => this.#end(live, null),
      "break a check": () => this.#breakCheck(runs, pick),
      rerun: () => actions.rerunRun(lab, person, run, "again"),
      cancel: () => actions.cancelRun(lab, person, run, "no"),
      hold: () => actions.holdRun(lab, person, run, "wait"),
      release: () => actions.releaseRun(lab, person, run, "go"),
      "cancel experiment": () => actions.cancelExperiment(lab, person, id, "no"),
      "hold experiment": () => actions.holdExperiment(lab, person, id, "wait"),
      "release experiment": () => actions.releaseExperiment(lab, person, id, { message: "go", without_failed: false }),
      "rerun failed": () => actions.rerunFailed(lab, person, id),
      "run again": () => startExperiment(lab, person, oneOf(this.#resolved, pick) as ResolvedExperiment),
      advance: () => advanceExperiment(lab, id),
    };
    await ways[what]();
  }

  async #start(pick: number): Promise<void> {
    const ready = (await Promise.all(this.ids.map((one) => this.#ready(one)))).flat();
    const next = oneOf(ready, pick);
    if (next !== undefined) await this.bench.begin((await runsById(this.bench.db, [next])).get(next) as RunRecord);
  }

  async #breakCheck(runs: readonly RunRecord[], pick: number): Promise<void> {
    const done = oneOf(
      runs.filter(({ state }) => state === "done"),
      pick,
    );
    const reason = { code: "metrics-in-range", message: "outside 0 to 1" };
    if (done !== undefined) await this.bench.append({ kind: "run.invalidated", entity: done.id, data: { reason } });
  }

  /** Ends an attempt; one whose run went on without it leaves nothing but its record. */
  async #end(id: string | undefined, outputs: string | null): Promise<void> {
    const { bench } = this;
    if (id === undefined) return;
    const attempt = (await liveAttempts(bench.db)).find((one) => one.id === id);
    const run = (await runsById(bench.db, [attempt?.run_id ?? ""])).get(attempt?.run_id ?? "");
    const isPresent = run?.state === "active" && run.current_attempt === id;
    if (isPresent && outputs !== null) {
      // Outputs depend on what was given, as those of real runs do.
      const given = Object.values(attempt?.needs ?? {}).map(({ sha256 }) => sha256[0]);
      const letter = given.includes("b") ? "b" : outputs;
      return await bench.succeed(id, { loss: 2 }, { outputs_hash: letter.repeat(64) });
    }
    const reason = { code: "unknown", message: "it crashed" };
    await bench.append(
      {
        kind: "attempt.finished",
        entity: id,
        data: {
          state: isPresent ? "failed" : "cancelled",
          exit: { code: 1, signal: null },
          category: isPresent ? "unknown" : null,
          evidence: null,
          memory_peak: null,
          gpu_memory_peak: null,
          started_at: null,
          finished_at: new Date().toISOString(),
          duration: 1,
        },
      },
      ...(isPresent ? [{ kind: "run.failed" as const, entity: run.id, data: { reason } }] : []),
    );
  }

  /** What is not as it must be after every turn, whatever happened before. */
  async disorder(): Promise<string[]> {
    const { db } = this.bench;
    const runs = await this.runs();
    const byId = new Map(runs.map((run) => [run.id, run]));
    const valid = await validOutputs(db, [...byId.keys()]);
    const ready = new Set((await Promise.all(this.ids.map((id) => this.#ready(id)))).flat());
    const given = await outputsFor(db, runs);
    const problems: string[] = [];
    const expectThat = (holds: boolean, problem: string) => {
      if (!holds) problems.push(problem);
    };
    for (const run of runs) {
      const needed = Object.entries(run.needs).map(([folder, id]) => ({ folder, run: byId.get(id) as RunRecord }));
      const isGiven = needed.every((one) => one.run.state === "done");
      expectThat(given.has(run.id) === isGiven, `${run.arm} is given what is not done`);
      expectThat(isGiven || !ready.has(run.id), `${run.arm} may start without what it needs`);
      const isOpen = run.state === "pending" || run.state === "active";
      const hasDead = needed.some((one) => isDead(one.run.state));
      expectThat(!isOpen || !hasDead, `${run.arm} waits for what has no way to a result`);
      const isOver = run.state === "held" || isDead(run.state);
      expectThat(!isOver || (run.reason?.message ?? "") !== "", `${run.arm} is ${run.state} and does not say why`);
      if (run.state !== "done") continue;
      const made = (await attemptsOfRun(db, run.id)).find(({ id }) => id === run.result_attempt);
      for (const { folder, run: other } of needed) {
        const counts = made?.needs[folder]?.sha256 === valid.get(other.id)?.sha256;
        expectThat(counts, `${run.arm} counts, and rests on what does not`);
      }
    }
    return problems;
  }

  /** A person who wants it all, and machines that do their work. @returns what is left all the same */
  async finishAll(): Promise<string[]> {
    const open = async () => (await this.runs()).filter(({ state }) => state !== "done");
    for (let round = 0; round < 20 && (await open()).length > 0; round += 1) {
      for (const index of this.#resolved.keys()) await this.happen("run again", index);
      for (const [index] of this.ids.entries()) await this.happen("release experiment", index);
      for (const [index] of (await this.runs()).entries()) await this.happen("release", index);
      for (const [index] of this.ids.entries()) await this.happen("rerun failed", index);
      for (const { id } of await liveAttempts(this.bench.db)) await this.#end(id, "a");
      for (let count = 0; count < 4; count += 1) await this.happen("start", 0);
      for (const { id } of await liveAttempts(this.bench.db)) await this.#end(id, "a");
    }
    // Also where every run was done already, and only the experiment was held or cancelled.
    for (const index of this.#resolved.keys()) await this.happen("run again", index);
    for (const index of this.ids.keys()) await this.happen("release experiment", index);
    for (const index of this.ids.keys()) for (let step = 0; step < 3; step += 1) await this.happen("advance", index);
    const experiments = await Promise.all(this.ids.map((id) => this.bench.experiment(id)));
    const undecided = experiments.flatMap(({ name, state }) => (state === "decided" ? [] : `${name} ${state}`));
    return [...(await open()).map(({ arm, state }) => `${arm} ${state}`), ...undecided];
  }
}

const oneOf = <Value>(values: readonly Value[], pick: number): Value | undefined => values[pick % values.length];
