import type { Kysely } from "kysely";
import { canonicalJson, type Json } from "../../domain/canonical.ts";
import type { AttemptRecord, ExperimentRecord } from "../../domain/records.ts";
import { decodeRow, type Database } from "../../store/tables.ts";
import type { ResolvedExperiment } from "../experiments/resolve.ts";

/** The most that finished runs used, in bytes; null where nothing was seen. */
type Peaks = Pick<AttemptRecord, "memory_peak" | "gpu_memory_peak">;

interface CellOf {
  arm: string;
  task: string;
  parameters: Record<string, Json>;
}

/** Runs that differ in nothing but their seed use about the same. */
const cellKey = ({ arm, task, parameters }: CellOf): string => canonicalJson([arm, task, parameters]);

/** What runs of every version of an experiment used that gave a result, by {@link cellKey}. */
async function peaksOf(db: Kysely<Database>, name: string): Promise<Map<string, Peaks>> {
  const rows = await db
    .selectFrom("attempts")
    .innerJoin("runs", "runs.id", "attempts.run_id")
    .innerJoin("experiments", "experiments.id", "attempts.experiment_id")
    .select(({ fn }) => [
      "runs.arm",
      "runs.task",
      "runs.parameters",
      fn.max("attempts.memory_peak").as("memory_peak"),
      fn.max("attempts.gpu_memory_peak").as("gpu_memory_peak"),
    ])
    .where("experiments.name", "=", name)
    .where("attempts.state", "=", "succeeded")
    .groupBy(["runs.arm", "runs.task", "runs.parameters"])
    .execute();
  return new Map(
    rows.map(({ memory_peak, gpu_memory_peak, ...cell }) => [
      cellKey(decodeRow("runs", cell)),
      { memory_peak, gpu_memory_peak },
    ]),
  );
}

/** Bytes that an experiment file asks for, that runs were seen to use, and that would be enough; null for none. */
interface MemoryNeed {
  asked: number | null;
  seen: number | null;
  proposed: number | null;
}

/** What a run may need beyond the most that was seen. Placement adds it for cards by itself. */
const headroom = 1.2;

/** What the file asks for, beside what runs of the same cells were seen to use. */
export async function memoryNeeds(
  db: Kysely<Database>,
  { definition, runs }: Pick<ResolvedExperiment, "definition" | "runs">,
): Promise<{ memory: MemoryNeed; gpu_memory: MemoryNeed | null }> {
  const peaks = await peaksOf(db, definition.name);
  const seen = [...new Set(runs.map(({ cell }) => cellKey(cell)))].flatMap((key) => peaks.get(key) ?? []);
  const { memory, gpu_memory, gpus } = definition.resources;
  const most = (what: keyof Peaks) => seen.reduce<number | null>((max, one) => larger(max, one[what]), null);
  return {
    memory: needOf(memory, most("memory_peak"), headroom),
    gpu_memory: gpus === 0 ? null : needOf(gpu_memory, most("gpu_memory_peak"), 1),
  };
}

const larger = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.max(a, b);

function needOf(asked: number | null, seen: number | null, factor: number): MemoryNeed {
  const isEnough = seen === null || (asked !== null && asked >= seen);
  return { asked, seen, proposed: isEnough ? null : roundedUp(seen * factor) };
}

/** A size that reads well in a file. */
function roundedUp(size: number): number {
  const step = size >= 1e9 ? 1e8 : 1e7;
  return Math.ceil(size / step) * step;
}

/** How much memory of a card runs that wait will need, as far as runs of their cells have shown it. */
export class LearntNeeds {
  readonly #db: Kysely<Database>;
  /** By name of experiment. */
  readonly #peaks = new Map<string, Map<string, Peaks>>();

  constructor(db: Kysely<Database>) {
    this.#db = db;
  }

  /** Another run of an experiment has ended. */
  forget({ name }: Pick<ExperimentRecord, "name">): void {
    this.#peaks.delete(name);
  }

  /** @returns bytes by run, for those of which something is known */
  async of({ name, definition }: ExperimentRecord, runIds: readonly string[]): Promise<Map<string, number>> {
    const needs = new Map<string, number>();
    if (definition.resources.gpus === 0) return needs;
    const peaks = this.#peaks.get(name) ?? (await peaksOf(this.#db, name));
    this.#peaks.set(name, peaks);
    if (runIds.length === 0 || ![...peaks.values()].some((one) => one.gpu_memory_peak !== null)) return needs;
    const rows = await this.#db
      .selectFrom("runs")
      .select(["id", "arm", "task", "parameters"])
      .where("id", "in", runIds)
      .execute();
    for (const row of rows) {
      const need = peaks.get(cellKey(decodeRow("runs", row)))?.gpu_memory_peak ?? null;
      if (need !== null) needs.set(row.id, need);
    }
    return needs;
  }
}
