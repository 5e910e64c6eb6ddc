import type { Kysely } from "kysely";
import { experimentById } from "../../bench/records/experiment-queries.ts";
import { placementsOfRun, runsById } from "../../bench/records/run-queries.ts";
import type { ResolvedExperiment } from "../../bench/experiments/resolve.ts";
import { needsOfArm } from "../../domain/needs.ts";
import type { RunState } from "../../domain/lifecycle.ts";
import type { AttemptRecord, ExperimentRecord, RunRecord } from "../../domain/records.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import type { Database } from "../../store/tables.ts";
import type { PlanView } from "../contract/views/plan.ts";
import type { RunDetail } from "../contract/views/runs.ts";

type Db = Kysely<Database>;
type Related = RunDetail["needs"][number];

/** The runs that a run needs. @param given what its last attempt was given of them */
export async function neededBy(db: Db, run: RunRecord, given: AttemptRecord["needs"]): Promise<Related[]> {
  const runs = await runsById(db, Object.values(run.needs));
  return Promise.all(
    Object.entries(run.needs).flatMap(([folder, id]) => {
      const other = runs.get(id);
      return other === undefined ? [] : [related(db, other, folder, given[folder]?.sha256 ?? null)];
    }),
  );
}

/** The runs that need a run. */
export async function needing(db: Db, run: RunRecord): Promise<Related[]> {
  const rows = await db.selectFrom("needs").select(["run_id", "folder"]).where("needed", "=", run.id).execute();
  const runs = await runsById(
    db,
    rows.map((row) => row.run_id),
  );
  return Promise.all(
    rows.flatMap(({ run_id, folder }) => {
      const other = runs.get(run_id);
      return other === undefined ? [] : [related(db, other, folder, null)];
    }),
  );
}

async function related(db: Db, run: RunRecord, folder: string, sha256: string | null): Promise<Related> {
  const [placement] = await placementsOfRun(db, run.id);
  const experiment = await experimentById(db, run.experiment_id);
  const { id: run_id, arm, task, seed, state } = run;
  return {
    folder,
    run_id,
    experiment: reference(experiment),
    arm,
    task,
    grid: placement?.grid ?? {},
    seed,
    state,
    sha256,
  };
}

/** Which runs of a plan wait for which. @param states of the runs that exist, those that are needed among them */
export function plannedNeeds(
  { definition, runs, needs }: ResolvedExperiment,
  states: ReadonlyMap<string, RunState>,
): PlanView["needs"] {
  return Object.keys(definition.arms).flatMap((arm) => {
    const ofArm = runs.filter((run) => run.cell.arm === arm);
    return needsOfArm(definition, arm).map(({ need }) => {
      const inFolder = (folder: string) => folder === need.folder || folder.startsWith(`${need.folder}/`);
      const needed = ofArm.map((run) =>
        Object.entries(run.needs).flatMap(([folder, id]) => (inFolder(folder) ? id : [])),
      );
      const from = need.experiment === null ? need.arm : [needs[need.experiment]?.reference, need.arm];
      return {
        arm,
        folder: need.folder,
        from: [from]
          .flat()
          .filter((part) => typeof part === "string")
          .join("/"),
        runs: ofArm.length,
        ready: needed.filter((ids) => ids.every((id) => states.get(id) === "done")).length,
      };
    });
  });
}

/** The experiments whose runs are needed, as they are now, where that has to be known. */
export async function notesOnNeeds(db: Db, { needs }: Pick<ExperimentRecord, "needs">): Promise<string[]> {
  const notes: string[] = [];
  for (const { experiment_id } of Object.values(needs)) {
    const experiment = await experimentById(db, experiment_id);
    const name = reference(experiment);
    if (experiment.state === "held") {
      notes.push(`${name}, which is needed, is held: ${experiment.hold?.reason ?? "no reason is known"}`);
    } else if (experiment.state === "cancelled" || experiment.state === "archived") {
      notes.push(`${name}, which is needed, is ${experiment.state}: what it has not done is not done any more`);
    }
  }
  return notes;
}
