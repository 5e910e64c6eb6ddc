import { z } from "zod";
import type { NativeTool, SessionOrder } from "../backend.ts";

/** A tool call as an agent describes it when it asks. */
export const askedCall = z.looseObject({
  toolCallId: z.string(),
  name: z.string().nullish(),
  title: z.string().nullish(),
  kind: z.string().nullish(),
  rawInput: z.unknown().optional(),
});
export type AskedCall = z.infer<typeof askedCall>;

/** What the kinds of tools of the protocol may do. */
const kinds: Readonly<Record<string, NativeTool>> = {
  read: "read",
  search: "search",
  edit: "edit",
  delete: "edit",
  move: "edit",
  execute: "shell",
  fetch: "web",
};

/** Whether a role has the tool that its agent asks for. */
export function isAllowed(call: AskedCall, tools: SessionOrder["tools"]): boolean {
  const name = call.name ?? call.title ?? "";
  const served = servedTool(name);
  if (served !== null) {
    const allowed = served.server === "lab" ? tools.labTools : (tools.servers[served.server]?.tools ?? []);
    return allowed.includes(served.tool);
  }
  const native = kinds[call.kind ?? "other"];
  return native !== undefined && tools.native.includes(native);
}

/** The lab's tools as the lab names them, tools of other servers as `server/tool`, others as the agent names them. */
export function nameOf(call: Pick<AskedCall, "name" | "title" | "kind">): string {
  const name = call.name ?? call.title ?? call.kind ?? "a tool";
  const served = servedTool(name);
  if (served === null) return name;
  return served.server === "lab" ? served.tool : `${served.server}/${served.tool}`;
}

function servedTool(name: string): { server: string; tool: string } | null {
  const [, server, tool] = /^mcp__(.+?)__(.+)$/.exec(name) ?? [];
  return server === undefined || tool === undefined ? null : { server, tool };
}
