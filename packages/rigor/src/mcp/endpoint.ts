import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import type { CallToolResult } from "@modelcontextprotocol/server";
import type { Logger } from "pino";
import { ORPCError } from "@orpc/server";
import { readRole } from "../agents/roles/read-role.ts";
import type { ApiContext } from "../api/context.ts";
import { investigationById } from "../conductor/investigations/queries.ts";
import { toolsOf } from "../conductor/orders.ts";
import { findSession, issueById } from "../conductor/queries.ts";
import { RigorError } from "../domain/errors.ts";
import type { LabTool, ToolContext } from "./tool.ts";
import { toolsNamed } from "./tools/registry.ts";

/**
 * The lab's tools for agents, over MCP. A session's token opens its role's tools on its issue and nothing else; whatever
 * else it asks for is refused and recorded.
 */
export function toolEndpoint(
  apiContext: () => ApiContext,
  version: string,
  log: Logger,
): (request: Request) => Promise<Response> {
  return async (request) => {
    const api = apiContext();
    const { db } = api.lab.store;
    const token = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    const sessionId = api.board.tokens.sessionOf(token);
    const session = sessionId === undefined ? null : await findSession(db, sessionId);
    if (session === null || session.state === "ended") {
      return Response.json({ error: "The request carries no token of a session that is at work." }, { status: 401 });
    }
    const issue = session.issue_id === null ? null : await issueById(db, session.issue_id);
    const investigation = session.issue_id === null ? await investigationById(db, session.subject) : null;
    const context: ToolContext = { api, session, issue, investigation };
    const role = readRole(issue?.project ?? investigation?.project ?? "/", session.role);
    const offered = toolsNamed(toolsOf(role.tools, session));
    await recordForeignTool(request, context, offered);
    const handler = createMcpHandler(() => serve(offered, context, version, log));
    return handler.fetch(request);
  };
}

function serve(offered: readonly LabTool[], context: ToolContext, version: string, log: Logger): McpServer {
  const server = new McpServer({ name: "rigor", version });
  for (const { name, description, input, reads, handle } of offered) {
    const annotations = { readOnlyHint: reads, destructiveHint: false, openWorldHint: false };
    server.registerTool(name, { description, inputSchema: input, annotations }, async (given) =>
      answer(() => handle(context, given), name, log),
    );
  }
  return server;
}

/** What the agent can mend is an answer to it; what it cannot is logged with its cause. */
async function answer(handle: () => Promise<string>, name: string, log: Logger): Promise<CallToolResult> {
  try {
    return { content: [{ type: "text", text: await handle() }] };
  } catch (error) {
    const { message, next } = told(error);
    if (next === null) log.error({ err: error, tool: name }, "a tool failed");
    return { content: [{ type: "text", text: `${message} ${next ?? ""}`.trim() }], isError: true };
  }
}

function told(error: unknown): { message: string; next: string | null } {
  if (error instanceof RigorError && error.code !== "internal")
    return { message: error.message, next: error.next ?? "" };
  if (error instanceof ORPCError && error.status < 500) return { message: error.message, next: "" };
  return { message: "The lab failed at this call; it is in its log. Try something else.", next: null };
}

/** A call of a tool that the role does not have is refused by the protocol; here it becomes part of the record. */
async function recordForeignTool(request: Request, { api, session }: ToolContext, offered: readonly LabTool[]) {
  if (request.method !== "POST") return;
  const body = (await request
    .clone()
    .json()
    .catch(() => null)) as { method?: string; params?: { name?: string } } | null;
  const name = body?.method === "tools/call" ? body.params?.name : undefined;
  if (name === undefined || offered.some((one) => one.name === name)) return;
  const why = `The role ${session.role} does not have this tool.`;
  await api.lab.store.transact("mcp", (transaction) =>
    transaction.append([{ kind: "session.refused", entity: session.id, data: { tool: name, why } }]),
  );
}
