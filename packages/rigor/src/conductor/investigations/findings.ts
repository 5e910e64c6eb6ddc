import type { Lab } from "../../bench/lab/lab.ts";
import { RigorError } from "../../domain/errors.ts";
import type { DomainEvent } from "../../domain/events/registry.ts";
import {
  explanationSchema,
  summarySchema,
  type Explanation,
  type Summary,
} from "../../domain/investigations/explanation.ts";
import type { InvestigationRecord } from "../../domain/investigations/records.ts";
import { InvestigationDirectory } from "./directory.ts";
import { eventsOf, investigationById } from "./queries.ts";

/** What agents of investigations hand in: notes, explanations, summaries. Each is one decision; the files for people follow it. */
export class Findings {
  readonly #lab: Lab;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  async note(id: string, text: string): Promise<void> {
    await this.write(id, { kind: "investigation.noted", entity: id, data: { text } });
  }

  async explain(id: string, given: unknown): Promise<number> {
    const explanation: Explanation = explanationSchema.parse(given);
    const before = await investigationById(this.#lab.store.db, id);
    new InvestigationDirectory(before.directory).checkArtifacts(explanation.artifacts);
    const after = await this.write(id, { kind: "investigation.explained", entity: id, data: explanation });
    return after.explanations.length;
  }

  async conclude(id: string, given: unknown): Promise<void> {
    const summary: Summary = summarySchema.parse(given);
    const { summary: before, session_id: session } = await investigationById(this.#lab.store.db, id);
    if (before !== null)
      throw new RigorError("not-possible", "You have handed in your summary already.", { next: "Stop." });
    await this.write(
      id,
      { kind: "investigation.concluded", entity: id, data: summary },
      { kind: "session.submitted", entity: session, data: { submission_id: id } },
    );
  }

  /** Writes events in the name of its agent. */
  async write(id: string, ...events: DomainEvent[]): Promise<InvestigationRecord> {
    const { store } = this.#lab;
    const { session_id: session } = await investigationById(store.db, id);
    await store.transact(`session:${session}`, (transaction) => transaction.append(events));
    return this.writePages(id);
  }

  /** Writes the files for people from what is on record. */
  async writePages(id: string): Promise<InvestigationRecord> {
    const { db } = this.#lab.store;
    const investigation = await investigationById(db, id);
    await new InvestigationDirectory(investigation.directory).write(investigation, await eventsOf(db, investigation));
    return investigation;
  }
}
