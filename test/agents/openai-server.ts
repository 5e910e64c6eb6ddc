import { z } from "zod";
import {
  ModelServer,
  pieces,
  type Dialect,
  type Said,
  type Script,
  type ScriptedCall,
  type ServerEvent,
} from "./model-server.ts";

const text = z.object({ text: z.string() });
const output = z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]);

const tool = z.looseObject({
  name: z.string().default(""),
  tools: z.array(z.looseObject({ name: z.string().default("") })).optional(),
});

const item = z.union([
  z.object({
    type: z.literal("message"),
    role: z.enum(["user", "assistant", "system", "developer"]),
    content: z.union([z.string().transform((one) => [{ text: one }]), z.array(text)]),
  }),
  z.object({
    type: z.enum(["function_call", "custom_tool_call"]),
    call_id: z.string(),
    name: z.string(),
    namespace: z.string().nullish(),
  }),
  z.object({ type: z.enum(["function_call_output", "custom_tool_call_output"]), call_id: z.string(), output }),
  z.object({ type: z.literal("additional_tools"), tools: z.array(tool) }),
  z.object({ type: z.string() }).transform(() => ({ type: "other" as const })),
]);

const responsesRequest = z.object({
  model: z.string(),
  instructions: z.string().nullish(),
  tools: z.array(tool).default([]),
  input: z.array(item),
});

/** The Responses API of OpenAI, as far as agents use it. */
const dialect: Dialect = {
  path: "/v1/responses",

  read(body) {
    const { model, instructions, tools, input } = responsesRequest.parse(body);
    const said = (roles: readonly string[]) =>
      input.flatMap((one) =>
        one.type === "message" && roles.includes(one.role) ? one.content.map((part) => part.text) : [],
      );
    const names = new Map(
      input.flatMap((one) => ("name" in one ? [[one.call_id, wholeName(one.namespace, one.name)]] : [])),
    );
    return {
      model,
      system: [instructions ?? "", ...said(["system", "developer"])].join("\n"),
      prompt: said(["user"]).join("\n"),
      tools: [...tools, ...input.flatMap((one) => ("tools" in one ? one.tools : []))].flatMap((one) =>
        (one.tools ?? [null]).map((inner) => toolName(one.name, inner?.name ?? null)),
      ),
      results: input.flatMap((one) =>
        "output" in one ? [{ tool: names.get(one.call_id) ?? "", text: textOf(one.output), isError: false }] : [],
      ),
      turn: turnsIn(input.map((one) => (one.type === "message" && one.role !== "assistant" ? "asked" : one.type))),
    };
  },

  write(reply, asked, id) {
    const items = itemsOf(asked.tools.includes(codeTool) ? { ...reply, calls: reply.calls?.map(asCode) } : reply, id);
    const input = (reply.usage?.input ?? 100) + (reply.usage?.cached ?? 0);
    const usage = {
      input_tokens: input,
      input_tokens_details: { cached_tokens: reply.usage?.cached ?? 0 },
      output_tokens: reply.usage?.output ?? 10,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input + (reply.usage?.output ?? 10),
    };
    const response = { id, object: "response", model: asked.model, output: [] };
    return [
      { type: "response.created", response: { ...response, status: "in_progress" } },
      ...items.flatMap((one, index) => eventsOf(one, index)),
      { type: "response.completed", response: { ...response, status: "completed", output: items, usage } },
    ].map((event, index) => Object.assign(event, { sequence_number: index }));
  },

  error: (_status, type, message) => ({ error: { type, code: type, message } }),
};

/** Some models call all other tools from JavaScript that they hand to this one. */
export const codeTool = "functions/exec";

function asCode({ tool, input }: ScriptedCall): ScriptedCall {
  if (tool === codeTool) return { tool, input };
  const name = JSON.stringify(tool);
  const code = [
    `const tool = ALL_TOOLS.find(({ name }) => name === ${name} || name.endsWith("__" + ${name}));`,
    `if (tool === undefined) text("No such tool: " + ${name});`,
    `else { const result = await tools[tool.name](${JSON.stringify(input)});`,
    `text(typeof result === "string" ? result : JSON.stringify(result)); }`,
  ];
  return { tool: codeTool, input: { code: code.join("\n") } };
}

interface OutputItem {
  type: string;
  id: string;
  [member: string]: unknown;
}

function itemsOf(reply: Said, id: string): OutputItem[] {
  const items: OutputItem[] = [];
  if (reply.thinking !== undefined) {
    items.push({ type: "reasoning", id: `rs_${id}`, summary: [{ type: "summary_text", text: reply.thinking }] });
  }
  if (reply.text !== undefined) {
    const content = [{ type: "output_text", text: reply.text, annotations: [] }];
    items.push({ type: "message", id: `msg_${id}`, role: "assistant", status: "completed", content });
  }
  for (const [index, call] of (reply.calls ?? []).entries()) {
    const [namespace, name] = nameParts(call.tool);
    const named = { call_id: `call_${id}_${index}`, ...(namespace === null ? {} : { namespace }), name };
    const code = call.input["code"];
    items.push(
      call.tool === codeTool && typeof code === "string"
        ? { type: "custom_tool_call", id: `ctc_${id}_${index}`, ...named, input: code }
        : { type: "function_call", id: `fc_${id}_${index}`, ...named, arguments: JSON.stringify(call.input) },
    );
  }
  return items;
}

function eventsOf(one: OutputItem, index: number): ServerEvent[] {
  const words = one.type === "message" ? (one["content"] as { text: string }[])[0]?.text : undefined;
  return [
    { type: "response.output_item.added", output_index: index, item: { ...one, content: [] } },
    ...pieces(words ?? "").map((delta) => ({
      type: "response.output_text.delta",
      item_id: one.id,
      output_index: index,
      content_index: 0,
      delta,
    })),
    { type: "response.output_item.done", output_index: index, item: one },
  ];
}

const inNamespace = "/";

/** Tools of a server may come in a namespace: then both names are shown. */
function toolName(outer: string, inner: string | null): string {
  return inner === null ? outer : `${outer}${inNamespace}${inner}`;
}

function wholeName(namespace: string | null | undefined, name: string): string {
  return typeof namespace === "string" ? toolName(namespace, name) : name;
}

function nameParts(name: string): [namespace: string | null, name: string] {
  const at = name.indexOf(inNamespace);
  return at === -1 ? [null, name] : [name.slice(0, at), name.slice(at + 1)];
}

/** Runs of what the model has said, each ended by what it was answered. */
function turnsIn(types: readonly string[]): number {
  const own = types.map((type) => ["message", "function_call", "custom_tool_call"].includes(type));
  return own.filter((one, index) => one && own[index - 1] !== true).length;
}

function textOf(one: z.infer<typeof output>): string {
  return typeof one === "string" ? one : one.map((part) => part.text ?? "").join("\n");
}

/** Says what a script tells it to, to agents that speak to OpenAI's Responses API. */
export class OpenAiServer extends ModelServer {
  static async start(script: Script): Promise<OpenAiServer> {
    return await new OpenAiServer(dialect, script).listen();
  }
}
