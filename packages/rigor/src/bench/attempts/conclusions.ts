import { artifactsOf } from "../../domain/design.ts";
import type { RigorError } from "../../domain/errors.ts";
import { isEverywhere } from "../../store/errors.ts";
import type { Interruptions } from "./interruptions.ts";
import type { Lab } from "../lab/lab.ts";
import type { Lane } from "../lab/lane.ts";
import { handleOf, type Ended, type Live } from "./live.ts";
import type { MetricIngest } from "./metric-ingest.ts";
import { observeOutcome, undeliveredOutcome, unreadableOutcome, type Ending } from "./outcome.ts";

const mostFailures = 3;

/** Ended attempts that do not count as using the machine while their artifacts are hashed. */
const mostHashed = 4;

/** What became of attempts whose jobs have ended, kept until the log has it. */
export class Conclusions {
  readonly #lab: Lab;
  readonly #metrics: MetricIngest;
  readonly #interruptions: Interruptions;
  readonly #onConcluded: () => void;
  readonly #ended = new Map<string, Ended>();
  /** Ended, and their outputs are being hashed. */
  readonly #concluding = new Map<string, Promise<void>>();
  /** What is being written of those that have ended. */
  readonly #writing = new Set<Promise<void>>();
  /** How often the end of an attempt could not be looked at. */
  readonly #failures = new Map<string, number>();

  constructor(lab: Lab, metrics: MetricIngest, interruptions: Interruptions, onConcluded: () => void) {
    this.#lab = lab;
    this.#metrics = metrics;
    this.#interruptions = interruptions;
    this.#onConcluded = onConcluded;
  }

  get ended(): readonly Ended[] {
    return [...this.#ended.values()];
  }

  has(attempt: string): boolean {
    return this.#ended.has(attempt);
  }

  isUnderWay(attempt: string): boolean {
    return this.#concluding.has(attempt);
  }

  /** Attempts whose jobs have ended and whose outputs are being read. */
  get underWay(): ReadonlySet<string> {
    return new Set(this.#concluding.keys());
  }

  /** Attempts that are being concluded and need the machine no more. */
  givenBack(): Set<string> {
    return new Set([...this.#concluding.keys()].slice(0, mostHashed));
  }

  /** Hashing large artifacts takes minutes: nothing else waits for it. */
  async begin(lane: Lane, live: Live, ending: Ending): Promise<void> {
    const work = this.#conclude(lane, live, ending);
    if (artifactsOf(live.experiment.definition, live.run.arm).length === 0) await work;
    else this.#awaitLater(work, live, ending);
  }

  async #conclude(lane: Lane, live: Live, ending: Ending): Promise<void> {
    await this.#ingest(lane, live);
    const beatAt = ending.state === "gone" ? (ending.beat_at ?? null) : null;
    const outcome = await observeOutcome({ ...live, ran: this.#interruptions.ranUntil(live.attempt, beatAt) }, ending);
    this.#ended.set(live.attempt.id, { live, outcome });
  }

  async #ingest(lane: Lane, live: Live): Promise<void> {
    const writing = this.#metrics.ingest(lane.executor, [handleOf(live)]);
    this.#writing.add(writing);
    await writing.finally(() => this.#writing.delete(writing));
  }

  #awaitLater(work: Promise<void>, live: Live, ending: Ending): void {
    const { id } = live.attempt;
    const told = work
      .catch((error: unknown) => {
        this.#lab.log.error({ err: error, attempt: id }, "an attempt could not be concluded");
        if (!isEverywhere(error)) this.giveUpAfterSome(live, ending, error);
      })
      .then(() => {
        this.#concluding.delete(id);
        this.#onConcluded();
      });
    this.#concluding.set(id, told);
  }

  /** An end that cannot be looked at again and again is a failure: its lease must not be held for ever. */
  giveUpAfterSome(live: Live, ending: Ending, error: unknown): void {
    const { id } = live.attempt;
    const failures = (this.#failures.get(id) ?? 0) + 1;
    this.#failures.set(id, failures);
    if (failures >= mostFailures)
      this.#ended.set(id, { live, outcome: unreadableOutcome(live.attempt, ending, error) });
  }

  /** The attempt was never handed over, because it, or what its run needs, could not be brought to the machine. */
  withoutStart(live: Live, failure: RigorError): void {
    this.#ended.set(live.attempt.id, { live, outcome: undeliveredOutcome(failure) });
  }

  /** The log has it. */
  forget(attempt: string): void {
    this.#ended.delete(attempt);
    this.#failures.delete(attempt);
  }

  /** Waits for what is being written, and not for what is being hashed: the next daemon begins that anew. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#writing);
  }
}
