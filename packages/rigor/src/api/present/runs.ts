import type { Kysely } from "kysely";
import type { Dispatcher } from "../../bench/dispatch/dispatcher.ts";
import type { DataDirectory, Lab } from "../../bench/lab/lab.ts";
import { runsAtPlaces, theirResult } from "../../bench/records/placed-runs.ts";
import { attemptsOfRun } from "../../bench/records/attempt-queries.ts";
import { experimentById } from "../../bench/records/experiment-queries.ts";
import { placementsOfRun } from "../../bench/records/run-queries.ts";
import { awaitedRuns } from "../../bench/needs/run-waits.ts";
import { waitOf } from "../../bench/attempts/waits.ts";
import { AttemptDirectory } from "../../compute/attempt/attempt-directory.ts";
import { renderCommand, shellQuote } from "../../domain/command.ts";
import { metricsOf } from "../../domain/design.ts";
import { needPaths } from "../../domain/needs.ts";
import { attemptLifecycle, isFinal, type RunState } from "../../domain/lifecycle.ts";
import type { AttemptRecord, ExperimentRecord, RunRecord } from "../../domain/records.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import { decodeRow, type Database } from "../../store/tables.ts";
import { allClosed, whyClosed } from "./computes.ts";
import { neededBy, needing } from "./needs.ts";
import { presentRepeat } from "./repeat.ts";
import type { AttemptView, RunDetail, RunSummary } from "../contract/views/runs.ts";

type Db = Kysely<Database>;

interface Sources {
  lab: Lab;
  dispatcher: Pick<Dispatcher, "collecting">;
}

export interface RunQuery {
  experiments?: readonly string[];
  states?: readonly RunState[] | undefined;
  arm?: string | undefined;
  task?: string | undefined;
  seed?: number | undefined;
  limit: number;
  offset: number;
}

/** One page of runs at their places, in the order of their experiments. */
export async function listRuns(
  { lab, dispatcher }: Sources,
  query: RunQuery,
): Promise<{ runs: RunSummary[]; total: number; declared_metrics: string[] }> {
  const { db } = lab.store;
  const base = filtered(db, query);
  const { total } = await base.select(({ fn }) => fn.countAll<number | string>().as("total")).executeTakeFirstOrThrow();
  const rows = await base
    .leftJoin("attempts", "attempts.id", "runs.current_attempt")
    .leftJoin("results", theirResult)
    .leftJoin("waiting_jobs", "waiting_jobs.attempt_id", "attempts.id")
    .select([
      "runs.id",
      "experiments.id as experiment_id",
      "experiments.name",
      "experiments.version",
      "placements.arm",
      "placements.task",
      "placements.grid",
      "placements.seed",
      "runs.state",
      "runs.attempts",
      "runs.reason",
      "runs.current_attempt",
      "runs.changed_at",
      "attempts.host",
      "attempts.duration",
      "attempts.compute",
      "attempts.compute_id",
      "attempts.state as attempt_state",
      "results.metrics",
      "waiting_jobs.reason as waiting_reason",
      "waiting_jobs.held",
      "waiting_jobs.since",
    ])
    .orderBy("experiments.created_at", "desc")
    .orderBy("placements.position")
    .limit(query.limit)
    .offset(query.offset)
    .execute();
  const awaited = await awaitedRuns(
    db,
    rows.map((row) => row.id),
  );
  const ids = [...new Set(rows.map((row) => row.experiment_id))];
  const experiments = await Promise.all(ids.map((id) => experimentById(db, id)));
  const pending = new Set(rows.flatMap((row) => (isPending(row) ? row.experiment_id : [])));
  const closed = new Map(experiments.map((one) => [one.id, pending.has(one.id) ? allClosed(lab, one) : []]));
  return {
    total: Number(total),
    declared_metrics: primaryFirst(experiments),
    runs: rows.map(
      ({
        experiment_id,
        name,
        version,
        metrics,
        compute,
        compute_id,
        attempt_state,
        waiting_reason,
        held,
        since,
        current_attempt,
        ...row
      }) => ({
        ...decodeRow("runs", decodeRow("placements", row)),
        experiment: reference({ name, version }),
        reason: reasonOf(decodeRow("runs", { state: row.state, reason: row.reason })),
        stale: null,
        metrics: metrics === null ? null : decodeRow("results", { metrics }).metrics,
        collecting: isCollecting(dispatcher, { state: row.state, current_attempt }),
        waits_for: awaited.get(row.id) ?? [],
        closed: closedFor(lab, row, { state: attempt_state, compute, compute_id }, closed.get(experiment_id) ?? []),
        waiting:
          row.state !== "active" || compute === null || held === null || since === null
            ? null
            : { compute, ...waitOf({ reason: waiting_reason, held, since }) },
      }),
    ),
  };
}

/** The last attempt of a run, if it has one. */
type Last = { [Key in "state" | "compute" | "compute_id"]: AttemptRecord[Key] | null };

/**
 * What keeps a run from going on: the machine of its last attempt gives no answer, so that this may have ended by now and
 * no other starts; or nothing starts anywhere.
 *
 * @param all its experiment's computes, where nothing starts on any of them
 */
function closedFor(
  { lanes }: Lab,
  { state: run }: { state: string },
  last: Last,
  all: RunSummary["closed"],
): RunSummary["closed"] {
  if (run !== ("active" satisfies RunState) && run !== ("pending" satisfies RunState)) return [];
  const isOpen = last.state !== null && !isFinal(attemptLifecycle, last.state);
  const lane = isOpen && last.compute_id !== null ? lanes.get(last.compute_id) : undefined;
  const silent = lane === undefined ? null : whyClosed(lane, last.compute ?? lane.id);
  if (silent?.state === "no-answer") return [silent];
  return run === "pending" ? all : [];
}

/** What ended an earlier try says nothing of a run that is tried again. */
const reasonOf = ({ state, reason }: Pick<RunRecord, "state" | "reason">): RunRecord["reason"] =>
  state === "active" ? null : reason;

function isCollecting(
  { collecting }: Sources["dispatcher"],
  { state, current_attempt }: Pick<RunRecord, "state" | "current_attempt">,
): boolean {
  return state === "active" && current_attempt !== null && collecting.has(current_attempt);
}

const isPending = ({ state }: { state: string }): boolean => state === ("pending" satisfies RunState);

/** What experiments declare, each name once: their primary metrics, then the others in the order of their files. */
function primaryFirst(experiments: readonly Pick<ExperimentRecord, "definition">[]): string[] {
  const definitions = experiments.map(({ definition }) => definition);
  return [
    ...new Set([
      ...definitions.map((definition) => definition.primary_metric),
      ...definitions.flatMap((definition) => Object.keys(definition.metrics)),
    ]),
  ];
}

function filtered(db: Db, { experiments, states, arm, task, seed }: RunQuery) {
  let query = runsAtPlaces(db).innerJoin("experiments", "experiments.id", "placements.experiment_id");
  if (experiments !== undefined) query = query.where("placements.experiment_id", "in", experiments);
  else query = query.where("experiments.state", "!=", "archived");
  if (states !== undefined && states.length > 0) query = query.where("runs.state", "in", states);
  if (arm !== undefined) query = query.where("placements.arm", "=", arm);
  if (task !== undefined) query = query.where("placements.task", "=", task);
  if (seed !== undefined) query = query.where("placements.seed", "=", seed);
  return query;
}

/** Everything that is known of a run. */
export async function presentRun({ lab, dispatcher }: Sources, run: RunRecord): Promise<RunDetail> {
  const { data } = lab;
  const { db } = lab.store;
  const placements = await placementsOfRun(db, run.id);
  const experiments = await Promise.all(placements.map((one) => experimentById(db, one.experiment_id)));
  const present = experiments.toSorted((a, b) => (a.created_at < b.created_at ? 1 : -1))[0];
  const placement = placements.find((one) => one.experiment_id === present?.id);
  if (present === undefined || placement === undefined) throw new Error(`run ${run.id} has no place`);
  const attempts = await attemptsOfRun(db, run.id);
  const last = attempts.at(-1);
  const result = run.result_attempt === null ? null : await resultOf(db, run.result_attempt);
  return {
    id: run.id,
    experiment: reference(present),
    arm: run.arm,
    task: run.task,
    grid: placement.grid,
    seed: run.seed,
    state: run.state,
    stale: null,
    attempts: run.attempts,
    metrics: result?.metrics ?? null,
    reason: reasonOf(run),
    waiting: await waitingOf(db, run, last),
    host: last?.host ?? null,
    duration: last?.duration ?? null,
    changed_at: run.changed_at,
    collecting: isCollecting(dispatcher, run),
    waits_for: (await awaitedRuns(db, [run.id])).get(run.id) ?? [],
    closed: closedFor(lab, run, last ?? { state: null, compute: null, compute_id: null }, allClosed(lab, present)),
    needs: await neededBy(db, run, last?.needs ?? {}),
    needed_by: await needing(db, run),
    declared_metrics: primaryFirst([present]).filter((name) => metricsOf(present.definition, run.arm).includes(name)),
    parameters: run.parameters,
    command: commandText(present, run, data, last?.number ?? 1),
    ...presentRepeat(present, run, last, await modulesAt(db, last)),
    source: present.source,
    environment: present.environment,
    inputs: present.inputs,
    retries: run.retries,
    not_before: run.not_before,
    attempt_list: attempts.map(attemptView),
    result,
    shared_by: experiments.map(reference),
  };
}

/** Environment modules of the compute of an attempt. */
async function modulesAt(db: Db, attempt: AttemptRecord | undefined): Promise<readonly string[]> {
  if (attempt === undefined) return [];
  const query = db.selectFrom("computes").selectAll().where("id", "=", attempt.compute_id);
  const row = await query.executeTakeFirst();
  const configuration = row === undefined ? null : decodeRow("computes", row).configuration;
  return configuration !== null && "modules" in configuration ? configuration.modules : [];
}

async function waitingOf(db: Db, run: RunRecord, last: AttemptRecord | undefined): Promise<RunDetail["waiting"]> {
  if (run.state !== "active" || last === undefined) return null;
  const row = await db.selectFrom("waiting_jobs").selectAll().where("attempt_id", "=", last.id).executeTakeFirst();
  return row === undefined ? null : { compute: last.compute, ...waitOf(row) };
}

async function resultOf(db: Db, attemptId: string): Promise<RunDetail["result"]> {
  const row = await db
    .selectFrom("results")
    .select(["attempt_id", "metrics", "inputs_hash", "artifacts", "warnings"])
    .where("attempt_id", "=", attemptId)
    .executeTakeFirst();
  return row === undefined ? null : decodeRow("results", row);
}

function attemptView(attempt: AttemptRecord): AttemptView {
  const { run_id: _, experiment_id: __, fence: ___, resources: ____, needs: _____, ...view } = attempt;
  return view;
}

/** The command with its values, inputs and output named by variables that a run finds in its environment. */
export function commandText(
  experiment: Pick<ExperimentRecord, "definition">,
  run: Pick<RunRecord, "id" | "seed" | "arm" | "task" | "parameters" | "needs">,
  data: DataDirectory,
  attempt: number,
): string {
  const { definition } = experiment;
  const directory = AttemptDirectory.in(data.root, run.id, `${run.id.slice(0, 16)}-${attempt}`);
  const rendered = renderCommand(definition.run, {
    seed: run.seed,
    arm: run.arm,
    task: run.task,
    parameters: run.parameters,
    inputs: Object.fromEntries(Object.entries(definition.inputs).map(([name, { path }]) => [name, path])),
    needs: needPaths(definition, run, directory.needs),
    output: directory.output,
    run_id: run.id,
    attempt,
    resume: null,
  });
  return "shell" in rendered ? rendered.shell : rendered.argv.map(shellQuote).join(" ");
}
