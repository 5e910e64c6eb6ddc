import { getRequestListener } from "@hono/node-server";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";

export interface LabCall {
  tool: string;
  input: unknown;
}

/** Tools for agents over MCP, behind a token, as the daemon offers them; and what was called. */
export class LabServer {
  readonly calls: LabCall[] = [];
  readonly token: string;
  /** Calls that came without the token. */
  refused = 0;
  readonly #server: Server;

  private constructor(token: string) {
    this.token = token;
    const handler = createMcpHandler(() => this.#tools());
    const listener = getRequestListener(async (request) => {
      if (request.headers.get("authorization") === `Bearer ${token}`) return await handler.fetch(request);
      this.refused++;
      return new Response("no token", { status: 401 });
    });
    this.#server = createServer((request, response) => void listener(request, response));
  }

  static async start(token: string): Promise<LabServer> {
    const lab = new LabServer(token);
    await new Promise<void>((resolve) => lab.#server.listen(0, "127.0.0.1", resolve));
    return lab;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/mcp`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #tools(): McpServer {
    const server = new McpServer({ name: "lab", version: "1.0.0" });
    const inputSchema = z.object({ text: z.string() });
    for (const tool of ["append_log", "approve_gate"]) {
      server.registerTool(tool, { description: `Test of ${tool}.`, inputSchema }, (input) => {
        this.calls.push({ tool, input });
        return { content: [{ type: "text", text: `noted: ${input.text}` }] };
      });
    }
    return server;
  }
}
