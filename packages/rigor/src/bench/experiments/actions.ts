import type { Kysely } from "kysely";
import { RigorError } from "../../domain/errors.ts";
import type { DomainEvent } from "../../domain/events/registry.ts";
import { shortId } from "../../domain/format/words.ts";
import type { ExperimentRecord, RunRecord } from "../../domain/records.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import { isDead } from "../../domain/rules/need-rules.ts";
import * as rules from "../../domain/rules/person-rules.ts";
import type { Transaction } from "../../store/store.ts";
import type { Database } from "../../store/tables.ts";
import type { Lab } from "../lab/lab.ts";
import { giveUpLost, saidSilent } from "../attempts/giving-up.ts";
import { findExperiment, findRun } from "../records/lookup.ts";
import { missingNeeds } from "../needs/missing-needs.ts";
import { experimentById } from "../records/experiment-queries.ts";
import { placementsOfRun, runsById, runsOfExperiment, wantedRuns } from "../records/run-queries.ts";
import { resolveExperiment } from "./resolve.ts";
import { startExperiment, type StartOptions } from "./start.ts";
import { isStale } from "./staleness.ts";

/** What people do to experiments and runs. Each is one decision in one transaction. */

export interface Changed {
  changed: number;
  message: string;
}

/** @param lost the machines that its runs are on are lost, and what is under way there has ended */
export async function cancelExperiment(
  lab: Lab,
  actor: string,
  name: string,
  message: string,
  lost = false,
): Promise<Changed> {
  return lab.store.transact(actor, async (transaction) => {
    const experiment = await findExperiment(transaction.db, name);
    const runs = await runsOfExperiment(transaction.db, experiment.id, ["pending", "active", "held"]);
    const wanted = await wantedRuns(
      transaction.db,
      runs.map((run) => run.id),
      experiment.id,
    );
    const own = runs.filter((run) => !wanted.has(run.id));
    const isOver = experiment.state === "cancelled" || experiment.state === "archived";
    const events = lost && isOver ? [] : rules.cancelExperiment(experiment, own, message);
    await transaction.append(events);
    const others = new Set(wanted);
    const ids = (await runsOfExperiment(transaction.db, experiment.id)).flatMap(({ id }) => (others.has(id) ? [] : id));
    const given = lost ? await giveUpLost(lab, transaction, ids, message) : 0;
    const left = await saidSilent(lab, transaction, ids, reference(experiment));
    const kept = runs.length - own.length;
    const shared = kept === 0 ? "" : `; ${kept} go on, because another experiment waits for them`;
    return {
      changed: events.length,
      message: `Cancelled ${reference(experiment)}${openRuns(own.length)}${shared}.${saidLost(given)}${left}`,
    };
  });
}

const saidLost = (count: number): string =>
  count === 0 ? "" : ` ${count === 1 ? "1 attempt" : `${count} attempts`} ended as lost.`;

function openRuns(count: number): string {
  if (count === 0) return "";
  return ` with ${count === 1 ? "1 open run" : `${count} open runs`}`;
}

export async function holdExperiment(lab: Lab, actor: string, name: string, message: string): Promise<Changed> {
  return lab.store.transact(actor, async (transaction) => {
    const experiment = await findExperiment(transaction.db, name);
    const events = rules.holdExperiment(experiment, message);
    await transaction.append(events);
    return {
      changed: events.length,
      message: `${reference(experiment)} is held: runs that are active go on, no other starts.`,
    };
  });
}

export async function releaseExperiment(
  lab: Lab,
  actor: string,
  name: string,
  release: { message: string; without_failed: boolean; gpu_hours?: number | undefined; wall?: number | undefined },
): Promise<Changed> {
  return lab.store.transact(actor, async (transaction) => {
    const experiment = await findExperiment(transaction.db, name);
    const held = await runsOfExperiment(transaction.db, experiment.id, ["held"]);
    const { gpu_hours = experiment.budget.gpu_hours, wall = experiment.budget.wall } = release;
    const raised = release.gpu_hours !== undefined || release.wall !== undefined;
    const events = rules.releaseExperiment(experiment, held, {
      note: release.message,
      budget: raised ? { gpu_hours, wall } : null,
      without_failed: release.without_failed,
    });
    await transaction.append(events);
    return { changed: events.length, message: `${reference(experiment)} goes on.` };
  });
}

export async function rerunFailed(lab: Lab, actor: string, name: string): Promise<Changed & { experiment: string }> {
  return lab.store.transact(actor, async (transaction) => {
    const experiment = await findExperiment(transaction.db, name);
    refuseArchived(experiment);
    const failed = await runsOfExperiment(transaction.db, experiment.id, ["failed", "invalid", "cancelled"]);
    const runs = await withoutVain(transaction.db, failed);
    if (runs.length === 0) await refuseWithoutNeeds(transaction.db, experiment, failed);
    if (runs.length === 0) await refuseInVain(transaction.db, failed);
    if (runs.length === 0)
      return { changed: 0, message: `No run of ${reference(experiment)} failed.`, experiment: reference(experiment) };
    const reason = "rerun of failed runs";
    const events = [...rules.resumeExperiment(experiment, reason), ...rules.rerunRuns(runs, reason)];
    await transaction.append(events);
    return {
      changed: runs.length,
      message: `${runs.length === 1 ? "1 run" : `${runs.length} runs`} of ${reference(experiment)} to run again${onceReleased([experiment])}.`,
      experiment: reference(experiment),
    };
  });
}

/** Starts the newest version of an experiment again on the present code, if its results are stale. */
export async function rerunStale(
  lab: Lab,
  actor: string,
  name: string,
  searchPath: string,
  options: StartOptions = {},
): Promise<Changed & { experiment: string }> {
  const experiment = await findExperiment(lab.store.db, name);
  refuseArchived(experiment);
  if (!(await isStale(experiment))) {
    return {
      changed: 0,
      message: `${reference(experiment)} is not stale: what \`code\` lists is as it was.`,
      experiment: reference(experiment),
    };
  }
  const file = `${experiment.source.repository}/${experiment.file}`;
  const resolved = await resolveExperiment({ file, search_path: searchPath, max_runs: experiment.total_runs }, lab);
  const started = await startExperiment(lab, actor, resolved, options);
  const present = await experimentById(lab.store.db, started.experiment_id);
  return {
    changed: resolved.runs.length,
    message: `${reference(present)}: ${started.message}.`,
    experiment: reference(present),
  };
}

export async function rerunRun(lab: Lab, actor: string, name: string, message: string): Promise<Changed> {
  return lab.store.transact(actor, async (transaction) => {
    const run = await findRun(transaction.db, name);
    const experiments = await experimentsAskingFor(transaction, run);
    const open = experiments.filter((one) => one.state !== "archived");
    const [archived] = experiments;
    if (open.length === 0 && archived !== undefined) refuseArchived(archived);
    const resumed = open.flatMap((one) => rules.resumeExperiment(one, message));
    await refuseInVain(transaction.db, [run]);
    await transaction.append([...resumed, ...rules.rerunRuns([run], message)]);
    return { changed: 1, message: `Run ${shortId(run.id)} runs again${onceReleased(open)}.` };
  });
}

/** @param lost the machine that it is on is lost, and what is under way there has ended */
export async function cancelRun(
  lab: Lab,
  actor: string,
  name: string,
  message: string,
  lost = false,
): Promise<Changed> {
  return lab.store.transact(actor, async (transaction) => {
    const run = await findRun(transaction.db, name);
    const events = rules.cancelRun(run, message);
    await transaction.append(events);
    const given = lost ? await giveUpLost(lab, transaction, [run.id], message) : 0;
    const left = await saidSilent(lab, transaction, [run.id], shortId(run.id));
    return { changed: events.length + given, message: `Run ${shortId(run.id)} is cancelled.${saidLost(given)}${left}` };
  });
}

export async function holdRun(lab: Lab, actor: string, name: string, message: string): Promise<Changed> {
  return changeRun(lab, actor, name, (run) => rules.holdRun(run, message), "is held");
}

/** Releases a run, and the experiments that wait for held runs only: a person's hold on an experiment stays. */
export async function releaseRun(lab: Lab, actor: string, name: string, message: string): Promise<Changed> {
  return lab.store.transact(actor, async (transaction) => {
    const run = await findRun(transaction.db, name);
    const experiments = await experimentsAskingFor(transaction, run);
    const waiting = experiments.filter((one) => one.hold?.code === "runs-held");
    await transaction.append([
      ...rules.releaseRun(run, message),
      ...waiting.flatMap((one) => rules.resumeExperiment(one, message)),
    ]);
    return { changed: 1, message: `Run ${shortId(run.id)} is released${onceReleased(experiments)}.` };
  });
}

/** What runs wait for, where a person holds all experiments that ask for them. */
function onceReleased(experiments: readonly ExperimentRecord[]): string {
  if (experiments.length === 0 || !experiments.every(rules.isHeldByPerson)) return "";
  const releases = experiments.map((one) => `\`rigor release ${reference(one)}\``);
  return `; nothing of it starts before ${releases.join(" or ")}`;
}

/** Those of some runs that can get what they need, when they run again together. */
async function withoutVain(db: Kysely<Database>, runs: readonly RunRecord[]): Promise<RunRecord[]> {
  const useful = [];
  for (const run of runs) if ((await deadNeed(db, run, runs)) === null) useful.push(run);
  return useful.length === runs.length ? useful : withoutVain(db, useful);
}

/** Refuses to run an experiment again while others have to be first, and says which. */
async function refuseWithoutNeeds(
  db: Kysely<Database>,
  experiment: ExperimentRecord,
  runs: readonly RunRecord[],
): Promise<void> {
  const [first, ...rest] = await missingNeeds(db, experiment, runs);
  if (first === undefined) return;
  const message = `Runs of ${reference(experiment)} want runs of ${first.experiment}, which have no result: ${first.why}.`;
  const remedies = [first, ...rest].map(({ remedy }) => remedy);
  throw new RigorError("not-possible", message, {
    next: `Make those first, and what needs them follows: ${remedies.join("; ")}`,
  });
}

/** Refuses to run again what needs a run that has no way to a result, unless that one runs again too. */
async function refuseInVain(db: Kysely<Database>, runs: readonly RunRecord[]): Promise<void> {
  for (const run of runs) {
    const dead = await deadNeed(db, run, runs);
    if (dead === null) continue;
    const { folder, id, state } = dead;
    const message = `Run ${shortId(run.id)} needs ${folder}, run ${shortId(id)}, which is ${state}.`;
    const next = `Run that one again, and those that need it follow: rigor rerun ${shortId(id)}`;
    throw new RigorError("not-possible", message, { next });
  }
}

/** A run that one needs and that has no way to a result, not even together with others that run again. */
async function deadNeed(db: Kysely<Database>, run: RunRecord, together: readonly RunRecord[]) {
  const needed = await runsById(db, Object.values(run.needs));
  for (const [folder, id] of Object.entries(run.needs)) {
    const state = needed.get(id)?.state;
    if (state !== undefined && isDead(state) && !together.some((one) => one.id === id)) return { folder, id, state };
  }
  return null;
}

async function changeRun(
  lab: Lab,
  actor: string,
  name: string,
  decide: (run: RunRecord) => DomainEvent[],
  done: string,
): Promise<Changed> {
  return lab.store.transact(actor, async (transaction) => {
    const run = await findRun(transaction.db, name);
    const events = decide(run);
    await transaction.append(events);
    return { changed: events.length, message: `Run ${shortId(run.id)} ${done}.` };
  });
}

async function experimentsAskingFor(transaction: Transaction, run: RunRecord): Promise<ExperimentRecord[]> {
  const placements = await placementsOfRun(transaction.db, run.id);
  return Promise.all(placements.map((placement) => experimentById(transaction.db, placement.experiment_id)));
}

/** @throws RigorError `not-possible` for a version that is not the newest: it stays as it is */
export function refuseArchived(experiment: ExperimentRecord): void {
  if (experiment.state !== "archived") return;
  throw new RigorError("not-possible", `${reference(experiment)} was superseded by a newer version.`, {
    next: `Use ${experiment.name}, which names the newest version.`,
  });
}
