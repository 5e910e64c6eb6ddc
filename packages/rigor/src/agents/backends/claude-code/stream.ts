import { z } from "zod";
import type { Entry, Usage } from "../../transcripts/entry.ts";
import type { ModelPrice } from "../backend.ts";
import { understand } from "../parse-line.ts";
import { withCost } from "../price.ts";
import type { AgentReader, Reading } from "../account.ts";
import { serviceVerdict, type Verdict } from "../verdict.ts";

const tokens = z.object({
  input_tokens: z.number().default(0),
  cache_read_input_tokens: z.number().nullish(),
  cache_creation_input_tokens: z.number().nullish(),
  output_tokens: z.number().default(0),
});

const block = z.union([
  z.object({ type: z.literal("text"), text: z.string() }),
  z.object({ type: z.literal("thinking"), thinking: z.string() }),
  z.object({ type: z.literal("tool_use"), id: z.string(), name: z.string(), input: z.unknown() }),
  z.object({
    type: z.literal("tool_result"),
    tool_use_id: z.string(),
    content: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]).default(""),
    is_error: z.boolean().nullish(),
  }),
  z.object({ type: z.string() }).transform(() => ({ type: "other" as const })),
]);

const event = z.union([
  z.object({
    type: z.literal("system"),
    subtype: z.literal("init"),
    model: z.string(),
    tools: z.array(z.string()),
    mcp_servers: z.array(z.object({ name: z.string(), status: z.string() })),
  }),
  z.object({
    type: z.literal("system"),
    subtype: z.literal("api_retry"),
    error_status: z.number().nullable(),
    error: z.string(),
  }),
  z.object({
    type: z.literal("system"),
    subtype: z.literal("permission_denied"),
    tool_name: z.string(),
    message: z.string(),
  }),
  z.object({ type: z.literal("system"), subtype: z.string() }),
  z.object({
    type: z.literal("stream_event"),
    event: z.union([
      z.object({ type: z.literal("message_start"), message: z.object({ usage: tokens }) }),
      z.object({ type: z.literal("message_delta"), usage: z.object({ output_tokens: z.number() }) }),
      z.object({ type: z.string() }).transform(() => ({ type: "other" as const })),
    ]),
  }),
  z.object({
    type: z.literal("assistant"),
    message: z.object({ model: z.string(), content: z.array(block) }),
  }),
  z.object({ type: z.literal("user"), message: z.object({ content: z.union([z.string(), z.array(block)]) }) }),
  z.object({
    type: z.literal("result"),
    subtype: z.string(),
    is_error: z.boolean(),
    result: z.string().nullish(),
    errors: z.array(z.string()).nullish(),
    api_error_status: z.number().nullish(),
    terminal_reason: z.string().nullish(),
    total_cost_usd: z.number().nullish(),
    modelUsage: z
      .record(
        z.string(),
        z.object({
          inputTokens: z.number(),
          outputTokens: z.number(),
          cacheReadInputTokens: z.number(),
          cacheCreationInputTokens: z.number(),
        }),
      )
      .nullish(),
  }),
  z.object({ type: z.string() }).transform(() => ({ type: "other" as const })),
]);

type Event = z.infer<typeof event>;
type Result = Extract<Event, { type: "result" }>;
type Block = z.infer<typeof block>;

/** Without a status: what went wrong on the way to the model's service. */
const unanswered = (error: string): string =>
  error === "unknown" ? "The model's service gave no answer." : `The model's service gave no answer: ${error}`;

const nothing: Reading = { entries: [], progress: false };

/** Understands what Claude Code writes as `stream-json` with partial messages. */
export class ClaudeStream implements AgentReader {
  readonly #price: ModelPrice | null;
  /** Servers whose tools the agent must have. */
  readonly #servers: readonly string[];
  #used = { turns: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
  #cost: number | null = null;
  #verdict: Verdict | null = null;
  #problem: Verdict | null = null;
  readonly #refusedCalls = new Set<string>();
  readonly #tools = new Map<string, string>();

  constructor(servers: readonly string[], price: ModelPrice | null) {
    this.#servers = servers;
    this.#price = price;
  }

  read(line: string): Reading {
    return understand(line, event, (seen) => this.#event(seen));
  }

  used(): Omit<Usage, "seconds"> {
    return withCost(this.#used, this.#cost, this.#price);
  }

  verdict(): Verdict | null {
    return this.#verdict;
  }

  problem(): Verdict | null {
    return this.#problem;
  }

  #event(seen: Event): Reading {
    switch (seen.type) {
      case "system":
        return this.#system(seen);
      case "stream_event":
        this.#count(seen.event);
        return { entries: [], progress: true };
      case "assistant":
        if (seen.message.model !== "<synthetic>") return this.#blocks(seen.message.content);
        // Claude Code speaks in the model's place when the service has failed.
        return { entries: this.#blocks(seen.message.content).entries.map(asNotice), progress: false };
      case "user":
        return typeof seen.message.content === "string" ? nothing : this.#blocks(seen.message.content);
      case "result":
        this.#end(seen);
        return { entries: [], progress: true };
      default:
        return { entries: [], progress: true };
    }
  }

  #system(seen: Extract<Event, { type: "system" }>): Reading {
    if ("mcp_servers" in seen) {
      const missing = this.#servers.filter(
        (name) => !seen.mcp_servers.some((one) => one.name === name && one.status === "connected"),
      );
      if (missing.length > 0) {
        const status = seen.mcp_servers.map((one) => `${one.name} ${one.status}`).join(", ");
        const evidence = `The tools of ${missing.join(" and ")} cannot be reached (${status}).`;
        this.#problem = { outcome: "failed", evidence };
      }
      return { entries: [{ kind: "ready", model: seen.model, tools: seen.tools.map(toolName) }], progress: true };
    }
    if ("error_status" in seen) {
      const why = seen.error_status === null ? unanswered(seen.error) : `${seen.error_status} ${seen.error}`;
      return { entries: [{ kind: "retry", status: seen.error_status, why }], progress: false };
    }
    if ("tool_name" in seen) {
      return { entries: [{ kind: "refused", tool: toolName(seen.tool_name), why: seen.message }], progress: true };
    }
    return { entries: [], progress: seen.subtype !== "status" };
  }

  #count(seen: Extract<Event, { type: "stream_event" }>["event"]): void {
    if (seen.type === "message_start") {
      const { input_tokens, cache_read_input_tokens, cache_creation_input_tokens } = seen.message.usage;
      const cached = cache_read_input_tokens ?? 0;
      this.#used.turns++;
      this.#used.inputTokens += input_tokens + cached + (cache_creation_input_tokens ?? 0);
      this.#used.cachedTokens += cached;
    } else if (seen.type === "message_delta") {
      this.#used.outputTokens += seen.usage.output_tokens;
    }
  }

  #blocks(blocks: readonly Block[]): Reading {
    return { entries: blocks.flatMap((one) => this.#block(one)), progress: true };
  }

  #block(one: Block): Entry[] {
    switch (one.type) {
      case "text":
        return [{ kind: "text", text: one.text }];
      case "thinking":
        return [{ kind: "thinking", text: one.thinking }];
      case "tool_use":
        this.#tools.set(one.id, toolName(one.name));
        return [{ kind: "tool-call", id: one.id, tool: toolName(one.name), input: one.input }];
      case "tool_result": {
        const text =
          typeof one.content === "string" ? one.content : one.content.map((part) => part.text ?? "").join("\n");
        const result: Entry = { kind: "tool-result", id: one.tool_use_id, text, error: one.is_error === true };
        const unknown = /^<tool_use_error>Error: (No such tool available: .*?)<\/tool_use_error>/s.exec(text)?.[1];
        if (unknown === undefined || this.#refusedCalls.has(one.tool_use_id)) return [result];
        this.#refusedCalls.add(one.tool_use_id);
        return [{ kind: "refused", tool: this.#tools.get(one.tool_use_id) ?? "?", why: unknown }, result];
      }
      default:
        return [];
    }
  }

  #end(seen: Result): void {
    this.#cost = seen.total_cost_usd ?? this.#cost;
    const models = Object.values(seen.modelUsage ?? {});
    if (models.length > 0) {
      // Also counts what the agent asks of other models beside its work.
      const sum = (pick: (one: (typeof models)[number]) => number) => models.reduce((all, one) => all + pick(one), 0);
      this.#used.cachedTokens = sum((one) => one.cacheReadInputTokens);
      this.#used.inputTokens =
        this.#used.cachedTokens + sum((one) => one.inputTokens) + sum((one) => one.cacheCreationInputTokens);
      this.#used.outputTokens = sum((one) => one.outputTokens);
    }
    this.#verdict = verdictOf(seen);
  }
}

function verdictOf(seen: Result): Verdict {
  const evidence =
    (seen.errors ?? []).join("; ") || (seen.result ?? "") || `${seen.subtype} ${seen.terminal_reason ?? ""}`;
  if (seen.subtype === "error_max_turns") return { outcome: "turn-limit", evidence };
  if (seen.subtype === "error_max_budget_usd") return { outcome: "cost-limit", evidence };
  if (!seen.is_error && seen.subtype === "success") return { outcome: "finished", evidence: lastLine(evidence) };
  return serviceVerdict(seen.api_error_status ?? null, evidence);
}

/** The lab's tools as the lab names them; tools of other servers as `server/tool`. */
function toolName(name: string): string {
  const [, server, tool] = /^mcp__(.+?)__(.+)$/.exec(name) ?? [];
  if (server === undefined || tool === undefined) return name;
  return server === "lab" ? tool : `${server}/${tool}`;
}

function asNotice(entry: Entry): Entry {
  return entry.kind === "text" ? { kind: "notice", text: entry.text } : entry;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
