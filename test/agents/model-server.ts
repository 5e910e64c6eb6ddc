import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

/** A call of a tool that the scripted model makes. */
export interface ScriptedCall {
  /** The name as the model is shown it, or only its last part: `get_brief` finds `mcp__lab__get_brief`. */
  tool: string;
  input: Record<string, unknown>;
}

/** What the scripted model answers to one request. */
export type Reply =
  | {
      thinking?: string;
      text?: string;
      calls?: ScriptedCall[];
      /** Tokens that the answer claims to have cost. */
      usage?: { input?: number; cached?: number; output?: number };
      /** Seconds before the answer begins. */
      delay?: number;
    }
  /** An error of the service. */
  | { status: number; message?: string; type?: string; retryAfter?: number }
  /** `cut`: the connection is closed in the middle of an answer; `garbage`: the answer is no stream of events. */
  | { broken: "cut" | "garbage" }
  /** No answer, and the connection stays open. */
  | { silent: true };

/** A call that the agent made earlier in the conversation, and what it got. */
export interface ToolResult {
  tool: string;
  text: string;
  isError: boolean;
}

/** A request as a script sees it, the same for every model service. */
export interface Asked {
  model: string;
  /** Instructions beside the conversation. */
  system: string;
  /** Everything that the user's side has said, results of tools not among it. */
  prompt: string;
  /** Names of the tools that the model may call. */
  tools: string[];
  /** Results of all tool calls so far, oldest first. */
  results: ToolResult[];
  /** How many answers of the model the conversation holds. */
  turn: number;
  headers: IncomingMessage["headers"];
  /** The request as it came. */
  body: string;
}

/** A list is answered in order, and its last reply for ever; a function may answer by what it is asked. */
export type Script = readonly Reply[] | ((asked: Asked, count: number) => Reply | Promise<Reply>);

/** How one model service is spoken to. */
export interface Dialect {
  /** Path of the one request that is answered. */
  path: string;
  read(body: unknown): Omit<Asked, "headers" | "body">;
  /** The events of a whole answer. */
  write(reply: Said, asked: Asked, id: string): ServerEvent[];
  error(status: number, type: string, message: string): unknown;
}

export type Said = Extract<Reply, { text?: string }>;

export interface ServerEvent {
  type: string;
  [key: string]: unknown;
}

/** A model service on loopback that says what a script tells it to, and keeps what it was asked. */
export class ModelServer {
  readonly requests: Asked[] = [];
  /** Requests that offer no tools, such as for a title: no script answers them. */
  readonly asides: Asked[] = [];
  /** Method and path of requests that a model service does not answer. */
  readonly others: string[] = [];
  script: Script;
  readonly #dialect: Dialect;
  readonly #server: Server;
  #count = 0;
  #answers = 0;

  protected constructor(dialect: Dialect, script: Script) {
    this.#dialect = dialect;
    this.script = script;
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => response.destroy(asError(error)));
    });
  }

  protected async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  /** `http://127.0.0.1:PORT` */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Answers from now on by another script, from its beginning. */
  follow(script: Script): void {
    this.script = script;
    this.#count = 0;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    if (request.method !== "POST" || path !== this.#dialect.path) {
      this.others.push(`${request.method} ${path}`);
      response.writeHead(404, { "content-type": "application/json" }).end("{}");
      return;
    }
    const body = await readText(request);
    const asked: Asked = { ...this.#dialect.read(JSON.parse(body)), headers: request.headers, body };
    const isAside = asked.tools.length === 0;
    (isAside ? this.asides : this.requests).push(asked);
    await this.#answer(isAside ? { text: "Noted." } : await this.#next(asked), asked, response);
  }

  async #next(asked: Asked): Promise<Reply> {
    const count = this.#count++;
    if (typeof this.script === "function") return await this.script(asked, count);
    const reply = this.script[Math.min(count, this.script.length - 1)];
    if (reply === undefined) throw new Error("The script is empty.");
    return reply;
  }

  async #answer(reply: Reply, asked: Asked, response: ServerResponse): Promise<void> {
    if ("silent" in reply) return;
    if ("status" in reply) {
      const headers: Record<string, string> = { "content-type": "application/json" };
      if (reply.retryAfter !== undefined) headers["retry-after"] = String(reply.retryAfter);
      const error = this.#dialect.error(reply.status, reply.type ?? "error", reply.message ?? `status ${reply.status}`);
      response.writeHead(reply.status, headers).end(JSON.stringify(error));
      return;
    }
    if ("broken" in reply && reply.broken === "garbage") {
      response.writeHead(200, { "content-type": "text/event-stream" }).end("event: message_start\ndata: {not json\n\n");
      return;
    }
    const said: Said = "broken" in reply ? { text: "I was about to" } : reply;
    if (said.delay !== undefined) await sleep(said.delay * 1000);
    const events = this.#dialect.write(resolveTools(said, asked), asked, `answer_${++this.#answers}`);
    response.writeHead(200, { "content-type": "text/event-stream" });
    const sent = "broken" in reply ? events.slice(0, Math.floor(events.length / 2)) : events;
    for (const event of sent) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    if (!("broken" in reply)) response.end();
    else response.socket?.end(() => response.socket?.destroy());
  }
}

/** Scripts name a tool as the lab does; each agent shows it to the model under a longer name. */
function resolveTools(said: Said, { tools }: Asked): Said {
  const shown = (name: string) =>
    tools.find((tool) => tool === name) ?? tools.find((tool) => /__|[/]/.test(tool) && lastPart(tool) === name) ?? name;
  return said.calls === undefined
    ? said
    : { ...said, calls: said.calls.map((call) => ({ ...call, tool: shown(call.tool) })) };
}

/** `get_brief` of `mcp__lab__get_brief` and of `mcp__lab/get_brief`. */
function lastPart(tool: string): string {
  return tool.split(/__|[/]/).at(-1) ?? tool;
}

/** Cuts a text as a service streams it, so that nothing relies on whole pieces. */
export function pieces(text: string): string[] {
  return text.match(/[^]{1,7}/gu) ?? [];
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
