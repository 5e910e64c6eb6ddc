import type { HostCapacity } from "../../compute/placement/resources.ts";
import { RigorError, type ErrorCode } from "../../domain/errors.ts";
import type { Compute } from "../../domain/files/compute-schema.ts";
import type { ExperimentRecord, HoldCode } from "../../domain/records.ts";
import { shortId } from "../../domain/format/words.ts";
import { isBoundToMachine } from "../../domain/rules/compute-rules.ts";
import { reference, spentBudget, type SpentBudget } from "../../domain/rules/experiment-rules.ts";
import { Budgets } from "../experiments/budgets.ts";
import type { Option } from "./choice.ts";
import type { Lab } from "../lab/lab.ts";
import type { Lane } from "../lab/lane.ts";
import type { Live } from "../attempts/live.ts";
import type { Preparation } from "../computes/preparation.ts";
import type { Offer } from "../lab/offers.ts";
import { heldAnywhere } from "../records/attempt-queries.ts";
import { experimentById } from "../records/experiment-queries.ts";
import { computesOf } from "../lab/settings.ts";
import { withWaitingJobs } from "./unpaid.ts";

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
export function lackingRoom(capacity: HostCapacity): string | null {
  const { disk_free: bytes, inodes_free: inodes, write_failure: failure } = capacity;
  const megabytes = (size: number) => `${Math.floor(size / 1e6)} MB`;
  if (bytes < leastDisk.bytes)
    return `the disk is full: ${megabytes(bytes)} are free, ${megabytes(leastDisk.bytes)} are needed`;
  if (inodes < leastDisk.inodes) return `the disk is full: ${inodes} more files fit, ${leastDisk.inodes} are needed`;
  return failure === null ? null : `nothing can be written: ${failure}`;
}

/** What must hold before the runs of an experiment may start: its budget, and a compute that is ready for them. */
export class ReadinessCheck {
  readonly #lab: Lab;
  readonly preparation: Preparation;
  readonly #budgets: Budgets;
  readonly #onReady: () => void;
  /** What experiments that other daemons drive offer to the computes of this one. */
  #offers: ReadonlyMap<string, Offer[]> = new Map();

  /** @param onReady called when something that was waited for may be ready */
  constructor(lab: Lab, preparation: Preparation, onReady: () => void) {
    this.#lab = lab;
    this.preparation = preparation;
    this.#budgets = new Budgets(lab.store.db);
    this.#onReady = onReady;
  }

  /** Reads what other daemons offer. @param running experiments that are running */
  async readOffers(running: readonly ExperimentRecord[]): Promise<void> {
    const { driving, lanes } = this.#lab;
    const others = running.filter(({ id }) => !driving.hasExperiment(id)).map(({ id }) => id);
    const computes = lanes.all().filter((lane) => driving.hasLane(lane));
    const found = await driving.offers(
      computes.map(({ id }) => id),
      others,
    );
    for (const { experiment_id, compute_id, staged } of found)
      this.preparation.learn(experiment_id, compute_id, staged);
    this.#offers = Map.groupBy(found, ({ experiment_id }) => experiment_id);
  }

  /** Whether this daemon may start runs of an experiment, or has to take it further. */
  concerns({ id }: ExperimentRecord): boolean {
    return this.#lab.driving.hasExperiment(id) || this.#offers.has(id);
  }

  /**
   * Computes that an experiment may start on, which another daemon drives. Variables of the daemon that drives the
   * experiment are handed to no other.
   */
  async #offered(experiment: ExperimentRecord): Promise<Readiness> {
    const offers = experiment.definition.environment.pass.length > 0 ? [] : (this.#offers.get(experiment.id) ?? []);
    const options: Option[] = [];
    for (const { name, configuration, compute_id, rank } of offers) {
      const lane = await this.#lab.lanes.reopen(compute_id);
      if (rank === null) continue;
      lane.want();
      if (this.#isUsable(lane)) options.push(optionOf({ name, configuration, lane }));
    }
    return { options, complete: false };
  }

  /** Tells the daemons that drive its computes where an experiment is ready. */
  async #offer(experiment: ExperimentRecord, named: readonly NamedLane[]): Promise<void> {
    const { driving } = this.#lab;
    if (!driving.isShared) return;
    const shared = named.filter(({ configuration }) => !isBoundToMachine(configuration));
    const offers = shared.flatMap(({ name, configuration, lane }, rank) => {
      const staged = this.preparation.get(experiment.id, lane.id);
      return staged === undefined ? [] : [{ compute_id: lane.id, name, rank, configuration, staged }];
    });
    await driving.offer(
      experiment.id,
      offers,
      shared.map(({ lane }) => lane.id),
    );
  }

  /** Where runs may start; holds the experiment when its budget is used up, or when none of its computes can ever. */
  async of(experiment: ExperimentRecord, holding: readonly Live[]): Promise<Readiness> {
    const { driving } = this.#lab;
    if (!driving.hasExperiment(experiment.id)) return this.#offered(experiment);
    if (await this.#holdIfSpent(experiment, holding)) return { options: [], complete: false };
    const named = await this.#lanesOf(experiment);
    const usable: NamedLane[] = [];
    for (const one of named) {
      const { lane } = one;
      lane.want();
      if (lane.isHere && !driving.isHome(experiment.id)) continue;
      const isPossible = this.#isUsable(lane) || !driving.hasLane(lane);
      if (isPossible && (await this.isPrepared(experiment, lane)) && driving.hasLane(lane)) usable.push(one);
    }
    await this.#offer(experiment, named);
    const options = usable.map(optionOf);
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
      await this.hold(experiment, "compute", sayWithNext(error));
      return [];
    }
  }

  #isUsable(lane: Lane): boolean {
    const { capacity } = lane;
    if (!lane.isAdopted) return false;
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
      const other = this.#lab.driving.otherDriver(lane.machine);
      if (other !== null && experiment.definition.environment.pass.length > 0)
        return `${name}: the daemon on ${other} drives it, and \`environment.pass\` hands over variables of this one only.`;
      const [problem] = lane.isDoubted ? [] : (lane.record?.problems ?? []);
      if (failure !== null)
        return named.length === 1 && lane.isHere ? sayWithNext(failure) : `${name}: ${sayWithNext(failure)}`;
      return problem === undefined
        ? null
        : `${name} failed its check (${problem.check}): ${problem.found}. ${problem.remedy ?? ""}`.trim();
    });
    if (reasons.length === 0 || reasons.includes(null)) return;
    const isItsOwn = named.some(({ lane }) => {
      const failure = this.preparation.failure(experiment.id, lane.id);
      return failure !== null && !ofMachines.has(failure.code);
    });
    const next = "What is mended is tried again when the experiment is released, and not before.";
    await this.hold(experiment, isItsOwn ? "preparation" : "compute", [...reasons, next].join(" "));
  }

  /** Holds experiments whose budgets are used up while jobs of theirs wait at schedulers. @param running those that run */
  async holdSpent(running: readonly ExperimentRecord[], holding: readonly Live[]): Promise<void> {
    const limited = running.filter(({ id, budget }) => hasLimit(budget) && this.#lab.driving.hasExperiment(id));
    for (const experiment of await withWaitingJobs(this.#lab, limited)) await this.#holdIfSpent(experiment, holding);
  }

  async #holdIfSpent(experiment: ExperimentRecord, holding: readonly Live[]): Promise<boolean> {
    const spent = await this.#spentBudget(experiment, holding);
    if (spent !== null) await this.hold(experiment, "budget", spent.reason, spent);
    return spent !== null;
  }

  async #spentBudget(experiment: ExperimentRecord, holding: readonly Live[]): Promise<SpentBudget | null> {
    if (!hasLimit(experiment.budget)) return null;
    const all = this.#lab.driving.isShared
      ? await heldAnywhere(this.#lab.store.db)
      : holding.map(({ attempt }) => attempt);
    const attempts = all.filter((one) => one.experiment_id === experiment.id);
    const usage = await this.#budgets.usage(experiment, attempts, Date.now());
    return spentBudget(experiment.budget, usage, experiment.definition.resources.gpus);
  }

  /** What a scheduler refuses it will refuse again. @param words of the scheduler */
  async holdRefused(experiment: ExperimentRecord, compute: string, words: string | null): Promise<void> {
    const said = words === null ? "." : `: ${words.replace(/\.?$/, ".")}`;
    const next = "Change `resources` of the experiment, or the options of this compute in rigor.yaml.";
    await this.hold(experiment, "submission", `${compute} refused its jobs${said} ${next}`);
  }

  /** Each further run that writes into its checkout would cost the next one a checkout of its own. */
  async holdWriter(experiment: ExperimentRecord, run: string): Promise<void> {
    const id = shortId(run);
    const what = `run ${id}, or another before it ended, changed the code that runs share: \`rigor show ${id}\` names the files.`;
    const next =
      "If the command of this experiment does that, make it write to RIGOR_OUTPUT only, and run the experiment file again: it " +
      "becomes a new version. If another's did, run the invalid runs again.";
    await this.hold(experiment, "code-changed", `${what} ${next}`, {
      also: [`rigor rerun ${reference(experiment)} --failed`],
    });
  }

  /** @param ways `option`: what the release must come with; `also`: other commands that leave the hold */
  async hold(
    experiment: ExperimentRecord,
    code: HoldCode,
    reason: string,
    { option = "", also = [] }: { option?: string; also?: readonly string[] } = {},
  ): Promise<void> {
    const name = reference(experiment);
    const release = `rigor release ${name} ${option}`.trim();
    await this.#lab.store.transact("daemon", async (transaction) => {
      const present = await experimentById(transaction.db, experiment.id);
      if (present.state !== "running") return;
      const data = { code, reason, options: [...also, release, `rigor cancel ${name}`] };
      await transaction.append([{ kind: "experiment.held", entity: experiment.id, data }]);
    });
  }
}

const hasLimit = ({ gpu_hours, wall }: ExperimentRecord["budget"]): boolean => gpu_hours !== null || wall !== null;

/** What goes wrong while an experiment is made ready, whatever experiment it is. */
const ofMachines: ReadonlySet<ErrorCode> = new Set([
  "storage",
  "unreachable",
  "network",
  "scheduler",
  "git",
  "internal",
]);

const optionOf = ({ name, configuration, lane }: NamedLane): Option => ({
  name,
  configuration,
  id: lane.id,
  machine: lane.machine,
  capacity: lane.isPlaced ? lane.capacity : null,
});

/** What ends with the lines of a log is no sentence that another one could follow. */
const sayWithNext = ({ message, next }: RigorError): string =>
  [message, next].filter(Boolean).join(message.includes("\n") ? "\n" : " ");
