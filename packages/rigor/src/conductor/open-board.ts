import type { Sandbox } from "../agents/sandbox/sandbox.ts";
import type { Dispatcher } from "../bench/dispatch/dispatcher.ts";
import type { Lab } from "../bench/lab/lab.ts";
import type { DocumentFacts } from "../reports/document/facts.ts";
import { Conductor } from "./conductor.ts";
import { IssueDriving } from "./issue-driving.ts";
import { Findings } from "./investigations/findings.ts";
import { Investigations } from "./investigations/investigations.ts";
import { Orders } from "./orders.ts";
import type { ConductorParts } from "./parts.ts";
import type { BackendOf } from "./running-sessions.ts";
import { SessionKeeper } from "./session-keeper.ts";
import { SessionTokens } from "./session-tokens.ts";
import type { ToolPatience } from "./investigations/tool-jobs/patience.ts";
import { InvestigationServers } from "./investigations/tool-servers.ts";
import { IssueWorkspaces } from "./workspaces.ts";

/** Everything around issues, ready for the daemon and the API. */
export interface Board {
  parts: ConductorParts;
  conductor: Conductor;
  orders: Orders;
  investigations: Investigations;
  findings: Findings;
  issues: IssueDriving;
  tokens: SessionTokens;
}

export interface BoardOptions {
  lab: Lab;
  dispatcher: Dispatcher;
  backendOf: BackendOf;
  sandbox: () => Promise<Sandbox>;
  /** Everything recorded that a document about an experiment may show. */
  readDocumentFacts: (experiment: string) => Promise<DocumentFacts>;
  toolsUrl: () => string;
  describeTools: (names: readonly string[]) => string;
  secrets: () => readonly string[];
  toolPatience: ToolPatience;
}

export function openBoard(options: BoardOptions): Board {
  const { lab, dispatcher, backendOf, sandbox, readDocumentFacts, toolsUrl, describeTools, secrets, toolPatience } =
    options;
  const issues = new IssueDriving(lab.driving, lab.store);
  const tokens = new SessionTokens();
  const workspaces = new IssueWorkspaces(lab, sandbox);
  const documents = later(async () => new (await import("./documents.ts")).Documents(readDocumentFacts));
  const servers = new InvestigationServers(lab, toolPatience, async (investigation, loss, isOver) => {
    try {
      await investigations.disrupt(investigation, loss, isOver);
    } catch (error) {
      lab.log.error(
        { err: error, investigation: investigation.number },
        "the end of a tool server could not be written",
      );
    }
  });
  const orders = new Orders({ lab, workspaces, documents, tokens, servers, toolsUrl, describeTools, secrets });
  const sessions = new SessionKeeper(lab, backendOf, orders, issues);
  const findings = new Findings(lab.store);
  const investigations = new Investigations({ lab, sessions, servers, issues, findings });
  const parts: ConductorParts = { lab, dispatcher, issues, workspaces, documents, sessions };
  return { parts, conductor: new Conductor(parts, investigations), orders, investigations, findings, issues, tokens };
}

/** Made when it is first asked for, once. */
function later<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined;
  return () => (made ??= make());
}
