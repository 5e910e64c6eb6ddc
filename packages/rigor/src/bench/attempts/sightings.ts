import type { DomainEvent } from "../../domain/events/registry.ts";
import { directoryOf, type Live } from "./live.ts";

/** What was seen of attempts and is not in the log yet. A transaction that fails loses nothing of it. */
export class Sightings {
  /** By attempt. */
  readonly #events = new Map<string, DomainEvent[]>();

  /** @param job what its scheduler calls it */
  submitted(live: Live, job: string | null): void {
    if (live.attempt.state !== "queued" && live.attempt.state !== "staging") return;
    this.#tell(live, { kind: "attempt.submitted", entity: live.attempt.id, data: { job } });
    live.attempt = { ...live.attempt, state: "submitted", job };
  }

  /** What it goes on from is on its way to its machine. */
  staging(live: Live): void {
    if (live.attempt.state !== "queued") return;
    this.#tell(live, { kind: "attempt.staging", entity: live.attempt.id, data: {} });
    live.attempt = { ...live.attempt, state: "staging" };
  }

  #tell(live: Live, event: DomainEvent): void {
    this.#events.set(live.attempt.id, [...(this.#events.get(live.attempt.id) ?? []), event]);
  }

  /**
   * Notes once that a job runs, where, and as which process: as soon as it has said so itself, which is a moment after its
   * first sign of life. Jobs that end before skip this.
   */
  started(live: Live, job: string | null): void {
    if (live.attempt.state === "running") return;
    this.submitted(live, job);
    const record = directoryOf(live).readProcess();
    if (record === null) return;
    const { host, pid, started: since } = record;
    const started = { process: { pid, started: since }, started_at: new Date().toISOString(), host };
    this.#tell(live, { kind: "attempt.started", entity: live.attempt.id, data: started });
    live.attempt = { ...live.attempt, state: "running", ...started };
  }

  get events(): DomainEvent[] {
    return [...this.#events.values()].flat();
  }

  /** Forgets what the log has now. */
  written(events: readonly DomainEvent[]): void {
    const known = new Set(events);
    for (const [id, waiting] of this.#events) {
      const rest = waiting.filter((event) => !known.has(event));
      if (rest.length === 0) this.#events.delete(id);
      else this.#events.set(id, rest);
    }
  }

  forget(attempt: string): void {
    this.#events.delete(attempt);
  }
}
