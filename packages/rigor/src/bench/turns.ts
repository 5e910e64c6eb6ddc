import type { ExperimentRecord } from "../domain/records.ts";
import { checkCompute } from "./compute-check.ts";
import { recordCheck } from "./compute-steering.ts";
import type { Lab } from "./lab.ts";
import type { Lane } from "./lane.ts";
import type { LiveAttempts } from "./live-attempts.ts";
import type { ReadinessCheck } from "./readiness.ts";
import { Upkeep } from "./upkeep.ts";

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
    for (const lane of this.#lab.lanes.all()) {
      const uses = this.#attempts.uses(lane);
      if (!lane.isHere && (uses || lane.isWanted) && lane.isDue(this.#attempts.hasWork(lane))) {
        this.#begin(lane);
      }
      if ((lane.isHere || uses || lane.isWanted) && this.#upkeep.isDue(lane)) void this.#cleanUp(lane, experiments);
    }
  }

  #begin(lane: Lane): void {
    const before = lane.trouble;
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
    if (lane.isWanted && lane.needsCheck(Date.now())) await this.#check(lane);
    if (lane.isPlaced) await lane.probe(probeMs);
    await this.handOver(lane);
    await this.#attempts.observe(lane, true);
    await this.#attempts.ingestMetrics(lane);
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
    const live = this.#attempts.holding().map(({ experiment }) => experiment.id);
    try {
      await this.#upkeep.cleanUp(lane, new Set([...running.map(({ id }) => id), ...live]));
    } catch (error) {
      this.#lab.log.warn({ compute: lane.id, err: error }, "what is not used any more could not be removed");
    }
  }
}
