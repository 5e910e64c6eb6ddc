import { sql } from "kysely";
import { RigorError } from "../../domain/errors.ts";
import type { DomainEvent } from "../../domain/events/registry.ts";
import {
  explanationSchema,
  summarySchema,
  type Explanation,
  type Summary,
} from "../../domain/investigations/explanation.ts";
import type { InvestigationRecord } from "../../domain/investigations/records.ts";
import type { Store } from "../../store/store.ts";
import { InvestigationDirectory } from "./directory.ts";
import { eventsOf, investigationById } from "./queries.ts";

/** What agents of investigations hand in: notes, explanations, summaries. Each is one decision; the files for people follow it. */
export class Findings {
  readonly #store: Store;
  readonly #mostText: number;

  /** @param mostText characters that the log and the explanations of one investigation may have */
  constructor(store: Store, mostText = 10_000_000) {
    this.#store = store;
    this.#mostText = mostText;
  }

  async note(id: string, text: string): Promise<void> {
    await this.#refuseTooMuch(id, text.length);
    await this.write(id, { kind: "investigation.noted", entity: id, data: { text } });
  }

  async explain(id: string, given: unknown): Promise<number> {
    const explanation: Explanation = explanationSchema.parse(given);
    await this.#refuseTooMuch(id, JSON.stringify(explanation).length);
    const before = await investigationById(this.#store.db, id);
    new InvestigationDirectory(before.directory).checkArtifacts(explanation.artifacts);
    const after = await this.write(id, { kind: "investigation.explained", entity: id, data: explanation });
    return after.explanations.length;
  }

  async conclude(id: string, given: unknown): Promise<void> {
    const summary: Summary = summarySchema.parse(given);
    const { summary: before, session_id: session } = await investigationById(this.#store.db, id);
    if (before !== null)
      throw new RigorError("not-possible", "You have handed in your summary already.", { next: "Stop." });
    await this.write(
      id,
      { kind: "investigation.concluded", entity: id, data: summary },
      { kind: "session.submitted", entity: session, data: { submission_id: id } },
    );
  }

  /** A summary can be handed in all the same. @throws RigorError `refused` */
  async #refuseTooMuch(id: string, more: number): Promise<void> {
    const { characters } = await this.#store.db
      .selectFrom("events")
      .select(sql<number>`cast(coalesce(sum(length(data)), 0) as double precision)`.as("characters"))
      .where("entity", "=", id)
      .where("kind", "in", ["investigation.noted", "investigation.explained"])
      .executeTakeFirstOrThrow();
    if (characters + more <= this.#mostText) return;
    throw new RigorError(
      "refused",
      `The log and the explanations of this investigation would have more than ${this.#mostText} characters.`,
      { next: "Hand in your summary. What is long belongs into a file of your artifacts." },
    );
  }

  /** Writes events in the name of its agent. */
  async write(id: string, ...events: DomainEvent[]): Promise<InvestigationRecord> {
    const { session_id: session } = await investigationById(this.#store.db, id);
    await this.#store.transact(`session:${session}`, (transaction) => transaction.append(events));
    return this.writePages(id);
  }

  /** Writes the files for people from what is on record. */
  async writePages(id: string): Promise<InvestigationRecord> {
    const { db } = this.#store;
    const investigation = await investigationById(db, id);
    await new InvestigationDirectory(investigation.directory).write(investigation, await eventsOf(db, investigation));
    return investigation;
  }
}
