import type { Kysely } from "kysely";
import { contentHash } from "../../domain/canonical.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Experiment } from "../../domain/experiment.ts";
import { pathText } from "../../domain/files/explain.ts";
import { positionOf } from "../../domain/files/source.ts";
import { suggestion } from "../../domain/files/suggest.ts";
import { neededExperiments, needsOfArm, Offer, type IdentifiedRun, type NeedProblem } from "../../domain/needs.ts";
import type { ExperimentRecord, NeededExperiment } from "../../domain/records.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import { decodeRow, type Database } from "../../store/tables.ts";
import { experimentsNamed } from "../records/experiment-queries.ts";

/** The file that needs are stated in. */
interface NeedingFile {
  file: string;
  text: string;
}

/** The experiments that one needs runs of, as they are now. */
export class NeededRuns {
  readonly offers = new Map<string, Offer>();
  readonly #found = new Map<string, { experiment: ExperimentRecord; keys: Set<string> }>();

  /** @param versions of the experiment, the newest first */
  add(
    name: string,
    experiment: ExperimentRecord,
    runs: Parameters<Offer["add"]>[0][],
    versions: readonly ExperimentRecord[],
  ): void {
    const earlier = versions.filter(({ version }) => version < experiment.version).toReversed();
    const arms = earlier.flatMap((one) =>
      Object.keys(one.definition.arms).map((arm) => [arm, reference(one)] as const),
    );
    this.offers.set(name, new Offer(reference(experiment), runs, new Map(arms)));
    this.#found.set(name, { experiment, keys: new Set(runs.map(({ key }) => key)) });
  }

  /** What is recorded of them: which versions they were, and which of their runs are needed. */
  records(runs: readonly IdentifiedRun[]): Record<string, NeededExperiment> {
    const needed = new Set(runs.flatMap(({ needs }) => Object.values(needs)));
    return Object.fromEntries(
      [...this.#found].map(([name, { experiment, keys }]) => {
        const runs_hash = contentHash([...needed.intersection(keys)].toSorted());
        return [name, { experiment_id: experiment.id, reference: reference(experiment), runs_hash }];
      }),
    );
  }
}

/**
 * Looks up the experiments that one needs: NAME is its newest version, NAME@2 its second.
 *
 * @throws RigorError `file-invalid` with line and column for one that this lab does not have
 */
export async function findNeeded(
  db: Kysely<Database>,
  definition: Experiment,
  where: NeedingFile,
): Promise<NeededRuns> {
  const needed = new NeededRuns();
  for (const written of neededExperiments(definition)) {
    const [, name = "", version] = /^([^@]*)(?:@(\d+))?$/.exec(written) ?? [];
    const versions = await experimentsNamed(db, name);
    const experiment = version === undefined ? versions[0] : versions.find((one) => one.version === Number(version));
    if (experiment === undefined) {
      const problem = versions[0] === undefined ? await noExperiment(db, name) : noVersion(written, versions);
      refuseNeedProblems(
        placesOf(definition, written).map((path) => ({ path, problem })),
        where,
      );
      continue;
    }
    needed.add(written, experiment, await offeredRuns(db, experiment), versions);
  }
  return needed;
}

async function noExperiment(db: Kysely<Database>, name: string): Promise<string> {
  const rows = await db.selectFrom("experiments").select("name").distinct().execute();
  const meant = suggestion(
    name,
    rows.map((row) => row.name),
  );
  return `there is no experiment \`${name}\` in this lab${meant}; start it first, then this one`;
}

const noVersion = (written: string, versions: readonly ExperimentRecord[]): string =>
  `there is no ${written}; the newest version is ${reference(versions[0] as ExperimentRecord)}`;

function placesOf(definition: Experiment, written: string): NeedProblem["path"][] {
  const places = Object.keys(definition.arms).flatMap((arm) =>
    needsOfArm(definition, arm).filter(({ need }) => need.experiment === written),
  );
  return [...new Map(places.map(({ path }) => [path.join("."), path])).values()];
}

async function offeredRuns(db: Kysely<Database>, { id }: ExperimentRecord) {
  const rows = await db
    .selectFrom("placements")
    .select(["run_id", "arm", "task", "grid", "seed", "first_stage"])
    .where("experiment_id", "=", id)
    .orderBy("position")
    .execute();
  return rows.map((row) => {
    const { run_id: key, ...place } = decodeRow("placements", row);
    return { ...place, key };
  });
}

const mostShown = 10;

/** @throws RigorError `file-invalid` where a need cannot be met, with line and column */
export function refuseNeedProblems(problems: readonly NeedProblem[], { file, text }: NeedingFile): void {
  if (problems.length === 0) return;
  const lines = problems.slice(0, mostShown).map(({ path, problem }) => {
    const { line, column } = positionOf(text, path);
    return `${file}:${line}:${column}: ${pathText(path)}: ${problem}`;
  });
  if (problems.length > mostShown) lines.push(`and ${problems.length - mostShown} more`);
  throw new RigorError("file-invalid", lines.join("\n"), {
    next: "Correct the file and try again. What runs can need is in docs/guide.md of the package `rigor`.",
  });
}
