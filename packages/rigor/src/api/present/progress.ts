import type { Dispatcher } from "../../bench/dispatch/dispatcher.ts";
import type { Lab } from "../../bench/lab/lab.ts";
import { lacksCards } from "../../bench/dispatch/fit.ts";
import { LearntNeeds } from "../../bench/dispatch/learnt.ts";
import { tallyOf } from "../../bench/records/run-queries.ts";
import { lackingRoom } from "../../bench/dispatch/readiness.ts";
import { readSettings } from "../../bench/lab/settings.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import type { Progress } from "../contract/views/experiments.ts";
import { closedComputes, isSilent } from "./computes.ts";
import { decodeRow } from "../../store/tables.ts";
import { summarize } from "./experiments.ts";

const shownActive = 10;
/** The rate is that of the runs that ended last, so that it follows a change of the machine. */
const rateRuns = 50;
const fewestForRate = 2;
const underWay = ["queued", "staging", "submitted", "running"] as const;

/** How far an experiment is, how fast it goes, and what it waits for. */
export async function presentProgress(
  lab: Lab,
  dispatcher: Dispatcher,
  experiment: ExperimentRecord,
): Promise<Progress> {
  const { db } = lab.store;
  const counts = await tallyOf(db, experiment.id);
  const open = counts.pending + counts.active;
  const rate = open === 0 ? null : paceOf(await lastEnds(lab, experiment), counts.active, Date.now());
  const closed = open === 0 ? [] : closedComputes(lab, experiment);
  const isForeseeable =
    closed.length < experiment.compute.length &&
    !(await isAnyOutOfSight(lab, experiment)) &&
    !(await isAllTriedAgain(lab, experiment, open));
  return {
    experiment: await summarize(db, experiment, counts),
    finished: counts.done + counts.failed + counts.invalid + counts.cancelled,
    shared: await sharedRuns(lab, experiment),
    runs_per_second: rate,
    seconds_left: rate === null || !isForeseeable ? null : open / rate,
    elapsed: Math.max(0, Date.now() - Date.parse(experiment.created_at)) / 1_000,
    preparing: dispatcher.preparation.step(experiment.id),
    waits_for:
      open === 0 ? null : (lackingDisk(lab) ?? (counts.pending === 0 ? null : await lackingCards(lab, experiment))),
    closed,
    active: await activeRuns(lab, dispatcher.collecting, experiment),
  };
}

/** Why no run starts on this machine; null where its disk has room. */
export function lackingDisk({ lanes, data }: Lab): string | null {
  const { capacity } = lanes.here;
  const lacking = capacity === null ? null : lackingRoom(capacity);
  return lacking === null ? null : `${lacking} in ${data.root}`;
}

/** Machines of an experiment whose cards others use; null where its next run finds one on some compute. */
async function lackingCards({ lanes, store: { db } }: Lab, experiment: ExperimentRecord): Promise<string | null> {
  if (experiment.definition.resources.gpus === 0) return null;
  const next = await db
    .selectFrom("placements")
    .innerJoin("runs", "runs.id", "placements.run_id")
    .select("runs.id")
    .where("placements.experiment_id", "=", experiment.id)
    .where("runs.state", "=", "pending")
    .orderBy("placements.position")
    .limit(1)
    .execute();
  const [learnt = null] = (
    await new LearntNeeds(db).of(
      experiment,
      next.map(({ id }) => id),
    )
  ).values();
  const known = readSettings(experiment.source.repository).compute;
  const hosts = experiment.compute.map((name) => {
    const configuration = known[name];
    const capacity = configuration === undefined ? null : lanes.find(configuration)?.capacity;
    if (configuration === undefined || capacity === null || capacity === undefined) return null;
    return lacksCards(capacity, configuration, experiment, learnt) ? capacity.host : null;
  });
  const named = hosts.filter((host) => host !== null);
  return named.length === 0 || named.length < hosts.length
    ? null
    : `no card has enough free memory on ${named.join(", ")}`;
}

/** Runs that were done before the experiment existed. */
async function sharedRuns({ store }: Lab, experiment: ExperimentRecord): Promise<number> {
  const row = await store.db
    .selectFrom("placements")
    .innerJoin("runs", "runs.id", "placements.run_id")
    .innerJoin("attempts", "attempts.id", "runs.result_attempt")
    .select(({ fn }) => fn.countAll<number | string>().as("count"))
    .where("placements.experiment_id", "=", experiment.id)
    .where("runs.state", "=", "done")
    // Hosts tell the time of an end by clocks of their own: what was made for this one was not there before it.
    .where("attempts.experiment_id", "!=", experiment.id)
    .where("attempts.finished_at", "<", experiment.created_at)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Whether a run is under way on a machine that gives no answer: nobody knows when that one is back. */
async function isAnyOutOfSight({ lanes, store }: Lab, experiment: ExperimentRecord): Promise<boolean> {
  const silent = lanes.all().flatMap(({ id, trouble }) => (trouble !== null && isSilent(trouble) ? id : []));
  if (silent.length === 0) return false;
  const attempt = await store.db
    .selectFrom("attempts")
    .select("id")
    .where("experiment_id", "=", experiment.id)
    .where("state", "in", underWay)
    .where("compute_id", "in", silent)
    .executeTakeFirst();
  return attempt !== undefined;
}

/**
 * Whether every run that is open has failed since it was asked for, and is tried again: nobody knows how often it still
 * will. Many open runs go by the pace of the others.
 */
async function isAllTriedAgain({ store }: Lab, experiment: ExperimentRecord, open: number): Promise<boolean> {
  if (open === 0 || open > rateRuns) return false;
  const rows = await store.db
    .selectFrom("placements")
    .innerJoin("runs", "runs.id", "placements.run_id")
    .select("runs.retries")
    .where("placements.experiment_id", "=", experiment.id)
    .where("runs.state", "in", ["pending", "active"])
    .execute();
  return rows.every((row) => Object.values(decodeRow("runs", row).retries).some((times) => times > 0));
}

/**
 * The last attempts of the runs that need no further work, the newest first. One that is tried again tells no pace. When
 * they ended is told by the daemon's clock, because hosts have clocks of their own.
 */
async function lastEnds({ store }: Lab, experiment: ExperimentRecord): Promise<AttemptEnd[]> {
  return store.db
    .selectFrom("attempts")
    .innerJoin("runs", "runs.current_attempt", "attempts.id")
    .select(["runs.changed_at", "attempts.duration"])
    .where("attempts.experiment_id", "=", experiment.id)
    .where("attempts.state", "not in", underWay)
    .where("runs.state", "not in", ["pending", "active", "held"])
    .orderBy("runs.changed_at", "desc")
    .limit(rateRuns)
    .execute();
}

interface AttemptEnd {
  changed_at: string;
  /** Seconds. */
  duration: number | null;
}

/**
 * Runs per second over the attempts that ended last, the newest first; null while there are too few to tell. Runs that
 * began together end together, so that it is never more than what as many as are active can do.
 */
export function paceOf(ends: readonly AttemptEnd[], active: number, now: number): number | null {
  const oldest = ends.at(-1)?.changed_at;
  if (ends.length < fewestForRate || oldest === undefined) return null;
  const seconds = (now - Date.parse(oldest)) / 1_000;
  if (seconds <= 0) return null;
  const durations = ends.flatMap(({ duration }) => duration ?? []);
  const usual = durations.reduce((sum, one) => sum + one, 0) / durations.length;
  const possible = active > 0 && usual > 0 ? active / usual : Number.POSITIVE_INFINITY;
  return Math.min(ends.length / seconds, possible);
}

async function activeRuns(
  { store }: Lab,
  collecting: ReadonlySet<string>,
  experiment: ExperimentRecord,
): Promise<Progress["active"]> {
  const rows = await store.db
    .selectFrom("attempts")
    .innerJoin("runs", "runs.id", "attempts.run_id")
    .select([
      "attempts.id",
      "attempts.run_id",
      "attempts.queued_at",
      "attempts.started_at",
      "runs.arm",
      "runs.task",
      "runs.seed",
    ])
    .where("attempts.experiment_id", "=", experiment.id)
    .where("attempts.state", "in", underWay)
    .orderBy("attempts.queued_at")
    .limit(shownActive)
    .execute();
  const now = Date.now();
  return rows.map(({ id, queued_at, started_at, ...run }) => ({
    ...run,
    collecting: collecting.has(id),
    seconds: Math.max(0, now - Date.parse(started_at ?? queued_at)) / 1_000,
  }));
}
