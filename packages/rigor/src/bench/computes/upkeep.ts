import type { Executor, KeptDirectory } from "../../compute/executor.ts";
import { spared } from "../../provenance/staging/clean-up.ts";
import type { Lab } from "../lab/lab.ts";
import type { CleanUpRequest } from "../../provenance/staging/clean-up.ts";
import type { Lane } from "../lab/lane.ts";
import { removableAttempts } from "./old-attempts.ts";
import type { Preparation } from "./preparation.ts";
import { fatesOfAttempts } from "../records/attempt-queries.ts";
import { fatesOfToolJobs } from "../records/tool-job-queries.ts";

/** Milliseconds between two clean-ups of one compute. */
const pauseMs = 6 * 3_600_000;
/** Seconds without use after which checkouts, environments and inputs go. They can be made again. */
const unusedFor = 30 * 86_400;
/** What is to be free; until it is, what was not used for a day goes too. Some file systems do not count inodes. */
const wanted = { bytes: 5e9, inodes: 100_000 };
/** Directories of attempts that are removed with one call. */
const together = 100;

/** Removes what was made ready on a compute and is not used any more. */
export class Upkeep {
  readonly #lab: Lab;
  readonly #preparation: Preparation;
  /** When each compute was last cleaned up, by a clock that never jumps. */
  readonly #cleanedAt = new Map<string, number>();

  constructor(lab: Lab, preparation: Preparation) {
    this.#lab = lab;
    this.#preparation = preparation;
  }

  /** The first time comes some while after the start, when everything under way is known. */
  isDue(lane: Lane): boolean {
    const last = this.#cleanedAt.get(lane.id);
    if (last === undefined) this.#cleanedAt.set(lane.id, performance.now() - pauseMs + firstPauseMs);
    return last !== undefined && performance.now() - last >= pauseMs;
  }

  /** What another daemon cleans up may be gone: it is made sure of anew before it is used again. */
  forget(lane: Lane, experiments: ReadonlySet<string>): void {
    this.#cleanedAt.set(lane.id, performance.now());
    this.#preparation.keepOnly(lane.id, experiments);
  }

  /**
   * @param experiments ids of those that have something to start, or under way: what they use stays
   * @param also what attempts under way use
   */
  async cleanUp(
    lane: Lane,
    experiments: ReadonlySet<string>,
    also: Pick<CleanUpRequest, "in_use" | "inputs_in_use">,
  ): Promise<void> {
    this.#cleanedAt.set(lane.id, performance.now());
    const in_use = [...this.#preparation.keepOnly(lane.id, experiments), ...also.in_use];
    const { inputs_in_use } = also;
    const removed = await lane.stager.cleanUp({
      in_use,
      inputs_in_use,
      unused_for: unusedFor,
      wanted_free: wanted.bytes,
      wanted_inodes: wanted.inodes,
    });
    for (const { kind, name, unused_for } of removed) {
      this.#lab.log.info({ compute: lane.id, kind, name, unused_for }, "removed what was not used any more");
    }
    await this.#removeAttempts(lane);
  }

  /** Environments and inputs can be made again, so they go first. */
  async #removeAttempts({ id, executor }: Lane): Promise<void> {
    const kept = await executor.keptDirectories();
    const { db } = this.#lab.store;
    const ids = kept.map(({ attempt }) => attempt);
    const fates = new Map([...(await fatesOfAttempts(db, ids)), ...(await fatesOfToolJobs(db, ids))]);
    const { old, spare } = removableAttempts(kept, fates, { old: unusedFor, spared }, Date.now());
    let removed = 0;
    const remove = async (directories: readonly KeptDirectory[]) => {
      await executor.removeDirectories(directories);
      removed += directories.length;
    };
    for (let start = 0; start < old.length; start += together) await remove(old.slice(start, start + together));
    for (let start = 0; start < spare.length && !(await hasRoom(executor)); start += together) {
      await remove(spare.slice(start, start + together));
    }
    if (removed > 0) this.#lab.log.info({ compute: id, attempts: removed }, "removed directories of attempts");
  }
}

async function hasRoom(executor: Executor): Promise<boolean> {
  const { disk_free, inodes_free } = await executor.probe();
  return disk_free >= wanted.bytes && inodes_free >= wanted.inodes;
}

const firstPauseMs = 10 * 60_000;
