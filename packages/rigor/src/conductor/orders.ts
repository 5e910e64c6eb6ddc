import { existsSync } from "node:fs";
import { homedir } from "node:os";
import type { SessionOrder } from "../agents/backends/backend.ts";
import { SessionDirectory } from "../agents/backends/session-directory.ts";
import { readRole } from "../agents/roles/read-role.ts";
import { fillBrief, type Role } from "../agents/roles/role.ts";
import { programTrees, toolchains } from "../agents/sandbox/toolchains.ts";
import type { SandboxPolicy } from "../agents/sandbox/policy.ts";
import type { Lab } from "../bench/lab/lab.ts";
import { readSettings } from "../bench/lab/settings.ts";
import { RigorError } from "../domain/errors.ts";
import type { AgentSettings } from "../domain/issues/agent-settings.ts";
import { newest, type IssueFacts } from "../domain/issues/facts.ts";
import type { SessionRecord } from "../domain/issues/records.ts";
import { roleWork } from "../domain/issues/roles.ts";
import { writeBrief, type BriefSources } from "./brief.ts";
import type { Documents } from "./documents.ts";
import { hostOf, modelAccess } from "./model-access.ts";
import { InvestigationDirectory } from "./investigations/directory.ts";
import { investigationById } from "./investigations/queries.ts";
import { commentsOn, findSession } from "./queries.ts";
import type { SessionTokens } from "./session-tokens.ts";
import type { InvestigationServers } from "./investigations/tool-servers.ts";
import type { IssueWorkspaces } from "./workspaces.ts";

export interface OrderParts {
  lab: Lab;
  workspaces: IssueWorkspaces;
  /** Loaded when the first one is asked for: reading Markdown takes its time to load. */
  documents: () => Promise<Documents>;
  tokens: SessionTokens;
  servers: InvestigationServers;
  /** Address of the lab's tools; known once the daemon listens. */
  toolsUrl: () => string;
  /** The lab's tools of these names, described for a brief. */
  describeTools: (names: readonly string[]) => string;
  /** What no transcript may show, beside tokens and the secrets of the environment. */
  secrets: () => readonly string[];
}

/** What sessions differ in beside their roles. */
interface Place {
  directory: string;
  /** What grows as it works. */
  folders: readonly string[];
  policy: Pick<SandboxPolicy, "workspace" | "workspaceAccess" | "readable">;
  brief: string;
  servers: SessionOrder["tools"]["servers"];
  /** What its tool servers are given and nobody may see. */
  secrets: readonly string[];
  settings: AgentSettings;
}

/** Makes what a back end is asked to do: the brief, the workspace, the tools, the limits, the sandbox. */
export class Orders {
  readonly #parts: OrderParts;

  constructor(parts: OrderParts) {
    this.#parts = parts;
  }

  async make(facts: IssueFacts, session: SessionRecord): Promise<SessionOrder> {
    const role = readRole(facts.issue.project, session.role);
    const { directory, policy } = await this.#parts.workspaces.forSession(facts, session);
    return this.#order(session, role, {
      directory,
      folders: [directory],
      policy,
      brief: await this.brief(facts, session),
      servers: {},
      secrets: [],
      settings: facts.settings,
    });
  }

  /** The order of a session that belongs to no issue. Its tool servers can be used once it is made. */
  async makeInvestigation(session: SessionRecord): Promise<SessionOrder> {
    const { lab, servers, describeTools } = this.#parts;
    const investigation = await investigationById(lab.store.db, session.subject);
    const { project, question, max_turns: turns } = investigation;
    const role = readRole(project, session.role);
    const limits = turns === null ? role.limits : { ...role.limits, turns };
    const { artifacts: directory, handedIn } = new InvestigationDirectory(investigation.directory);
    return this.#order(
      session,
      { ...role, limits },
      {
        directory,
        folders: [directory, ...handedIn],
        policy: { workspace: directory, workspaceAccess: "write", readable: [] },
        brief: fillBrief(role, { question: () => question, tools: () => describeTools(toolsOf(role.tools, session)) }),
        servers: await servers.start(investigation, limits.size),
        secrets: servers.secretsOf(investigation),
        settings: readSettings(project).agents,
      },
    );
  }

  async settingsOfInvestigation({ subject }: SessionRecord): Promise<AgentSettings> {
    return readSettings((await investigationById(this.#parts.lab.store.db, subject)).project).agents;
  }

  async #order(session: SessionRecord, role: Role, place: Place): Promise<SessionOrder> {
    const { settings } = place;
    const { tokens, toolsUrl, secrets } = this.#parts;
    const url = toolsUrl();
    const model = modelAccess(session.backend, process.env, session.backend === "acp" ? settings.acp : undefined);
    const servers = Object.values(place.servers).map((server) => hostOf(server.url));
    const hosts = [hostOf(url), ...servers, ...role.network, ...model.hosts];
    const wrap = await this.#sandboxed(place.policy, session, hosts, role.gpus, settings);
    const price = session.model === null ? null : (settings.prices[session.model] ?? null);
    return {
      id: session.id,
      directory: session.directory,
      workspace: place.directory,
      folders: place.folders,
      brief: place.brief,
      model: session.model,
      price,
      tools: {
        lab: { url, token: tokens.issue(session.id) },
        labTools: toolsOf(role.tools, session),
        native: role.native,
        servers: place.servers,
      },
      limits: {
        turns: role.limits.turns,
        minutes: role.limits.minutes,
        tokens: role.limits.tokens,
        // Codex tells no cost: without a price, tokens and time are what limits it.
        cost: session.backend === "codex" && price === null ? null : role.limits.cost,
        silenceSeconds: role.limits.silence_seconds,
        toolSeconds: role.limits.tool_seconds,
        bytes: role.limits.size,
      },
      environment: { ...agentEnvironment(), ...model.variables },
      secrets: [...secrets(), ...place.secrets],
      resume: session.restarts > 0,
      wrap,
    };
  }

  /** Makes ready what a person needs. What is wrong with it is said now, and not to whoever asks for the brief. */
  async forPerson(facts: IssueFacts, session: SessionRecord): Promise<void> {
    await this.brief(facts, session);
    if (session.role === "implementer") await this.#parts.workspaces.forSession(facts, session);
  }

  /** What whoever does the role is told, an agent or a person. */
  brief(facts: IssueFacts, session: SessionRecord): Promise<string> {
    const role = readRole(facts.issue.project, session.role);
    return writeBrief(role, facts, this.#sources(facts, session));
  }

  /** Begins no more sessions: what is waited for on their behalf is given up. */
  abandon(): void {
    this.#parts.servers.abandon();
  }

  /** What an agent that has ended could not have done better: notes it before that is judged by its last words. */
  async explainEnd(session: SessionRecord): Promise<void> {
    if (session.issue_id !== null) return;
    const { lab, servers } = this.#parts;
    await servers.tellLosses(await investigationById(lab.store.db, session.subject));
  }

  async release(session: SessionRecord): Promise<void> {
    this.#parts.tokens.revoke(session.id);
    const { lab, servers, workspaces } = this.#parts;
    const { state } = await findSession(lab.store.db, session.id);
    if (state === "ended") new SessionDirectory(session.directory).removeHome();
    if (session.issue_id === null) return servers.stop(await investigationById(lab.store.db, session.subject));
    const row = await lab.store.db
      .selectFrom("issues")
      .select("project")
      .where("id", "=", session.issue_id)
      .executeTakeFirstOrThrow();
    // A person's session may be ended from a machine without the repository: nothing of it is there.
    if (existsSync(row.project)) await workspaces.release(row.project, session);
  }

  #sources(facts: IssueFacts, session: SessionRecord): BriefSources {
    const { lab, workspaces, documents, describeTools } = this.#parts;
    const role = readRole(facts.issue.project, session.role);
    const change = newest(facts, "change");
    return {
      comments: () => commentsOn(lab.store.db, facts.issue.id),
      diff: async () => (change === null ? "" : workspaces.diff(facts, change.hash)),
      results: async () => (await documents()).results(facts),
      document: async () => {
        const { role } = session;
        return role === "analyzer" ? (await documents()).source(facts) : (await documents()).present(facts);
      },
      ...waysOf(session, describeTools(toolsOf(role.tools, session))),
      submits: session.role === "investigator" ? null : roleWork[session.role].submits,
    };
  }

  async #sandboxed(
    workspace: Place["policy"],
    session: SessionRecord,
    hosts: readonly string[],
    gpus: boolean,
    settings: AgentSettings,
  ): Promise<SessionOrder["wrap"]> {
    const sandbox = await this.#parts.workspaces.sandbox();
    if (settings.sandbox === "required" && sandbox.missing !== undefined) throw withoutSandbox(sandbox.missing);
    const environment = agentEnvironment();
    const own = session.backend === "acp" ? await programTrees(settings.acp.command, homedir()) : [];
    const readable = [...workspace.readable, ...toolchains(environment["PATH"] ?? "", homedir()), ...own];
    const policy = {
      ...workspace,
      scratch: new SessionDirectory(session.directory).home,
      readable,
      hidden: [],
      network: { hosts },
      gpus,
      refusals: new SessionDirectory(session.directory).refusals,
    };
    return (command) => sandbox.wrap(command, policy);
  }
}

/** The tools of a role: those that it declares, and the one that hands in its work. */
export function toolsOf(declared: readonly string[], { role }: Pick<SessionRecord, "role">): string[] {
  return [...declared, `submit_${role === "investigator" ? "summary" : roleWork[role].submits}`];
}

function withoutSandbox({ reason, next }: { reason: string; next: string }): RigorError {
  return new RigorError("not-possible", `Agents may work only in a sandbox, and there is none: ${reason}`, {
    next: `${next} Or set \`agents.sandbox\` to \`when-present\` in rigor.yaml.`,
  });
}

/** What an agent's commands need to run at all; nothing else of this process's environment reaches them. */
function agentEnvironment(): Record<string, string> {
  const kept = ["PATH", "LANG", "LC_ALL", "TZ"].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(kept);
}

/** How a role looks things up and hands in: an agent by tools, a person by commands. */
function waysOf(session: SessionRecord, tools: string): Pick<BriefSources, "tools" | "handingIn"> {
  if (session.backend !== "human") {
    const handingIn =
      "Hand in with the tool `submit_...` of the list above. It answers with every problem that it finds; mend them and hand " +
      "in again. Your work counts once it says that it was taken. Then end.";
    return { tools, handingIn };
  }
  const id = session.id.slice(0, 8);
  return {
    tools: "You have the command line: `rigor issue`, `rigor list`, `rigor show`, `rigor results` and `rigor logs`.",
    handingIn: `Write it to a file and hand it in:\n\n    rigor session form ${id} > work.yaml\n    rigor session submit ${id} work.yaml`,
  };
}
