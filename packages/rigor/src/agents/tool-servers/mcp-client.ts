import { z } from "zod";

/** Milliseconds for one answer of a server that is asked what it offers. */
const patience = 30_000;

/** Pages of tools that are read at most. */
const mostPages = 100;

const answer = z.object({
  id: z.unknown(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.object({ message: z.string() }).optional(),
});

const tools = z.object({ tools: z.array(z.object({ name: z.string() })), nextCursor: z.string().optional() });

interface Target {
  url: string;
  token: string;
}

/**
 * Names of the tools that a server offers over MCP by HTTP.
 *
 * @throws Error where it does not answer, or not as the protocol wants
 */
export async function listTools(target: Target): Promise<string[]> {
  const conversation = new Conversation(target);
  const { protocolVersion } = await conversation.ask("initialize", {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "rigor", version: "0" },
  });
  conversation.version = typeof protocolVersion === "string" ? protocolVersion : null;
  try {
    await conversation.tell("notifications/initialized");
    const names: string[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < mostPages; page++) {
      const found = tools.parse(await conversation.ask("tools/list", cursor === undefined ? {} : { cursor }));
      names.push(...found.tools.map(({ name }) => name));
      cursor = found.nextCursor;
      if (cursor === undefined) return names;
    }
    throw new Error(`it lists more than ${mostPages} pages of tools`);
  } finally {
    await conversation.end();
  }
}

/** The few exchanges that are needed to ask what a server offers. */
class Conversation {
  version: string | null = null;
  readonly #target: Target;
  #session: string | null = null;
  #asked = 0;

  constructor(target: Target) {
    this.#target = target;
  }

  async ask(method: string, params: object): Promise<Record<string, unknown>> {
    const id = ++this.#asked;
    const response = await this.#send("POST", { jsonrpc: "2.0", id, method, params });
    this.#session = response.headers.get("mcp-session-id") ?? this.#session;
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} was answered with ${response.status}: ${text.slice(0, 300)}`);
    const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
    const messages = isStream ? [...text.matchAll(/^data: ?(.*)$/gm)].map(([, data]) => data ?? "") : [text];
    for (const message of messages) {
      const read = answer.safeParse(JSON.parse(message));
      if (!read.success || read.data.id !== id) continue;
      if (read.data.error !== undefined) throw new Error(`${method} failed: ${read.data.error.message}`);
      return read.data.result ?? {};
    }
    throw new Error(`${method} was not answered`);
  }

  async tell(method: string): Promise<void> {
    const response = await this.#send("POST", { jsonrpc: "2.0", method });
    await response.body?.cancel();
  }

  /** A server that keeps sessions lets go of this one; others refuse, which changes nothing. */
  async end(): Promise<void> {
    if (this.#session === null) return;
    const response = await this.#send("DELETE").catch(() => null);
    await response?.body?.cancel();
  }

  #send(method: string, message?: object): Promise<Response> {
    const headers = {
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      authorization: `Bearer ${this.#target.token}`,
      ...(this.#session === null ? {} : { "mcp-session-id": this.#session }),
      ...(this.version === null ? {} : { "mcp-protocol-version": this.version }),
    };
    const body = message === undefined ? null : JSON.stringify(message);
    return fetch(this.#target.url, { method, headers, body, signal: AbortSignal.timeout(patience) });
  }
}
