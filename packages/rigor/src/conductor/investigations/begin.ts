import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readRole } from "../../agents/roles/read-role.ts";
import type { Lab } from "../../bench/lab/lab.ts";
import { findCompute, readSettings } from "../../bench/lab/settings.ts";
import { RigorError } from "../../domain/errors.ts";
import type { DomainEvent } from "../../domain/events/registry.ts";
import { computeOf, parseToolServers, type StartedServer, type ToolServers } from "../../domain/files/tool-servers.ts";
import { snapshot } from "../../provenance/snapshot.ts";
import { InvestigationDirectory } from "./directory.ts";
import { lastInvestigationNumber } from "./queries.ts";

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

/**
 * Writes down investigations of a question, each on its own. They begin when the limits of agents let them.
 *
 * @param member names the data directory that they are in, among those that share the lab
 * @returns their numbers
 * @throws RigorError where nothing was written down
 */
export async function begin(
  lab: Lab,
  member: string | null,
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
    return { id, session: randomUUID(), directory: join(lab.data.root, "investigations", id) };
  });
  for (const { directory } of begun) await new InvestigationDirectory(directory).make(question, text);
  return lab.store.transact(actor, async (transaction) => {
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
        member,
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
