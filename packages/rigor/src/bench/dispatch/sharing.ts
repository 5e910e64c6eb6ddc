import type { Kysely } from "kysely";
import { shortId } from "../../domain/format/words.ts";
import { hasNeeds } from "../../domain/needs.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { machineOfId } from "../../domain/rules/compute-rules.ts";
import type { Database } from "../../store/tables.ts";
import type { Candidate, Holding } from "./choice.ts";
import { outputsFor } from "../needs/given-outputs.ts";
import type { Lab } from "../lab/lab.ts";
import type { Lane } from "../lab/lane.ts";
import type { LiveAttempts } from "../attempts/live-attempts.ts";
import { attemptsHere, heldAnywhere } from "../records/attempt-queries.ts";
import { runsById } from "../records/run-queries.ts";
import { openToolJobs } from "../records/tool-job-queries.ts";
import type { ReadinessCheck } from "./readiness.ts";

/** How long a machine may be unreachable before other daemons get it, where there are any. */
const silenceMs = 60_000;

/** What a dispatcher minds where several daemons share the lab. Where it is alone, all of this does nothing. */
export class Sharing {
  readonly #lab: Lab;
  readonly #attempts: LiveAttempts;
  readonly #readiness: ReadinessCheck;
  #computesStale = false;

  constructor(lab: Lab, attempts: LiveAttempts, readiness: ReadinessCheck) {
    this.#lab = lab;
    this.#attempts = attempts;
    this.#readiness = readiness;
  }

  /** Another daemon may have said something about a compute. */
  computesChanged(): void {
    this.#computesStale = true;
  }

  /** Takes what is to be driven from here now, and reads what others offer. @returns whether anything changed hands */
  async look(running: readonly ExperimentRecord[]): Promise<boolean> {
    const { driving, lanes, store } = this.#lab;
    if (this.#computesStale) {
      this.#computesStale = false;
      await lanes.refresh();
    }
    const hasChanged = await driving.refresh(store.db, running, lanes.all());
    for (const id of driving.inUse()) await lanes.reopen(id);
    await this.#readiness.readOffers(running);
    if (driving.othersLive) await this.#leaveSilent();
    return hasChanged;
  }

  /** What could not be reached for long is left to other daemons: it may be the way from here that is broken. */
  async #leaveSilent(): Promise<void> {
    const { driving, lanes, log } = this.#lab;
    for (const [machine, group] of Map.groupBy(lanes.all(), (lane) => lane.machine)) {
      if (!driving.hasMachine(machine) || !group.some(isSilent)) continue;
      const isFree = (lane: Lane) => !lane.isHere && !lane.isBusy && (isSilent(lane) || !this.#attempts.uses(lane));
      if (!group.every((lane) => isFree(lane) && this.#attempts.canLeave(lane))) continue;
      for (const lane of group) {
        this.#attempts.leave(lane);
        lane.scheduler?.leave();
        lane.isAdopted = false;
      }
      await driving.leaveToOthers(machine);
      log.warn({ machine }, "left to other daemons, because it cannot be reached from here");
    }
  }

  /** What other daemons have under way: a run is under way once, and so is the use of a card. */
  async heldElsewhere(): Promise<(Holding & { run_id: string })[]> {
    const { driving, store } = this.#lab;
    if (!driving.isShared || !driving.othersLive) return [];
    const all = await heldAnywhere(store.db);
    return all.flatMap(({ id, run_id, compute_id, lease }) =>
      this.#attempts.has(id)
        ? []
        : [{ ...lease, attempt: id, run_id, repository: "", machine: machineOfId(compute_id), compute_id }],
    );
  }

  /** Those of the runs that can be given what they need, which may be on another machine. */
  async withNeedsHere({ definition }: ExperimentRecord, runIds: readonly string[]): Promise<readonly string[]> {
    const { driving, store } = this.#lab;
    if (!driving.isShared || !hasNeeds(definition)) return runIds;
    const given = await outputsFor(store.db, [...(await runsById(store.db, runIds)).values()]);
    const attempts = [...given.values()].flatMap((folders) => Object.values(folders).map((one) => one.attempt_id));
    const here = await attemptsHere(store.db, attempts);
    return runIds.filter((id) => Object.values(given.get(id) ?? {}).every(({ attempt_id }) => here.has(attempt_id)));
  }

  /**
   * Why none of the runs of an experiment can be given what they need on any of its computes: all of these are driven from
   * here, and what is needed lies elsewhere.
   *
   * @param runIds runs that are ready, none of which {@link Sharing.withNeedsHere} has left
   */
  async whyNoneHere(runIds: readonly string[]): Promise<string> {
    const { db } = this.#lab.store;
    const given = await outputsFor(db, [...(await runsById(db, runIds)).values()]);
    const outputs = [...given.values()].flatMap((folders) => Object.values(folders));
    const here = await attemptsHere(
      db,
      outputs.map((one) => one.attempt_id),
    );
    const missing = outputs.find(({ attempt_id }) => !here.has(attempt_id));
    const what =
      missing === undefined ? "the runs that its own need" : `run ${shortId(missing.run_id)}, which it needs,`;
    return (
      `What ${what} left is in the data directory of another machine, and this one drives all computes of the experiment. ` +
      "Run its file on that machine, or have the needed runs made anew by a host or cluster that this machine drives."
    );
  }

  /**
   * Without candidates that another daemon has under way in this moment, or whose cards it or a tool server has got.
   *
   * @param db the transaction that intends to start them
   */
  async without(db: Kysely<Database>, candidates: readonly Candidate[]): Promise<readonly Candidate[]> {
    if (candidates.length === 0) return candidates;
    const held = this.#lab.driving.isShared ? (await heldAnywhere(db)).filter(({ id }) => !this.#attempts.has(id)) : [];
    const runs = new Set(held.map((one) => one.run_id));
    const asksForCards = candidates.some(({ lease }) => lease.gpus.length > 0);
    const tools = asksForCards ? await openToolJobs(db) : [];
    const cards = new Set([...held, ...tools].flatMap(({ lease }) => lease.gpus));
    return candidates.filter(({ runId, lease }) => !runs.has(runId) && !lease.gpus.some((card) => cards.has(card)));
  }
}

const isSilent = ({ trouble }: Lane): boolean => trouble !== null && Date.now() - Date.parse(trouble.since) > silenceMs;
