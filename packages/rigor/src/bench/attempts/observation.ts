import { existsSync, rmSync } from "node:fs";
import type { JobStatus } from "../../compute/executor.ts";
import { isEverywhere } from "../../store/errors.ts";
import type { Conclusions } from "./conclusions.ts";
import type { Lab } from "../lab/lab.ts";
import type { Lane } from "../lab/lane.ts";
import { directoryOf, type Live } from "./live.ts";
import type { Ending } from "./outcome.ts";
import type { Preparation } from "../computes/preparation.ts";
import type { Sightings } from "./sightings.ts";
import type { Submission } from "./submission.ts";

/** What is known of a job that removed its own record of having started: starting it again could go on for ever. */
const removed: Ending = {
  state: "gone",
  withdrawn: false,
  category: "removed",
  evidence: "The directory of the attempt was removed.",
};

const wasRemoved = ({ attempt }: Live): boolean =>
  (attempt.state === "submitted" || attempt.state === "running") && !existsSync(attempt.directory);

interface ObservationParts {
  lab: Lab;
  preparation: Preparation;
  conclusions: Conclusions;
  sightings: Sightings;
  submission: Submission;
}

/** Says what follows from what an executor tells of an attempt. */
export class Observation {
  readonly #lab: Lab;
  readonly #preparation: Preparation;
  readonly #conclusions: Conclusions;
  readonly #sightings: Sightings;
  readonly #submission: Submission;

  constructor({ lab, preparation, conclusions, sightings, submission }: ObservationParts) {
    this.#lab = lab;
    this.#preparation = preparation;
    this.#conclusions = conclusions;
    this.#sightings = sightings;
    this.#submission = submission;
  }

  /** What is wrong with one attempt's files holds up that attempt only: it is looked at again. */
  async see(live: Live, status: JobStatus | undefined): Promise<void> {
    try {
      await this.#follow(live, status);
    } catch (error) {
      if (isEverywhere(error)) throw error;
      this.#lab.log.error({ err: error, attempt: live.attempt.id }, "an attempt could not be looked at");
      if (status?.state === "ended" || status?.state === "gone") this.#conclusions.giveUpAfterSome(live, status, error);
    }
  }

  async #follow(live: Live, status: JobStatus | undefined): Promise<void> {
    const job = status?.job ?? null;
    switch (status?.state) {
      case "unclaimed":
        if (wasRemoved(live)) return await this.#noteEnd(live, removed, job);
        this.#submission.add(live.attempt.id);
        return;
      case "waiting":
        this.#sightings.submitted(live, job);
        return;
      case "running":
        if (live.attempt.state !== "running") this.#laneOf(live).stir();
        this.#sightings.started(live, job);
        return;
      case "ended":
      case "gone":
        await this.#noteEnd(live, status, job);
        return;
      default:
        // Not submitted yet, or no answer: nothing is concluded from either.
        return;
    }
  }

  async #noteEnd(live: Live, ending: Ending, job: string | null): Promise<void> {
    if (!this.#isPrepared(live)) return;
    this.#laneOf(live).stir();
    const withdrawn = ending.state === "gone" && ending.withdrawn;
    if (!withdrawn) this.#sightings.submitted(live, job);
    // A job that never started has not removed them.
    if (live.experiment.definition.environment.pass.length > 0) rmSync(directoryOf(live).secrets, { force: true });
    await this.#conclusions.begin(this.#laneOf(live), live, ending);
  }

  /** The manifest of an adopted attempt tells of its environment, so that is looked up before it is concluded. */
  #isPrepared(live: Live): boolean {
    const { experiment } = live;
    const lane = this.#laneOf(live);
    if (this.#preparation.get(experiment.id, lane.id) !== undefined) return true;
    if (this.#preparation.failure(experiment.id, lane.id) !== null) return true;
    this.#preparation.begin(experiment, lane, () => undefined);
    return false;
  }

  #laneOf({ attempt }: Live): Lane {
    const lane = this.#lab.lanes.get(attempt.compute_id);
    if (lane === undefined) throw new Error(`attempt ${attempt.id} is on ${attempt.compute_id}, which is not open`);
    return lane;
  }
}
