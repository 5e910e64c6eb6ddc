import type { Dispatcher } from "../../bench/dispatcher.ts";
import type { Lab } from "../../bench/lab.ts";
import { tallyOf } from "../../bench/queries.ts";
import { lackingRoom } from "../../bench/readiness.ts";
import { readSettings } from "../../bench/settings.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { computeId } from "../../domain/rules/compute-rules.ts";
import type { Progress } from "../contract/views.ts";
import { summarize } from "./experiments.ts";

const shownActive = 10;
/** The rate is that of the runs that ended last, so that it follows a change of the machine. */
const rateRuns = 50;
const fewestForRate = 2;

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
  return {
    experiment: summarize(experiment, counts),
    finished: counts.done + counts.failed + counts.invalid + counts.cancelled,
    shared: await sharedRuns(lab, experiment),
    runs_per_second: rate,
    seconds_left: rate === null ? null : open / rate,
    elapsed: Math.max(0, Date.now() - Date.parse(experiment.created_at)) / 1_000,
    preparing: dispatcher.preparation.step(experiment.id),
    waits_for: counts.pending === 0 ? null : waitsFor(lab),
    unreachable: unreachableComputes(lab, experiment),
    active: await activeRuns(lab, experiment),
  };
}

function unreachableComputes(lab: Lab, { source, compute }: ExperimentRecord): Progress["unreachable"] {
  const known = readSettings(source.repository).compute;
  return compute.flatMap((name) => {
    const configuration = known[name];
    const trouble = configuration === undefined ? null : (lab.lanes.get(computeId(configuration))?.trouble ?? null);
    return trouble === null ? [] : { compute: name, message: trouble.message, since: trouble.since };
  });
}

function waitsFor({ lanes, data }: Lab): string | null {
  const { capacity } = lanes.here;
  const lacking = capacity === null ? null : lackingRoom(capacity);
  return lacking === null ? null : `${lacking} in ${data.root}`;
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
    .where("attempts.finished_at", "<", experiment.created_at)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Attempts of an experiment that ended last, the newest first. */
async function lastEnds({ store }: Lab, experiment: ExperimentRecord): Promise<AttemptEnd[]> {
  return store.db
    .selectFrom("attempts")
    .select(["finished_at", "duration"])
    .where("experiment_id", "=", experiment.id)
    .where("state", "not in", ["queued", "staging", "submitted", "running"])
    .orderBy("finished_at", "desc")
    .limit(rateRuns)
    .execute();
}

interface AttemptEnd {
  finished_at: string | null;
  /** Seconds. */
  duration: number | null;
}

/**
 * Runs per second over the attempts that ended last, the newest first; null while there are too few to tell. Runs that
 * began together end together, so that it is never more than what as many as are active can do.
 */
export function paceOf(ends: readonly AttemptEnd[], active: number, now: number): number | null {
  const oldest = ends.at(-1)?.finished_at;
  if (ends.length < fewestForRate || oldest === null || oldest === undefined) return null;
  const seconds = (now - Date.parse(oldest)) / 1_000;
  if (seconds <= 0) return null;
  const durations = ends.flatMap(({ duration }) => duration ?? []);
  const usual = durations.reduce((sum, one) => sum + one, 0) / durations.length;
  const possible = active > 0 && usual > 0 ? active / usual : Number.POSITIVE_INFINITY;
  return Math.min(ends.length / seconds, possible);
}

async function activeRuns({ store }: Lab, experiment: ExperimentRecord): Promise<Progress["active"]> {
  const rows = await store.db
    .selectFrom("attempts")
    .innerJoin("runs", "runs.id", "attempts.run_id")
    .select(["attempts.run_id", "attempts.queued_at", "attempts.started_at", "runs.arm", "runs.task", "runs.seed"])
    .where("attempts.experiment_id", "=", experiment.id)
    .where("attempts.state", "in", ["queued", "staging", "submitted", "running"])
    .orderBy("attempts.queued_at")
    .limit(shownActive)
    .execute();
  const now = Date.now();
  return rows.map(({ queued_at, started_at, ...run }) => ({
    ...run,
    seconds: Math.max(0, now - Date.parse(started_at ?? queued_at)) / 1_000,
  }));
}
