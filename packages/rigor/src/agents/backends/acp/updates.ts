import { z } from "zod";
import type { Entry, Usage } from "../../transcripts/entry.ts";
import type { AgentReader, Reading } from "../account.ts";
import type { ModelPrice, SessionOrder } from "../backend.ts";
import { understand } from "../parse-line.ts";
import { withCost } from "../price.ts";
import { serviceVerdict, type Verdict } from "../verdict.ts";
import { askedCall, isAllowed, nameOf, type AskedCall } from "./permissions.ts";

const part = z.looseObject({ content: z.looseObject({ text: z.string().optional() }).optional() });

const update = z.union([
  z.object({
    sessionUpdate: z.enum(["agent_message_chunk", "agent_thought_chunk"]),
    content: z.looseObject({ text: z.string().optional() }),
  }),
  askedCall.extend({
    sessionUpdate: z.enum(["tool_call", "tool_call_update"]),
    status: z.string().nullish(),
    content: z.array(part).nullish(),
    rawOutput: z.unknown().optional(),
  }),
  z.object({ sessionUpdate: z.literal("usage_update"), cost: z.object({ amount: z.number() }).nullish() }),
  z.object({ sessionUpdate: z.string() }).transform(() => ({ sessionUpdate: "other" as const })),
]);

const message = z.union([
  z.object({ method: z.literal("session/update"), params: z.object({ update }) }),
  z.object({ method: z.literal("session/request_permission"), params: z.object({ toolCall: askedCall }) }),
  z.object({ method: z.string() }).transform(() => ({ method: "other" as const })),
  z.object({ error: z.looseObject({ code: z.number(), message: z.string() }) }),
  z.object({ result: z.unknown() }),
]);

/** The answer to what the agent was told: its work is done. */
const promptResult = z.object({
  stopReason: z.string(),
  usage: z
    .object({
      inputTokens: z.number(),
      outputTokens: z.number(),
      cachedReadTokens: z.number().nullish(),
      cachedWriteTokens: z.number().nullish(),
    })
    .nullish(),
});

type Update = z.infer<typeof update>;
type ToolUpdate = Extract<Update, { toolCallId: string }>;

/** The protocol's code for an agent that has no credentials. */
const authenticationRequired = -32_000;

/** Understands what an agent writes that speaks the Agent Client Protocol. */
export class AcpUpdates implements AgentReader {
  readonly #tools: SessionOrder["tools"];
  readonly #price: ModelPrice | null;
  #used = { turns: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
  #cost: number | null = null;
  #verdict: Verdict | null = null;
  /** Words that have come in pieces: they are told whole, so that nothing in them is cut in two. */
  #words: { kind: "text" | "thinking"; text: string } | null = null;
  #lastText = "";
  /** Calls that are not told yet, because their input may still grow; and those that have not ended. */
  readonly #waiting = new Map<string, AskedCall>();
  readonly #open = new Set<string>();
  #answered = true;

  constructor(tools: SessionOrder["tools"], price: ModelPrice | null) {
    this.#tools = tools;
    this.#price = price;
  }

  read(line: string): Reading {
    return understand(line, message, (seen) => this.#message(seen));
  }

  #message(seen: z.infer<typeof message>): Reading {
    if ("error" in seen) {
      this.#verdict ??= failure(seen.error.code, seen.error.message);
      return { entries: this.#say(null), progress: false };
    }
    if ("result" in seen) return { entries: this.#result(seen.result), progress: true };
    if (seen.method === "session/update") return { entries: this.#update(seen.params.update), progress: true };
    if (seen.method === "other") return { entries: [], progress: true };
    return { entries: this.#asked(seen.params.toolCall), progress: true };
  }

  held(isOver: boolean): Entry[] {
    const calls = [...this.#waiting.keys()].flatMap((id) => this.#call(id));
    return isOver ? [...this.#say(null), ...calls] : calls;
  }

  used(): Omit<Usage, "seconds"> {
    return withCost(this.#used, this.#cost, this.#price);
  }

  verdict(): Verdict | null {
    return this.#verdict;
  }

  problem(): Verdict | null {
    return null;
  }

  #update(seen: Update): Entry[] {
    if ("toolCallId" in seen) return this.#tool(seen);
    switch (seen.sessionUpdate) {
      case "agent_message_chunk":
        this.#countTurn();
        return this.#say({ kind: "text", text: seen.content.text ?? "" });
      case "agent_thought_chunk":
        this.#countTurn();
        return this.#say({ kind: "thinking", text: seen.content.text ?? "" });
      case "usage_update":
        this.#cost = seen.cost?.amount ?? this.#cost;
        return [];
      default:
        return [];
    }
  }

  /** Adds to the words that are being said, or tells them when others begin. */
  #say(more: { kind: "text" | "thinking"; text: string } | null): Entry[] {
    const before = this.#words;
    if (before !== null && before.kind === more?.kind) {
      before.text += more.text;
      return [];
    }
    this.#words = more;
    if (before === null || before.text === "") return [];
    if (before.kind === "text") this.#lastText = before.text;
    return [before];
  }

  #tool(seen: ToolUpdate): Entry[] {
    const { toolCallId: id, status } = seen;
    const said = this.#say(null);
    if (seen.sessionUpdate === "tool_call") {
      this.#countTurn();
      this.#open.add(id);
    }
    if (!this.#open.has(id)) return said;
    const known = this.#waiting.get(id);
    if (known !== undefined || seen.sessionUpdate === "tool_call") {
      const { name = known?.name, title = known?.title, kind = known?.kind, rawInput = known?.rawInput } = seen;
      this.#waiting.set(id, { toolCallId: id, name, title, kind, rawInput });
    }
    if (status !== "completed" && status !== "failed") return said;
    this.#open.delete(id);
    this.#answered = true;
    const shown = (seen.content ?? []).map((one) => one.content?.text ?? "").join("\n");
    const text = typeof seen.rawOutput === "string" ? seen.rawOutput : shown;
    const missing = /^<tool_use_error>Error: (No such tool available: .*?)<\/tool_use_error>/s.exec(text)?.[1];
    const call = this.#call(id);
    const refused =
      missing === undefined ? [] : [{ kind: "refused", tool: nameOf(known ?? seen), why: missing } as const];
    return [...said, ...call, ...refused, { kind: "tool-result", id, text, error: status === "failed" }];
  }

  #call(id: string): Entry[] {
    const call = this.#waiting.get(id);
    this.#waiting.delete(id);
    return call === undefined ? [] : [{ kind: "tool-call", id, tool: nameOf(call), input: call.rawInput ?? {} }];
  }

  #asked(call: AskedCall): Entry[] {
    const told = [...this.#say(null), ...this.#call(call.toolCallId)];
    if (isAllowed(call, this.#tools)) return told;
    return [...told, { kind: "refused", tool: nameOf(call), why: "Its role does not have this tool." }];
  }

  #countTurn(): void {
    if (this.#answered) this.#used.turns++;
    this.#answered = false;
  }

  #result(result: unknown): Entry[] {
    const parsed = promptResult.safeParse(result);
    if (!parsed.success) return [];
    const { stopReason, usage } = parsed.data;
    const said = this.#say(null);
    if (usage !== null && usage !== undefined) {
      this.#used.cachedTokens = usage.cachedReadTokens ?? 0;
      this.#used.inputTokens = usage.inputTokens + this.#used.cachedTokens + (usage.cachedWriteTokens ?? 0);
      this.#used.outputTokens = usage.outputTokens;
    }
    if (stopReason === "end_turn") this.#verdict = { outcome: "finished", evidence: lastLine(this.#lastText) };
    else if (stopReason === "max_turn_requests") this.#verdict = { outcome: "turn-limit", evidence: stopReason };
    else this.#verdict = { outcome: "failed", evidence: `The agent stopped: ${stopReason}.` };
    return said;
  }
}

function failure(code: number, text: string): Verdict {
  if (code === authenticationRequired) return { outcome: "credentials", evidence: text };
  const status = /\bAPI Error\b.*?\b([45]\d\d)\b/.exec(text)?.[1];
  return serviceVerdict(status === undefined ? null : Number(status), text);
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
