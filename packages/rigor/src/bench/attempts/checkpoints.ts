import { posix } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AttemptDirectory, attemptPath } from "../../compute/attempt/attempt-directory.ts";
import type { Handle } from "../../compute/executor.ts";
import type { JobSpec } from "../../compute/attempt/job.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Lab } from "../lab/lab.ts";
import type { Lane } from "../lab/lane.ts";
import type { Live } from "./live.ts";
import { earlierAttempts, type EarlierAttempt } from "../records/attempt-queries.ts";

/** What an attempt goes on from. */
export type Start = NonNullable<JobSpec["resume"]> | null;

/** Milliseconds for which a machine that has checkpoints may give no answer before a run starts anew without them. */
const patienceMs = 10 * 60_000;
const pauseMs = 5_000;

/** Checkpoints on their way to another machine. */
interface Journey {
  /** Null until it has ended. */
  start: { value: Start } | null;
  work: Promise<void>;
  abort: AbortController;
}

const handleOf = ({ id, run_id }: EarlierAttempt): Handle => ({ attempt: id, run: run_id });

/**
 * Finds what runs that are tried again go on from: the newest checkpoints of their earlier attempts. Those of another
 * compute are copied, from there to this machine and from here to the new one; each step goes on where it stopped.
 */
export class Checkpoints {
  readonly #lab: Lab;
  readonly #journeys = new Map<string, Journey>();

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** Attempt -> what it starts from. Those whose checkpoints are on their way are left out, and found later. */
  async find(lane: Lane, ready: readonly Live[]): Promise<Map<string, Start>> {
    const found = new Map<string, Start>(ready.map(({ attempt }) => [attempt.id, null]));
    const retries = ready.filter(({ attempt, run }) => attempt.number > run.resume_from);
    if (retries.length === 0) return found;
    const earlier = await earlierAttempts(this.#lab.store.db, retries);
    const there = [...earlier.values()].flat().filter((one) => one.compute_id === lane.id);
    const kept = await lane.executor.withCheckpoints(there.map(handleOf));
    const root = await lane.executor.attemptsRoot();
    for (const [attempt, attempts] of earlier) {
      const newest = attempts.find((one) => one.compute_id !== lane.id || kept.has(one.id));
      if (newest === undefined) continue;
      if (newest.compute_id === lane.id) found.set(attempt, inPlace(newest, root));
      else this.#settle(found, attempt, lane, attempts);
    }
    return found;
  }

  #settle(found: Map<string, Start>, attempt: string, lane: Lane, earlier: readonly EarlierAttempt[]): void {
    const journey = this.#journeys.get(attempt) ?? this.#begin(attempt, lane, earlier);
    if (journey.start === null) found.delete(attempt);
    else found.set(attempt, journey.start.value);
  }

  #begin(attempt: string, lane: Lane, earlier: readonly EarlierAttempt[]): Journey {
    const abort = new AbortController();
    const journey: Journey = { start: null, work: Promise.resolve(), abort };
    journey.work = this.#travel(lane, earlier, abort.signal).then(
      (value) => {
        journey.start = { value };
        this.#lab.log.info({ attempt, compute: lane.id, start: value }, "what the attempt goes on from is known");
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        this.#lab.log.error({ err: error, attempt }, "checkpoints could not be carried");
        const reason = `They could not be carried to ${lane.machine}: ${messageOf(error)}`;
        journey.start = { value: { attempt: null, reason } };
      },
    );
    this.#journeys.set(attempt, journey);
    return journey;
  }

  async #travel(lane: Lane, earlier: readonly EarlierAttempt[], signal: AbortSignal): Promise<Start> {
    for (const one of earlier) {
      if (!this.#lab.lanes.isReachable(one.compute_id)) {
        return { attempt: null, reason: `What ${one.id} may have left is on another machine of the lab.` };
      }
      const origin = await this.#lab.lanes.reopen(one.compute_id);
      const has = await patiently(signal, patienceMs, () => origin.executor.withCheckpoints([handleOf(one)]));
      if (!has.has(one.id)) continue;
      if (origin === lane) return inPlace(one, await lane.executor.attemptsRoot());
      await patiently(signal, patienceMs, () => origin.executor.bringCheckpoints(handleOf(one)));
      return { ...nameOf(one), path: await this.#send(lane, one, signal), is_copy: !lane.isHere };
    }
    return null;
  }

  /** The machine that the run waits for is waited for as long as it takes. */
  #send(lane: Lane, one: EarlierAttempt, signal: AbortSignal): Promise<string> {
    const { checkpoints } = AttemptDirectory.in(this.#lab.data.root, one.run_id, one.id);
    const say = (what: string) => this.#lab.log.debug({ attempt: one.id, compute: lane.id }, what);
    const request = { name: `checkpoints of ${one.id}`, directory: checkpoints, say, signal };
    return patiently(signal, Number.POSITIVE_INFINITY, () => lane.stager.send(request));
  }

  /** An attempt that has ended needs nothing. */
  forget(attempt: string): void {
    this.#journeys.get(attempt)?.abort.abort();
    this.#journeys.delete(attempt);
  }

  async stop(): Promise<void> {
    const journeys = [...this.#journeys.values()];
    for (const { abort } of journeys) abort.abort();
    await Promise.all(journeys.map(({ work }) => work));
  }
}

const nameOf = ({ id, compute }: EarlierAttempt) => ({ attempt: id, compute });

/** Checkpoints that are used where they were written. @param root folder of all attempts there */
function inPlace(one: EarlierAttempt, root: string): Start {
  const { checkpoints } = new AttemptDirectory(posix.join(root, attemptPath(one.run_id, one.id)));
  return { ...nameOf(one), path: checkpoints, is_copy: false };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Asks again while a machine gives no answer; what took long and then failed came further, and counts as an answer. */
async function patiently<T>(signal: AbortSignal, patience: number, ask: () => Promise<T>): Promise<T> {
  for (let silentSince: number | null = null; ;) {
    const began = performance.now();
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof RigorError) || error.code !== "unreachable") throw error;
      const now = performance.now();
      if (silentSince === null || now - began > longMs) silentSince = now;
      if (now - silentSince >= patience) throw error;
      await sleep(pauseMs, undefined, { signal });
    }
  }
}

/** Milliseconds after which a call that fails has lasted longer than one that got no answer. */
const longMs = 120_000;
