import type { ExperimentRecord } from "../../domain/records.ts";
import { checkCompute } from "../computes/compute-check.ts";
import { identify, recordCheck } from "../computes/compute-steering.ts";
import { HostStorageError } from "../../hosts/host-failure.ts";
import type { Lab } from "../lab/lab.ts";
import type { Lane } from "../lab/lane.ts";
import type { LiveAttempts } from "../attempts/live-attempts.ts";
import type { ReadinessCheck } from "./readiness.ts";
import { Upkeep } from "../computes/upkeep.ts";

/** How old the knowledge of a machine may be that is asked over the network, in milliseconds. */
const probeMs = 30_000;
/** Milliseconds that the job of a check may take before the first run starts on another machine. */
const checkPatienceMs = 60_000;

/**
 * What is done beside the cycles of the dispatcher: the turns of other machines, which take their time and may not
 * answer, and clean-ups everywhere.
 */
export class Turns {
  readonly #lab: Lab;
  readonly #attempts: LiveAttempts;
  readonly #readiness: ReadinessCheck;
  readonly #upkeep: Upkeep;
  readonly #onEnd: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param onEnd called after each turn: it may have seen something */
  constructor(lab: Lab, attempts: LiveAttempts, readiness: ReadinessCheck, onEnd: () => void) {
    this.#lab = lab;
    this.#attempts = attempts;
    this.#readiness = readiness;
    this.#upkeep = new Upkeep(lab, readiness.preparation);
    this.#onEnd = onEnd;
  }

  /** Begins what is due. Nothing waits for it. @param experiments those that run */
  begin(experiments: readonly ExperimentRecord[]): void {
    const { driving, lanes } = this.#lab;
    const inUse = new Set(driving.inUse());
    let soonest = Number.POSITIVE_INFINITY;
    for (const lane of lanes.all()) {
      if (!driving.hasLane(lane)) {
        if (this.#upkeep.isDue(lane)) this.#upkeep.forget(lane, new Set(experiments.map(({ id }) => id)));
        continue;
      }
      const uses = this.#attempts.uses(lane) || (!lane.isAdopted && inUse.has(lane.id));
      if (!lane.isHere && (uses || lane.isWanted)) {
        const wait = lane.dueIn(this.#attempts.urgencyOf(lane));
        if (wait <= 0) this.#begin(lane);
        else soonest = Math.min(soonest, wait);
      }
      if (lane.isAdopted && (lane.isHere || uses || lane.isWanted) && this.#upkeep.isDue(lane)) {
        void this.#cleanUp(lane, experiments);
      }
    }
    this.#wakeIn(soonest);
  }

  /** The next turn need not wait until everything is looked at again. */
  #wakeIn(wait: number): void {
    clearTimeout(this.#timer);
    if (Number.isFinite(wait)) this.#timer = setTimeout(this.#onEnd, Math.ceil(wait)).unref();
  }

  #begin(lane: Lane): void {
    const before = lane.trouble;
    this.#attempts.takeNews(lane);
    const turn = () => this.#turn(lane);
    lane.begin(turn, () => {
      const { trouble } = lane;
      if (trouble?.message !== before?.message) {
        this.#lab.log.warn({ compute: lane.id, trouble }, "trouble with a compute");
      }
      this.#onEnd();
    });
  }

  async #turn(lane: Lane): Promise<void> {
    if (!lane.isAdopted) await this.#adopt(lane);
    if (lane.isWanted && lane.needsCheck(Date.now())) {
      // A scheduler may not be called now: what is under way there goes on.
      if (lane.isPlaced) await this.#check(lane);
      else lane.beginAside(() => this.#check(lane), this.#onEnd);
    }
    if (lane.isPlaced) await lane.probe(probeMs);
    try {
      await this.handOver(lane);
      await this.#attempts.observe(lane, true);
    } catch (error) {
      if (error instanceof HostStorageError) await this.#takeBack(lane, error);
      throw error;
    }
    await this.#attempts.ingestMetrics(lane);
  }

  /** Runs that cannot even be written to a compute start elsewhere, and no other is placed there until it has room. */
  async #takeBack(lane: Lane, failure: HostStorageError): Promise<void> {
    await this.#attempts.takeBack(lane, failure);
    if (lane.isPlaced) await lane.probe(0);
    else lane.doubt();
  }

  /** Takes over what another daemon has left there. */
  async #adopt(lane: Lane): Promise<void> {
    await identify(this.#lab, lane);
    await this.#attempts.adopt((id) => id === lane.id);
    lane.isAdopted = true;
  }

  /** Starts and ends what the log intends to. */
  async handOver(lane: Lane): Promise<void> {
    await this.#attempts.submit(lane, (experiment) => this.#readiness.isPrepared(experiment, lane));
    await this.#attempts.cancel(lane);
  }

  /** No run is started on a compute that was not tried. A job of a scheduler could wait for hours: none is tried. */
  async #check(lane: Lane): Promise<void> {
    const findings = await checkCompute(lane, this.#lab.data, lane.isPlaced ? checkPatienceMs : 0);
    await recordCheck(this.#lab, "daemon", lane, findings);
  }

  /** It may take long, and where it fails nothing is wrong with the compute: it is tried again after its time. */
  async #cleanUp(lane: Lane, running: readonly ExperimentRecord[]): Promise<void> {
    const live = this.#attempts.holding();
    const experiments = [...running, ...live.map(({ experiment }) => experiment)].map(({ id }) => id);
    const there = live.filter(({ attempt }) => attempt.compute_id === lane.id).map(({ attempt }) => attempt);
    try {
      await this.#upkeep.cleanUp(lane, new Set(experiments), {
        in_use: this.#attempts.stagedFor(lane),
        inputs_in_use: this.#attempts.deliveries.keepOnly(lane, there),
      });
    } catch (error) {
      this.#lab.log.warn({ compute: lane.id, err: error }, "what is not used any more could not be removed");
    }
  }
}
