import type { HostCapacity } from "../compute/resources.ts";
import { RigorError } from "../domain/errors.ts";
import type { Compute } from "../domain/files/compute-schema.ts";
import type { ExperimentRecord, HoldCode } from "../domain/records.ts";
import { budgetProblem, reference } from "../domain/rules/experiment-rules.ts";
import { Budgets } from "./budgets.ts";
import type { Option } from "./choice.ts";
import type { Lab } from "./lab.ts";
import type { Lane } from "./lane.ts";
import type { Live } from "./live-attempts.ts";
import type { Preparation } from "./preparation.ts";
import { experimentById } from "./queries.ts";
import { computesOf } from "./settings.ts";

/** Where the runs of an experiment may start now. */
export interface Readiness {
  options: Option[];
  /** Whether these are all computes that it names. */
  complete: boolean;
}

/** A compute by the name that `rigor.yaml` gives it, with the limits that stand there. */
interface NamedLane {
  name: string;
  configuration: Compute;
  lane: Lane;
}

/** No run starts on a disk with less room than this: it would fail, and the log could not tell of it. */
const leastDisk = { bytes: 64 * 1024 * 1024, inodes: 256 };

/** What of a disk is too little for a run to start; null where there is enough. */
export function lackingRoom({ disk_free: bytes, inodes_free: inodes }: HostCapacity): string | null {
  const megabytes = (size: number) => `${Math.floor(size / 1e6)} MB`;
  if (bytes < leastDisk.bytes)
    return `the disk is full: ${megabytes(bytes)} are free, ${megabytes(leastDisk.bytes)} are needed`;
  return inodes < leastDisk.inodes
    ? `the disk is full: ${inodes} more files fit, ${leastDisk.inodes} are needed`
    : null;
}

/** What must hold before the runs of an experiment may start: its budget, and a compute that is ready for them. */
export class ReadinessCheck {
  readonly #lab: Lab;
  readonly preparation: Preparation;
  readonly #budgets: Budgets;
  readonly #onReady: () => void;

  /** @param onReady called when something that was waited for may be ready */
  constructor(lab: Lab, preparation: Preparation, onReady: () => void) {
    this.#lab = lab;
    this.preparation = preparation;
    this.#budgets = new Budgets(lab.store.db);
    this.#onReady = onReady;
  }

  /** Where runs may start; holds the experiment when its budget is used up, or when none of its computes can ever. */
  async of(experiment: ExperimentRecord, holding: readonly Live[]): Promise<Readiness> {
    const problem = await this.#overBudget(experiment, holding);
    if (problem !== null) {
      await this.hold(experiment, "budget", problem);
      return { options: [], complete: false };
    }
    const named = await this.#lanesOf(experiment);
    const options: Option[] = [];
    for (const { name, configuration, lane } of named) {
      lane.want();
      if (!this.#isUsable(lane) || !(await this.isPrepared(experiment, lane))) continue;
      options.push({
        name,
        configuration,
        id: lane.id,
        machine: lane.machine,
        capacity: lane.isPlaced ? lane.capacity : null,
      });
    }
    await this.#holdIfNoneCanBe(experiment, named);
    return { options, complete: named.length > 0 && options.length === named.length };
  }

  /** Computes of an experiment, in its order. A name that `rigor.yaml` has no longer is told to the person who waits. */
  async #lanesOf(experiment: ExperimentRecord): Promise<{ name: string; configuration: Compute; lane: Lane }[]> {
    try {
      const found = computesOf(experiment.source.repository, experiment.compute);
      return await Promise.all(
        found.map(async (one) => ({ ...one, lane: await this.#lab.lanes.open(one.configuration) })),
      );
    } catch (error) {
      if (!(error instanceof RigorError) || (error.code !== "not-found" && error.code !== "file-invalid")) throw error;
      await this.hold(experiment, "preparation", sayWithNext(error));
      return [];
    }
  }

  #isUsable(lane: Lane): boolean {
    const { capacity } = lane;
    if (lane.trouble !== null || !lane.isOpen || !lane.isProven(Date.now())) return false;
    if (capacity === null) return !lane.isPlaced;
    return lackingRoom(capacity) === null;
  }

  /** Whether an experiment is ready on a compute. Begins what is missing. */
  async isPrepared(experiment: ExperimentRecord, lane: Lane): Promise<boolean> {
    if (this.preparation.get(experiment.id, lane.id) !== undefined) return true;
    if (this.preparation.failure(experiment.id, lane.id) === null) {
      this.preparation.begin(experiment, lane, this.#onReady);
    }
    return false;
  }

  /** What failed everywhere is told to the person who waits, and begun anew when the hold is released. */
  async #holdIfNoneCanBe(experiment: ExperimentRecord, named: readonly NamedLane[]): Promise<void> {
    const reasons = named.map(({ name, lane }) => {
      const failure = this.preparation.failure(experiment.id, lane.id);
      const [problem] = lane.isDoubted ? [] : (lane.record?.problems ?? []);
      if (failure !== null)
        return named.length === 1 && lane.isHere ? sayWithNext(failure) : `${name}: ${sayWithNext(failure)}`;
      return problem === undefined
        ? null
        : `${name}: ${problem.check}: ${problem.found}. ${problem.remedy ?? ""}`.trim();
    });
    if (reasons.length === 0 || reasons.includes(null)) return;
    await this.hold(experiment, "preparation", reasons.join(" "));
  }

  async #overBudget(experiment: ExperimentRecord, holding: readonly Live[]): Promise<string | null> {
    if (experiment.budget.gpu_hours === null && experiment.budget.wall === null) return null;
    const attempts = holding.filter((one) => one.experiment.id === experiment.id).map((one) => one.attempt);
    const usage = await this.#budgets.usage(experiment, attempts, Date.now());
    return budgetProblem(experiment.budget, usage, experiment.definition.resources.gpus);
  }

  async hold(experiment: ExperimentRecord, code: HoldCode, reason: string): Promise<void> {
    const name = reference(experiment);
    const release = code === "budget" ? `rigor release ${name} --wall 2h (or --gpu-hours 10)` : `rigor release ${name}`;
    await this.#lab.store.transact("daemon", async (transaction) => {
      const present = await experimentById(transaction.db, experiment.id);
      if (present.state !== "running") return;
      const data = { code, reason, options: [release, `rigor cancel ${name}`] };
      await transaction.append([{ kind: "experiment.held", entity: experiment.id, data }]);
    });
  }
}

const sayWithNext = ({ message, next }: RigorError): string => [message, next].filter(Boolean).join(" ");
