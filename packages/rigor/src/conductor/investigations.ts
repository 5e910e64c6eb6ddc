import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Kysely } from "kysely";
import { readRole } from "../agents/roles/read-role.ts";
import type { Lab } from "../bench/lab/lab.ts";
import { findCompute, readSettings } from "../bench/lab/settings.ts";
import { RigorError } from "../domain/errors.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import { computeOf, parseToolServers, type StartedServer, type ToolServers } from "../domain/files/tool-servers.ts";
import {
  explanationSchema,
  summarySchema,
  type Explanation,
  type Summary,
} from "../domain/investigations/explanation.ts";
import { investigationEnd } from "../domain/investigations/outcome.ts";
import { whyNoAgent } from "../domain/issues/steps.ts";
import type { InvestigationRecord } from "../domain/investigations/records.ts";
import type { IssueDriving } from "./issue-driving.ts";
import { InvestigationDirectory } from "./investigation-directory.ts";
import {
  eventsOf,
  findInvestigation,
  investigationById,
  investigationsOn,
  investigationsToEnd,
  lastInvestigationNumber,
} from "./investigation-queries.ts";
import { agentsAtWork } from "./gather.ts";
import { findSession } from "./queries.ts";
import { snapshot } from "../provenance/snapshot.ts";
import type { Database } from "../store/tables.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import type { InvestigationServers } from "./tool-servers.ts";

export interface Question {
  project: string;
  question: string;
  /** Path of the file that describes its tool servers. */
  tools: string;
  model: string | null;
  maxTurns: number | null;
  /** Name of the compute that its tool servers run on; null starts them beside the daemon. */
  compute: string | null;
}

/** How long an end that was asked for may take, in milliseconds. */
const endPatience = 30_000;

/** One agent for each question. Sessions are kept by the {@link SessionKeeper}; here is what they are for. */
export class Investigations {
  readonly #lab: Lab;
  readonly #sessions: SessionKeeper;
  readonly #servers: InvestigationServers;
  readonly #settling = new Set<Promise<void>>();
  #unsubscribe: (() => void) | null = null;

  readonly #issues: IssueDriving;

  constructor(lab: Lab, sessions: SessionKeeper, servers: InvestigationServers, issues: IssueDriving) {
    this.#lab = lab;
    this.#sessions = sessions;
    this.#servers = servers;
    this.#issues = issues;
  }

  /** Ends in the log what ended while no daemon was there, and from now on what ends. */
  async follow(): Promise<void> {
    this.#unsubscribe = this.#lab.store.subscribe((events) => {
      const ended = events.filter(({ kind }) => kind === "session.ended").map(({ entity }) => entity);
      if (ended.length > 0) this.#settle();
      if (ended.length > 0) void this.admit();
    });
    await this.#settleEnded();
    await this.#tidy();
    this.#servers.follow();
  }

  /** Writes the pages of those that were ended from another machine while this one had no daemon, and ends their servers. */
  async #tidy(): Promise<void> {
    const { member } = this.#issues;
    if (member === null) return;
    for (const one of await investigationsOn(this.#lab.store.db, member, "ended")) {
      if (!new InvestigationDirectory(one.directory).isOpen) continue;
      await this.#servers.stop(await this.#writePages(one.id));
    }
  }

  async close(): Promise<void> {
    this.#unsubscribe?.();
    await Promise.all([...this.#settling, this.#servers.close()]);
  }

  /** Starts investigations of a question, each on its own. @throws RigorError where nothing was started */
  async start(
    actor: string,
    { project, question, tools, model, maxTurns, compute }: Question,
    count: number,
  ): Promise<number[]> {
    const text = await readTools(tools);
    const described = parseToolServers(text, tools);
    const servers = Object.keys(described);
    const commit = await codeOf(project, described, compute);
    const who = whoInvestigates(project, model);
    readRole(project, "investigator");
    const begun = Array.from({ length: count }, () => {
      const id = randomUUID();
      return { id, session: randomUUID(), directory: join(this.#lab.data.root, "investigations", id) };
    });
    for (const { directory } of begun) await new InvestigationDirectory(directory).make(question, text);
    const numbers = await this.#lab.store.transact(actor, async (transaction) => {
      const last = await lastInvestigationNumber(transaction.db);
      const events = begun.flatMap(({ id, session, directory }, index): DomainEvent[] => {
        const started = {
          number: last + index + 1,
          project,
          question,
          servers,
          max_turns: maxTurns,
          directory,
          compute,
          commit,
        };
        const place = {
          issue_id: null,
          role: "investigator" as const,
          subject: id,
          member: this.#issues.member,
          directory: join(directory, "session"),
        };
        return [
          { kind: "investigation.started", entity: id, data: { ...started, session_id: session } },
          { kind: "session.started", entity: session, data: { ...place, ...who } },
        ];
      });
      await transaction.append(events);
      return begun.map((_, index) => last + index + 1);
    });
    await this.admit();
    return numbers;
  }

  /** Begins those that wait, as far as the limits of agents let them. */
  async admit(): Promise<void> {
    const { log, store } = this.#lab;
    if (!this.#issues.isSafe) return;
    try {
      if ((await investigationsOn(store.db, this.#issues.member, "waiting")).length === 0) return;
      await store.transact("conductor", async (transaction) => {
        for (const one of await investigationsOn(transaction.db, this.#issues.member, "waiting")) {
          if ((await whyWaiting(transaction.db, one)) !== null) continue;
          await transaction.append([{ kind: "investigation.begun", entity: one.id, data: {} }]);
        }
      });
      this.#sessions.launchWaiting();
    } catch (error) {
      log.error({ err: error }, "investigations could not be begun; it is tried again");
    }
  }

  /** What an investigation waits for: to begin, or for its tool servers. Null for one that waits for nothing. */
  async waitsFor(one: InvestigationRecord): Promise<string | null> {
    const why = await whyWaiting(this.#lab.store.db, one);
    return why ?? (this.#servers.waitsOf(one.id).join("; ") || null);
  }

  /** Ends one by a person's word, and waits until that is on record. */
  async stop(number: number, reason: string): Promise<void> {
    const { db } = this.#lab.store;
    const { session_id: session } = await findInvestigation(db, number);
    await this.#sessions.dismiss(session, reason);
    const deadline = performance.now() + endPatience;
    while ((await findInvestigation(db, number)).state !== "ended" && performance.now() < deadline) await sleep(50);
  }

  /** What its agent hands in. Each is one decision, and the pages for people follow it. */
  async note(id: string, text: string): Promise<void> {
    await this.#write(id, { kind: "investigation.noted", entity: id, data: { text } });
  }

  async explain(id: string, given: unknown): Promise<number> {
    const explanation: Explanation = explanationSchema.parse(given);
    const before = await investigationById(this.#lab.store.db, id);
    new InvestigationDirectory(before.directory).checkArtifacts(explanation.artifacts);
    const after = await this.#write(id, { kind: "investigation.explained", entity: id, data: explanation });
    return after.explanations.length;
  }

  async conclude(id: string, given: unknown): Promise<void> {
    const summary: Summary = summarySchema.parse(given);
    const { summary: before, session_id: session } = await investigationById(this.#lab.store.db, id);
    if (before !== null)
      throw new RigorError("not-possible", "You have handed in your summary already.", { next: "Stop." });
    await this.#write(
      id,
      { kind: "investigation.concluded", entity: id, data: summary },
      { kind: "session.submitted", entity: session, data: { submission_id: id } },
    );
  }

  /**
   * A tool server ended under the agent: its measurements cannot be trusted to go on, so that the agent is stopped.
   *
   * @param isOver it has ended by itself
   */
  async disrupt(
    { id, session_id: session }: InvestigationRecord,
    loss: { server: string; evidence: string },
    isOver: boolean,
  ): Promise<void> {
    const { disruption } = await investigationById(this.#lab.store.db, id);
    if (disruption === null) await this.#write(id, { kind: "investigation.disrupted", entity: id, data: loss });
    if (!isOver) await this.#sessions.dismiss(session, loss.evidence);
  }

  async #write(id: string, ...events: DomainEvent[]): Promise<InvestigationRecord> {
    const { store } = this.#lab;
    const { session_id: session } = await investigationById(store.db, id);
    await store.transact(`session:${session}`, (transaction) => transaction.append(events));
    return this.#writePages(id);
  }

  async #writePages(id: string): Promise<InvestigationRecord> {
    const { db } = this.#lab.store;
    const investigation = await investigationById(db, id);
    await new InvestigationDirectory(investigation.directory).write(investigation, await eventsOf(db, investigation));
    return investigation;
  }

  #settle(): void {
    const work = this.#settleEnded()
      .catch((error: unknown) =>
        this.#lab.log.error({ err: error }, "the end of an investigation could not be written"),
      )
      .finally(() => this.#settling.delete(work));
    this.#settling.add(work);
  }

  /**
   * Writes the end of every investigation whose session has ended, and lets go of its servers. Those of other machines are
   * for their daemons to end, as long as there is one.
   */
  async #settleEnded(): Promise<void> {
    const { store } = this.#lab;
    for (const { id, member } of await investigationsToEnd(store.db)) {
      const isHere = member === this.#issues.member;
      if (!isHere && (await this.#issues.isAlive(member))) continue;
      const ended = await store.transact("conductor", async (transaction) => {
        const now = await investigationById(transaction.db, id);
        const session = await findSession(transaction.db, now.session_id);
        if (now.state === "ended" || session.state !== "ended") return false;
        await transaction.append([{ kind: "investigation.ended", entity: id, data: investigationEnd(now, session) }]);
        return true;
      });
      if (ended && isHere) await this.#servers.stop(await this.#writePages(id));
    }
  }
}

/**
 * Names the code that servers on computes run, as the files are now. Null where none does.
 *
 * @throws RigorError `not-found` for a compute that rigor.yaml lacks; `file-invalid` for needs without a compute
 */
async function codeOf(project: string, servers: ToolServers, otherwise: string | null): Promise<string | null> {
  const settings = readSettings(project);
  const names = Object.entries(servers).flatMap(([name, server]) => {
    const compute = computeOf(server, otherwise);
    if (compute === null && "command" in server) refuseNeeds(name, server);
    return compute ?? [];
  });
  if (otherwise !== null) findCompute(settings, otherwise);
  for (const name of names) findCompute(settings, name);
  return names.length === 0 ? null : (await snapshot(project)).commit;
}

function refuseNeeds(name: string, { resources, environment }: StartedServer): void {
  if (resources === undefined && environment === undefined) return;
  throw new RigorError("file-invalid", `The tool server ${name} says what it needs of a compute, and has none.`, {
    next: "Name one: rigor investigate --compute NAME, or `compute` beside its command. This machine is `local`.",
  });
}

/** Why an investigation has not begun; null for one that may begin, or has. */
async function whyWaiting(db: Kysely<Database>, one: InvestigationRecord): Promise<string | null> {
  return one.state === "waiting" ? whyNoAgent(readSettings(one.project).agents, await agentsAtWork(db)) : null;
}

async function readTools(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RigorError("not-found", `${file} cannot be read: ${why}`, { cause });
  }
}

function whoInvestigates(project: string, model: string | null): { backend: string; model: string | null } {
  const { agents } = readSettings(project);
  const own = agents.roles["investigator"] ?? {};
  const backend = own.backend ?? agents.backend;
  if (backend === "human") {
    throw new RigorError("not-possible", "An investigation is done by an agent, and rigor.yaml names persons.", {
      next: "Name an agent: agents.roles.investigator.backend in rigor.yaml.",
    });
  }
  return { backend, model: model ?? (own.model === undefined ? agents.model : own.model) };
}
