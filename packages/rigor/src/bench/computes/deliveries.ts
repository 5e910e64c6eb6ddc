import { setTimeout as sleep } from "node:timers/promises";
import { AttemptDirectory } from "../../compute/attempt/attempt-directory.ts";
import { outputPaths } from "../../domain/design.ts";
import { RigorError } from "../../domain/errors.ts";
import { shortId } from "../../domain/format/words.ts";
import type { AttemptRecord, GivenOutputs } from "../../domain/records.ts";
import type { OutputSource } from "../../provenance/outputs.ts";
import type { Lab } from "../lab/lab.ts";
import type { Lane } from "../lab/lane.ts";
import { experimentById } from "../records/experiment-queries.ts";
import { runById } from "../records/run-queries.ts";

/** Before a machine that did not answer is asked again. */
const unreachablePauseMs = 5_000;

type Given = Pick<AttemptRecord, "id" | "needs">;

/** Brings outputs of runs to the machines of the attempts that are given them, each once. */
export class Deliveries {
  readonly #lab: Lab;
  readonly #onArrival: () => void;
  /** Absolute paths of what is there, by lane and hash. */
  readonly #there = new Map<string, string>();
  readonly #under = new Map<string, Promise<void>>();
  /** By attempt: a later one tries again. */
  readonly #failed = new Map<string, RigorError>();
  readonly #abort = new AbortController();

  constructor(lab: Lab, onArrival: () => void) {
    this.#lab = lab;
    this.#onArrival = onArrival;
  }

  /** Whether all that an attempt is given is on the machine. Begins to bring what is not. */
  isThere(lane: Lane, attempt: Given): boolean {
    const missing = Object.values(attempt.needs).filter(({ sha256 }) => !this.#there.has(keyOf(lane, sha256)));
    for (const outputs of missing) this.#begin(lane, attempt, outputs);
    return missing.length === 0;
  }

  /** Why something could not be brought there; null if nothing went wrong. */
  failure(attempt: Given): RigorError | null {
    return this.#failed.get(attempt.id) ?? null;
  }

  /** Folder below `RIGOR_NEEDS` -> where its content is on the machine. */
  paths(lane: Lane, attempt: Given): Record<string, string> {
    return Object.fromEntries(
      Object.entries(attempt.needs).map(([folder, { sha256 }]) => {
        const path = this.#there.get(keyOf(lane, sha256));
        if (path === undefined) throw new Error(`${folder} of ${attempt.id} is not on ${lane.id}`);
        return [folder, path];
      }),
    );
  }

  forget(attempt: Given): void {
    this.#failed.delete(attempt.id);
  }

  /** What an attempt was given may be gone from its machine: it is looked for before it is used again. */
  doubt({ compute_id: id, needs }: Given & Pick<AttemptRecord, "compute_id">): void {
    for (const { sha256 } of Object.values(needs)) this.#there.delete(keyOf({ id }, sha256));
  }

  /**
   * Forgets what is on a machine for all but some attempts: it may be removed, and is looked for before it is used again.
   *
   * @returns what the others use, by what it hashes to
   */
  keepOnly(lane: Lane, attempts: readonly Given[]): string[] {
    const used = new Set(attempts.flatMap(({ needs }) => Object.values(needs).map(({ sha256 }) => sha256)));
    for (const key of this.#there.keys()) {
      const [compute, sha256 = ""] = key.split(" ");
      if (compute === lane.id && !used.has(sha256)) this.#there.delete(key);
    }
    return [...used];
  }

  /** Ends what is under way; it is begun anew by the next daemon. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#under.values());
  }

  #begin(lane: Lane, attempt: Given, outputs: GivenOutputs): void {
    const key = keyOf(lane, outputs.sha256);
    if (this.#under.has(key) || this.#abort.signal.aborted) return;
    const work = this.#bring(lane, outputs)
      .then((path) => void this.#there.set(key, path))
      .catch((error: unknown) => this.#note(attempt, error))
      .finally(() => {
        this.#under.delete(key);
        if (!this.#abort.signal.aborted) this.#onArrival();
      });
    this.#under.set(key, work);
  }

  async #bring(lane: Lane, outputs: GivenOutputs): Promise<string> {
    const source = await this.#sourceOf(outputs);
    const say = (what: string) => this.#lab.log.debug({ compute: lane.id, run: outputs.run_id }, what);
    return lane.stager.stageOutputs(source, { say, signal: this.#abort.signal });
  }

  async #sourceOf({ run_id, attempt_id, sha256 }: GivenOutputs): Promise<OutputSource> {
    const { db } = this.#lab.store;
    const { arm } = await runById(db, run_id);
    const attempt = await db
      .selectFrom("attempts")
      .select(["directory", "experiment_id"])
      .where("id", "=", attempt_id)
      .executeTakeFirstOrThrow();
    const { definition } = await experimentById(db, attempt.experiment_id);
    return {
      directory: new AttemptDirectory(attempt.directory).output,
      paths: outputPaths(definition, arm),
      sha256,
      name: `run ${shortId(run_id)} (${arm})`,
      remedy: `rigor rerun ${shortId(run_id)}`,
    };
  }

  /** A machine that does not answer says nothing about what is brought to it: it is tried again. */
  async #note(attempt: Given, error: unknown): Promise<void> {
    if (error instanceof RigorError && error.code === "unreachable") {
      await sleep(unreachablePauseMs, undefined, { signal: this.#abort.signal }).catch(() => undefined);
      return;
    }
    this.#lab.log.error({ err: error, attempt: attempt.id }, "what a run needs could not be brought to it");
    const message = error instanceof Error ? error.message : String(error);
    const failure = new RigorError("internal", `What the run needs could not be made ready: ${message}`, {
      cause: error,
    });
    this.#failed.set(attempt.id, error instanceof RigorError ? error : failure);
  }
}

const keyOf = ({ id }: Pick<Lane, "id">, sha256: string): string => `${id} ${sha256}`;
