import { z } from "zod";
import { ModelServer, pieces, type Dialect, type Said, type Script } from "./model-server.ts";

const block = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string() }),
  z.object({ type: z.literal("tool_use"), id: z.string(), name: z.string() }),
  z.object({
    type: z.literal("tool_result"),
    tool_use_id: z.string(),
    content: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]).default(""),
    is_error: z.boolean().default(false),
  }),
  z.object({ type: z.enum(["thinking", "redacted_thinking", "image", "document"]) }),
]);

const content = z.union([z.string().transform((text) => [{ type: "text" as const, text }]), z.array(block)]);

const messagesRequest = z.object({
  model: z.string(),
  system: z.union([z.string(), z.array(z.object({ text: z.string() }))]).default(""),
  tools: z.array(z.object({ name: z.string() })).default([]),
  messages: z.array(z.object({ role: z.enum(["user", "assistant", "system"]), content })),
});

/** The Messages API of Anthropic, as far as agents use it. */
const dialect: Dialect = {
  path: "/v1/messages",

  read(body) {
    const { model, system, tools, messages } = messagesRequest.parse(body);
    const blocks = messages.flatMap((message) => message.content.map((one) => ({ role: message.role, ...one })));
    const names = new Map(blocks.flatMap((one) => (one.type === "tool_use" ? [[one.id, one.name]] : [])));
    return {
      model,
      system: [
        typeof system === "string" ? system : system.map((one) => one.text).join("\n"),
        ...blocks.flatMap((one) => (one.role === "system" && one.type === "text" ? [one.text] : [])),
      ].join("\n"),
      prompt: blocks.flatMap((one) => (one.role === "user" && one.type === "text" ? [one.text] : [])).join("\n"),
      tools: tools.map((tool) => tool.name),
      results: blocks.flatMap((one) =>
        one.type === "tool_result"
          ? [{ tool: names.get(one.tool_use_id) ?? "", text: textOf(one.content), isError: one.is_error }]
          : [],
      ),
      turn: messages.filter((message) => message.role === "assistant").length,
    };
  },

  write(reply, asked, id) {
    const blocks = blocksOf(reply, id);
    const usage = {
      input_tokens: reply.usage?.input ?? 100,
      cache_read_input_tokens: reply.usage?.cached ?? 0,
      cache_creation_input_tokens: 0,
      output_tokens: 1,
    };
    const message = {
      id,
      type: "message",
      role: "assistant",
      model: asked.model,
      content: [],
      stop_reason: null,
      usage,
    };
    return [
      { type: "message_start", message },
      ...blocks.flatMap((one, index) => [
        { type: "content_block_start", index, content_block: one.start },
        ...one.deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
        { type: "content_block_stop", index },
      ]),
      {
        type: "message_delta",
        delta: { stop_reason: (reply.calls ?? []).length > 0 ? "tool_use" : "end_turn", stop_sequence: null },
        usage: { output_tokens: reply.usage?.output ?? 10 },
      },
      { type: "message_stop" },
    ];
  },

  error: (_status, type, message) => ({ type: "error", error: { type, message } }),
};

function blocksOf(reply: Said, id: string): { start: object; deltas: object[] }[] {
  const blocks: { start: object; deltas: object[] }[] = [];
  if (reply.thinking !== undefined) {
    const deltas = pieces(reply.thinking).map((thinking) => ({ type: "thinking_delta", thinking }));
    const signature = { type: "signature_delta", signature: "c2lnbmVk" };
    blocks.push({ start: { type: "thinking", thinking: "", signature: "" }, deltas: [...deltas, signature] });
  }
  if (reply.text !== undefined) {
    const deltas = pieces(reply.text).map((text) => ({ type: "text_delta", text }));
    blocks.push({ start: { type: "text", text: "" }, deltas });
  }
  for (const [index, call] of (reply.calls ?? []).entries()) {
    const deltas = pieces(JSON.stringify(call.input)).map((one) => ({ type: "input_json_delta", partial_json: one }));
    blocks.push({ start: { type: "tool_use", id: `toolu_${id}_${index}`, name: call.tool, input: {} }, deltas });
  }
  return blocks;
}

function textOf(content: string | { text?: string | undefined }[]): string {
  return typeof content === "string" ? content : content.map((one) => one.text ?? "").join("\n");
}

/** Says what a script tells it to, to agents that speak to Anthropic's Messages API. */
export class AnthropicServer extends ModelServer {
  static async start(script: Script): Promise<AnthropicServer> {
    return await new AnthropicServer(dialect, script).listen();
  }
}
