import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import type { CallToolResult, StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import type { Logger } from "pino";
import { ORPCError } from "@orpc/server";
import type { z } from "zod";
import { readRole } from "../agents/roles/read-role.ts";
import type { ApiContext } from "../api/context.ts";
import { investigationById } from "../conductor/investigations/queries.ts";
import { toolsOf } from "../conductor/orders.ts";
import { findSession, issueById } from "../conductor/queries.ts";
import { RigorError } from "../domain/errors.ts";
import { read } from "../domain/files/explain.ts";
import { plural } from "../domain/format/numbers.ts";
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
    server.registerTool(name, { description, inputSchema: unchecked(input), annotations }, async (given) =>
      answer(() => handle(context, checked(name, input, given)), name, log),
    );
  }
  return server;
}

/** Describes what a tool takes, and leaves it to {@link checked} to say what is wrong: the protocol's own words are a program's. */
const unchecked = (input: z.ZodType): StandardSchemaWithJSON => {
  const { version, vendor, jsonSchema } = input["~standard"];
  return { "~standard": { version, vendor, jsonSchema, validate: (value) => ({ value }) } };
};

/** @throws RigorError `refused` with every problem */
function checked(name: string, input: z.ZodType, given: unknown): unknown {
  const found = read(input, given);
  if ("data" in found) return found.data;
  const problems = found.problems.map((one) => `- ${one}`).join("\n");
  throw new RigorError("refused", `${name} was not done: ${plural(found.problems.length, "problem")}.\n${problems}`, {
    next: "Mend what is listed and call it again.",
  });
}

/** What the agent can mend is an answer to it; what it cannot is logged with its cause. */
async function answer(handle: () => Promise<string>, name: string, log: Logger): Promise<CallToolResult> {
  try {
    return { content: [{ type: "text", text: await handle() }] };
  } catch (error) {
    const { message, next } = told(error);
    if (next === null) log.error({ err: error, tool: name }, "a tool failed");
    // What to do stands on a line of its own below a list.
    const text = `${message}${message.includes("\n") ? "\n" : " "}${next ?? ""}`.trim();
    return { content: [{ type: "text", text }], isError: true };
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
