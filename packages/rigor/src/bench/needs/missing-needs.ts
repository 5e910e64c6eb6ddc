import type { Kysely } from "kysely";
import { neededExperiments } from "../../domain/needs.ts";
import type { ExperimentRecord, RunRecord } from "../../domain/records.ts";
import type { MissingNeed } from "../../domain/rules/experiment-rules.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import { isDead, needFailed } from "../../domain/rules/need-rules.ts";
import type { Database } from "../../store/tables.ts";
import { experimentById } from "../records/experiment-queries.ts";
import { placementsOfRun, runsById } from "../records/run-queries.ts";

type Db = Kysely<Database>;

/**
 * For want of whose runs those of an experiment have no result: the other experiments at the beginning of each chain of
 * needs, where something has to be done.
 *
 * @param runs of the experiment, those that were not started, or were stopped, for want of another one
 */
export async function missingNeeds(
  db: Db,
  { id, file, definition }: Pick<ExperimentRecord, "id" | "file" | "definition">,
  runs: readonly Pick<RunRecord, "id">[],
): Promise<MissingNeed[]> {
  const found = new Map<string, MissingNeed>();
  const written = neededExperiments(definition);
  const causes = await firstCauses(
    db,
    runs.map((run) => run.id),
  );
  for (const cause of causes.values()) {
    const { experiment, isIts } = await askingFor(db, cause, id);
    if (isIts) continue;
    const name = reference(experiment);
    const before = found.get(name)?.runs ?? 0;
    const why = `${cause.state}${cause.reason === null ? "" : `: ${cause.reason.message}`}`;
    // Nobody makes runs of an older version any more.
    const again = written.includes(name)
      ? `once its \`needs\` name ${experiment.name}, which is the newest version, instead of ${name}`
      : `it then needs the newest version of ${experiment.name}`;
    const remedy = experiment.state === "archived" ? `rigor run ${file} (${again})` : `rigor rerun ${name} --failed`;
    found.set(name, { experiment: name, runs: before + 1, why, remedy });
  }
  return [...found.values()];
}

/** By run: the one without a way to a result for want of which it has none, and which itself wants no other. */
async function firstCauses(db: Db, runIds: readonly string[]): Promise<Map<string, RunRecord>> {
  const causes = new Map<string, RunRecord>();
  let chains = new Map(runIds.map((id) => [id, id]));
  while (chains.size > 0) {
    const runs = await runsById(db, [...new Set(chains.values())]);
    const needed = await runsById(db, [...new Set([...runs.values()].flatMap(({ needs }) => Object.values(needs)))]);
    const longer = new Map<string, string>();
    for (const [start, at] of chains) {
      const run = runs.get(at);
      const dead = Object.values(run?.needs ?? {}).flatMap((id) => needed.get(id) ?? []);
      const next = run?.reason?.code === needFailed ? dead.find(({ state }) => isDead(state)) : undefined;
      if (next !== undefined) longer.set(start, next.id);
      else if (run !== undefined && at !== start) causes.set(start, run);
    }
    chains = longer;
  }
  return causes;
}

/** The newest experiment that asks for a run, and whether it is one's own. */
async function askingFor(db: Db, { id, experiment_id }: RunRecord, own: string) {
  const placements = await placementsOfRun(db, id);
  const isIts = placements.some((placement) => placement.experiment_id === own);
  const asking = await Promise.all(placements.map((placement) => experimentById(db, placement.experiment_id)));
  const open = asking.find(({ state }) => state !== "archived") ?? asking.find((one) => one.id === experiment_id);
  return { experiment: open ?? (await experimentById(db, experiment_id)), isIts };
}
