import { RigorError } from "../domain/errors.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import { shortId } from "../domain/format/words.ts";
import type { ExperimentRecord, RunRecord } from "../domain/records.ts";
import { reference } from "../domain/rules/experiment-rules.ts";
import * as rules from "../domain/rules/person-rules.ts";
import type { Transaction } from "../store/store.ts";
import type { Lab } from "./lab.ts";
import { findExperiment, findRun } from "./lookup.ts";
import { experimentById, placementsOfRun, runsOfExperiment, wantedRuns } from "./queries.ts";
import { resolveExperiment } from "./resolve.ts";
import { startExperiment } from "./start.ts";
import { isStale } from "./staleness.ts";

/** What people do to experiments and runs. Each is one decision in one transaction. */

export interface Changed {
  changed: number;
  message: string;
}

export async function cancelExperiment(lab: Lab, actor: string, name: string, message: string): Promise<Changed> {
  return lab.store.transact(actor, async (transaction) => {
    const experiment = await findExperiment(transaction.db, name);
    const runs = await runsOfExperiment(transaction.db, experiment.id, ["pending", "active", "held"]);
    const wanted = await wantedRuns(
      transaction.db,
      runs.map((run) => run.id),
      experiment.id,
    );
    const own = runs.filter((run) => !wanted.has(run.id));
    const events = rules.cancelExperiment(experiment, own, message);
    await transaction.append(events);
    const kept = runs.length - own.length;
    const shared = kept === 0 ? "" : `; ${kept} go on, because another experiment waits for them`;
    return {
      changed: events.length,
      message: `Cancelled ${reference(experiment)} with ${openRuns(own.length)}${shared}.`,
    };
  });
}

const openRuns = (count: number): string => (count === 1 ? "1 open run" : `${count} open runs`);

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
    const runs = await runsOfExperiment(transaction.db, experiment.id, ["failed", "invalid", "cancelled"]);
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
  const resolved = await resolveExperiment(
    { file, search_path: searchPath, max_runs: experiment.total_runs },
    lab.data,
  );
  const started = await startExperiment(lab, actor, resolved);
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
    await transaction.append([...resumed, ...rules.rerunRuns([run], message)]);
    return { changed: 1, message: `Run ${shortId(run.id)} runs again${onceReleased(open)}.` };
  });
}

export async function cancelRun(lab: Lab, actor: string, name: string, message: string): Promise<Changed> {
  return changeRun(lab, actor, name, (run) => rules.cancelRun(run, message), "is cancelled");
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

function refuseArchived(experiment: ExperimentRecord): void {
  if (experiment.state !== "archived") return;
  throw new RigorError("not-possible", `${reference(experiment)} was superseded by a newer version.`, {
    next: `Use ${experiment.name}, which names the newest version.`,
  });
}
