import { z } from "zod";
import type { Entry, Usage } from "../../transcripts/entry.ts";
import type { AgentReader, Reading } from "../account.ts";
import type { ModelPrice } from "../backend.ts";
import { understand } from "../parse-line.ts";
import { withCost } from "../price.ts";
import { serviceVerdict, type Verdict } from "../verdict.ts";
import type { RolloutUsage } from "./rollout.ts";

const item = z.union([
  z.object({ type: z.literal("agent_message"), id: z.string(), text: z.string() }),
  z.object({ type: z.literal("reasoning"), id: z.string(), text: z.string() }),
  z.object({
    type: z.literal("command_execution"),
    id: z.string(),
    command: z.string(),
    aggregated_output: z.string(),
    exit_code: z.number().nullable(),
    status: z.string(),
  }),
  z.object({
    type: z.literal("mcp_tool_call"),
    id: z.string(),
    server: z.string(),
    tool: z.string(),
    arguments: z.unknown(),
    result: z.object({ content: z.array(z.looseObject({ text: z.string().optional() })) }).nullish(),
    error: z.object({ message: z.string() }).nullish(),
    status: z.string(),
  }),
  z.object({
    type: z.literal("file_change"),
    id: z.string(),
    changes: z.array(z.object({ path: z.string(), kind: z.string() })),
    status: z.string(),
  }),
  z.object({ type: z.literal("web_search"), id: z.string(), query: z.string() }),
  z.object({ type: z.literal("error"), id: z.string(), message: z.string() }),
  z.object({ type: z.string() }).transform(() => ({ type: "other" as const })),
]);

const event = z.union([
  z.object({ type: z.enum(["item.started", "item.completed"]), item }),
  z.object({ type: z.literal("turn.completed") }),
  z.object({ type: z.literal("turn.failed"), error: z.object({ message: z.string() }) }),
  z.object({ type: z.literal("error"), message: z.string() }),
  z.object({ type: z.string() }).transform(() => ({ type: "other" as const })),
]);

type Item = z.infer<typeof item>;

/** Understands what `codex exec --json` writes. */
export class CodexEvents implements AgentReader {
  readonly #usage: RolloutUsage;
  readonly #price: ModelPrice | null;
  #last = "";
  #verdict: Verdict | null = null;
  /** Calls whose start was told. */
  readonly #begun = new Set<string>();

  constructor(usage: RolloutUsage, price: ModelPrice | null) {
    this.#usage = usage;
    this.#price = price;
  }

  async look(): Promise<void> {
    await this.#usage.look();
  }

  used(): Omit<Usage, "seconds"> {
    return withCost(this.#usage.used, null, this.#price);
  }

  verdict(): Verdict | null {
    return this.#verdict;
  }

  problem(): Verdict | null {
    return null;
  }

  read(line: string): Reading {
    return understand(line, event, (seen) => this.#event(seen));
  }

  #event(seen: z.infer<typeof event>): Reading {
    switch (seen.type) {
      case "item.started":
        return { entries: this.#call(seen.item), progress: true };
      case "item.completed":
        return { entries: this.#item(seen.item), progress: true };
      case "turn.completed":
        this.#verdict = { outcome: "finished", evidence: this.#last };
        return { entries: [], progress: true };
      case "turn.failed":
        this.#verdict = failure(seen.error.message);
        return { entries: [], progress: false };
      case "error":
        return { entries: [{ kind: "retry", status: statusIn(seen.message), why: seen.message }], progress: false };
      default:
        return { entries: [], progress: true };
    }
  }

  #call(one: Item): Entry[] {
    if (one.type === "other" || one.type === "agent_message" || one.type === "reasoning" || one.type === "error") {
      return [];
    }
    if (this.#begun.has(one.id)) return [];
    this.#begun.add(one.id);
    const { id } = one;
    if (one.type === "command_execution")
      return [{ kind: "tool-call", id, tool: "shell", input: { command: one.command } }];
    if (one.type === "file_change") return [{ kind: "tool-call", id, tool: "edit", input: { changes: one.changes } }];
    if (one.type === "web_search") return [{ kind: "tool-call", id, tool: "web", input: { query: one.query } }];
    const tool = one.server === "lab" ? one.tool : `${one.server}/${one.tool}`;
    return [{ kind: "tool-call", id, tool, input: one.arguments }];
  }

  #item(one: Item): Entry[] {
    switch (one.type) {
      case "agent_message":
        this.#last = one.text.trim().split("\n").at(-1) ?? "";
        return [{ kind: "text", text: one.text }];
      case "reasoning":
        return [{ kind: "thinking", text: one.text }];
      case "error":
        return [{ kind: "notice", text: one.message }];
      case "other":
        return [];
      case "command_execution":
        return [...this.#call(one), result(one.id, one.aggregated_output, one.exit_code !== 0)];
      case "mcp_tool_call": {
        const text = one.error?.message ?? one.result?.content.map((part) => part.text ?? "").join("\n") ?? "";
        return [...this.#call(one), result(one.id, text, one.status === "failed")];
      }
      default:
        return [...this.#call(one), result(one.id, "", "status" in one && one.status === "failed")];
    }
  }
}

function result(id: string, text: string, error: boolean): Entry {
  return { kind: "tool-result", id, text, error };
}

function statusIn(message: string): number | null {
  const status = /\bunexpected status (\d{3})\b/.exec(message)?.[1];
  return status === undefined ? null : Number(status);
}

function failure(message: string): Verdict {
  const status = statusIn(message);
  // The service was there, and broke off each time.
  const broken = status === null && message.startsWith("stream disconnected before completion");
  return broken ? { outcome: "overloaded", evidence: message } : serviceVerdict(status, message);
}
