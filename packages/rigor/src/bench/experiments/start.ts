import type { Kysely } from "kysely";
import { contentHash } from "../../domain/canonical.ts";
import { artifactsOf } from "../../domain/design.ts";
import { RigorError } from "../../domain/errors.ts";
import type { DomainEvent } from "../../domain/events/registry.ts";
import type { Experiment } from "../../domain/experiment.ts";
import type { RunState } from "../../domain/lifecycle.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import { isSmokeRun } from "../../domain/issues/smoke-run.ts";
import { codeUnchanged } from "../../domain/rules/attempt-rules.ts";
import { needInvalid } from "../../domain/rules/need-rules.ts";
import { cancelRun, rerunRuns, resumeExperiment } from "../../domain/rules/person-rules.ts";
import { hasCommit } from "../../provenance/git.ts";
import { keepCommit } from "../../provenance/snapshot.ts";
import { checkRun } from "../../statistics/checks.ts";
import type { Transaction } from "../../store/store.ts";
import type { Database } from "../../store/tables.ts";
import type { Lab } from "../lab/lab.ts";
import { experimentsNamed, relatedExperiments } from "../records/experiment-queries.ts";
import {
  invalidResults,
  judgedRuns,
  measuredBefore,
  runsOfExperiment,
  runStates,
  wantedRuns,
} from "../records/run-queries.ts";
import { foreknowledge, knownRuns } from "./foreknowledge.ts";
import { fingerprint, type ResolvedExperiment } from "./resolve.ts";

export interface Started {
  experiment_id: string;
  created: boolean;
  message: string;
}

export interface StartOptions {
  /** When its plan was fixed, where that was before now: what was measured since then was not known. */
  fixedAt?: string | null;
  /** Asked before a new version puts others of its name aside. @throws RigorError where it may not */
  mayReplace?: (db: Kysely<Database>, name: string) => Promise<void>;
}

/**
 * Starts a resolved experiment, or finds it again: the same plan on the same code, environment and inputs is the
 * same experiment. Anything else is a new version, which shares every run whose key is the same.
 */
export async function startExperiment(
  lab: Lab,
  actor: string,
  resolved: ResolvedExperiment,
  { fixedAt = null, mayReplace }: StartOptions = {},
): Promise<Started> {
  const present = async (db: Kysely<Database>) => {
    const earlier = await experimentsNamed(db, resolved.definition.name);
    const same = sameExperiment(earlier, resolved);
    if (same === undefined) {
      await refuseOtherRepository(earlier, resolved);
      await mayReplace?.(db, resolved.definition.name);
    }
    return { earlier, same };
  };
  // What is refused leaves the repository as it was.
  await present(lab.store.db);
  // A snapshot, or a commit that is amended away, must not be collected while results name it.
  await keepCommit(resolved.source.repository, resolved.source.commit);
  return lab.store.transact(actor, async (transaction) => {
    const { earlier, same } = await present(transaction.db);
    const started =
      same === undefined
        ? await create(transaction, resolved, earlier, fixedAt)
        : await goOn(transaction, same, resolved.definition.compute);
    // Only where its repository is can it be taken further.
    if ((same ?? resolved).source.repository === resolved.source.repository) {
      await lab.driving.bringHome(transaction, started.experiment_id);
    }
    return started;
  });
}

/**
 * A new version puts the earlier one aside and cancels what waits, so it must be of the same repository: at the same
 * place, or one that has the commits of the other.
 */
async function refuseOtherRepository(
  earlier: readonly ExperimentRecord[],
  { definition, source: { repository } }: ResolvedExperiment,
): Promise<void> {
  for (const one of earlier) {
    const { source, state } = one;
    if (state === "archived" || state === "cancelled" || source.repository === repository) continue;
    const commit = source.dirty && source.base !== null ? source.base : source.commit;
    if (await hasCommit(repository, commit)) continue;
    throw new RigorError(
      "not-possible",
      `${reference(one)} is an experiment of another repository, ${source.repository}.`,
      {
        next:
          `Give this one another \`name\` than ${definition.name}: a new version would put that one aside. ` +
          `In another clone of the same repository, fetch commit ${commit.slice(0, 12)} first.`,
      },
    );
  }
}

/** The experiment that starting a resolved one would find again; undefined where it would be a new version. */
export function sameExperiment(
  earlier: readonly ExperimentRecord[],
  resolved: ResolvedExperiment,
): ExperimentRecord | undefined {
  return earlier.find((one) => one.state !== "archived" && fingerprint(one) === fingerprint(resolved));
}

/** What a second call finds. Runs that a person cancelled are asked for again; everything else is left alone. */
async function goOn(transaction: Transaction, experiment: ExperimentRecord, compute: string[]): Promise<Started> {
  const found = { experiment_id: experiment.id, created: false };
  const name = reference(experiment);
  const moved = experiment.compute.join() !== compute.join();
  if (moved) await transaction.append([{ kind: "experiment.placed", entity: experiment.id, data: { compute } }]);
  if (experiment.state !== "cancelled") {
    const where = moved ? `; what is to start from now on starts on ${compute.join(", ")}` : "";
    return {
      ...found,
      message: `${name} is ${experiment.state} already: same plan, code, environment and inputs${where}`,
    };
  }
  const runs = await runsOfExperiment(transaction.db, experiment.id);
  const cancelled = runs.filter((run) => run.state === "cancelled");
  const reason = "asked for again";
  await transaction.append([...resumeExperiment(experiment, reason), ...rerunRuns(cancelled, reason)]);
  return { ...found, message: `${name} was cancelled and goes on` };
}

async function create(
  transaction: Transaction,
  resolved: ResolvedExperiment,
  earlier: readonly ExperimentRecord[],
  fixedAt: string | null,
): Promise<Started> {
  const { definition, plan_hash, file, source, environment, inputs, needs, search_path, runs } = resolved;
  const version = Math.max(0, ...earlier.map((one) => one.version)) + 1;
  const id = contentHash([transaction.origin, definition.name, version]).slice(0, 16);
  const states = await runStates(
    transaction.db,
    runs.map((run) => run.key),
  );
  const related = await relatedExperiments(transaction.db, {
    name: definition.name,
    file,
    repository: source.repository,
  });
  const judged = await judgedRuns(
    transaction.db,
    related.filter((one) => !isSmokeRun(one.name)),
  );
  const known = knownRuns(resolved, states).union(judged);
  const created: DomainEvent = {
    kind: "experiment.created",
    entity: id,
    data: {
      name: definition.name,
      version,
      plan_hash,
      definition,
      file,
      source,
      environment,
      inputs,
      needs,
      search_path,
      total_runs: runs.length,
      foreknowledge: foreknowledge(
        resolved,
        related,
        fixedAt === null ? known : await measuredBefore(transaction.db, known, fixedAt),
      ),
    },
  };
  const superseded = earlier.filter((one) => one.state !== "archived");
  await transaction.append([
    created,
    ...runEvents(id, resolved, states),
    ...superseded.map((one): DomainEvent => ({
      kind: "experiment.archived",
      entity: one.id,
      data: { superseded_by: id },
    })),
    { kind: "experiment.started", entity: id, data: {} },
    ...cancelledRuns(resolved, states),
    ...(await restoredRuns(transaction, resolved, states)),
    ...(await orphans(transaction, resolved, superseded)),
  ]);
  return { experiment_id: id, created: true, message: whyNew(resolved, earlier) };
}

function runEvents(experimentId: string, resolved: ResolvedExperiment, states: Map<string, RunState>): DomainEvent[] {
  const finalStage = resolved.definition.stages.length - 1;
  return resolved.runs.map((run, position): DomainEvent => {
    const { arm, task, grid, parameters } = run.cell;
    const placement = {
      experiment_id: experimentId,
      position,
      arm,
      task,
      grid,
      seed: run.seed,
      stages: run.stages,
      in_final_stage: run.stages.includes(finalStage),
    };
    return states.has(run.key)
      ? { kind: "run.shared", entity: run.key, data: { placement } }
      : { kind: "run.created", entity: run.key, data: { parameters, needs: run.needs, placement } };
  });
}

/** Runs that a person cancelled for an earlier experiment are asked for again by the new one. */
function cancelledRuns(resolved: ResolvedExperiment, states: Map<string, RunState>): DomainEvent[] {
  return resolved.runs
    .filter(({ key }) => states.get(key) === "cancelled")
    .map(({ key }): DomainEvent => ({ kind: "run.requeued", entity: key, data: { reason: "asked for again" } }));
}

/** Why runs are invalid that no other statement of the checks can bring back. */
const lasting: ReadonlySet<string | undefined> = new Set(["person", needInvalid, codeUnchanged]);

/** Runs that a check had refused, and that pass the checks as they are now stated. A person's word is left alone. */
async function restoredRuns(
  transaction: Transaction,
  { definition, runs }: ResolvedExperiment,
  states: Map<string, RunState>,
): Promise<DomainEvent[]> {
  const invalid = runs.filter(({ key }) => states.get(key) === "invalid").map(({ key }) => key);
  const results = await invalidResults(transaction.db, invalid);
  return [...results]
    .filter(([, { reason, ...result }]) => {
      return !lasting.has(reason?.code) && checkRun({ experiment: definition, ...result }).length === 0;
    })
    .map(([id]): DomainEvent => ({
      kind: "run.restored",
      entity: id,
      data: { reason: `passes the checks of ${definition.name} as they are stated now` },
    }));
}

/** Runs that only the superseded versions wait for. Those that run already go on: hours of work are not thrown away. */
async function orphans(
  transaction: Transaction,
  resolved: ResolvedExperiment,
  superseded: readonly ExperimentRecord[],
): Promise<DomainEvent[]> {
  const wanted = new Set(resolved.runs.map(({ key }) => key));
  const events: DomainEvent[] = [];
  for (const old of superseded) {
    const waiting = (await runsOfExperiment(transaction.db, old.id, ["pending", "held"])).filter(
      ({ id }) => !wanted.has(id),
    );
    const shared = await wantedRuns(
      transaction.db,
      waiting.map(({ id }) => id),
      old.id,
    );
    for (const run of waiting) {
      if (!shared.has(run.id))
        events.push(...cancelRun(run, `superseded by a newer version of ${resolved.definition.name}`));
    }
  }
  return events;
}

/** Runs of the same arm that keep other files are other runs, which has to be known before they are made. */
function keepsOtherFiles(before: Experiment, now: Experiment): boolean {
  const kept = (experiment: Experiment, arm: string) => artifactsOf(experiment, arm).toSorted().join("\n");
  const both = Object.keys(now.arms).filter((arm) => Object.hasOwn(before.arms, arm));
  return both.some((arm) => kept(before, arm) !== kept(now, arm));
}

const neededRuns = ({ needs }: Pick<ExperimentRecord, "needs">): string =>
  contentHash(Object.fromEntries(Object.entries(needs).map(([name, { runs_hash }]) => [name, runs_hash])));

/** Why an experiment is a new version, in words. */
export function whyNew(resolved: ResolvedExperiment, earlier: readonly ExperimentRecord[]): string {
  const latest = earlier.toSorted((a, b) => b.version - a.version)[0];
  if (latest === undefined) return "first version of this experiment";
  const changes: string[] = [];
  if (latest.plan_hash !== resolved.plan_hash) changes.push("the plan");
  if (keepsOtherFiles(latest.definition, resolved.definition)) changes.push("what runs keep (`artifacts`)");
  if (contentHash(latest.source.code) !== contentHash(resolved.source.code)) changes.push("the code");
  if (latest.environment.key !== resolved.environment.key) changes.push("the environment");
  if (contentHash(latest.inputs) !== contentHash(resolved.inputs)) changes.push("an input");
  if (neededRuns(latest) !== neededRuns(resolved)) changes.push("a needed experiment");
  const what = changes.length === 0 ? "nothing" : changes.join(" and ");
  // A copied file with its old name is often a slip.
  const moved = latest.file === resolved.file ? "" : `, which is ${latest.file}`;
  return `${what} changed since ${reference(latest)}${moved}`;
}
