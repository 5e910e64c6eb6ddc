/** A small tool server: measures a parabola. What goes wrong with it says the variable `FAULT`. */
import { appendFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const { FAULT: fault = "", PORT: port = "", RIGOR_ARTIFACTS: artifacts = "", RIGOR_TOOL_DATA: data = "" } = process.env;
let busy = fault === "busy" ? 2 : 0;

function tools(): McpServer {
  const server = new McpServer({ name: "measuring", version: "1.0.0" });
  const inputSchema = z.object({ x: z.number() });
  server.registerTool("measure", { description: "The value at x.", inputSchema }, ({ x }) => {
    if (fault === "dies") {
      process.stderr.write("CUDA out of memory\n");
      process.exit(3);
    }
    if (fault === "large") writeFileSync(join(artifacts, "dump.bin"), Buffer.alloc(10_000_000, 1));
    if (fault === "hangs") return new Promise(() => undefined);
    appendFileSync(join(data, "measured.txt"), `${x}\n`);
    writeFileSync(join(artifacts, "curve.csv"), `x,y\n${x},${x * x}\n`);
    const told = fault === "tells" ? ` ${process.env["API_KEY"]} ${process.env["PIN_TOKEN"]}` : "";
    return { content: [{ type: "text", text: `value ${x * x}${told}` }] };
  });
  return server;
}

if (process.argv.includes("--stdio")) serveStdio(tools);
else {
  const handler = createMcpHandler(tools);
  const listener = getRequestListener(async (request) => {
    if (new URL(request.url).pathname === "/health") return new Response("", { status: fault === "never" ? 503 : 200 });
    const isCall = request.method === "POST" && (await request.clone().text()).includes('"tools/call"');
    if (isCall && busy-- > 0) return new Response("busy", { status: 503, headers: { "retry-after": "1" } });
    return handler.fetch(request);
  });
  createServer((request, response) => void listener(request, response)).listen(Number(port), "127.0.0.1");
  process.stdout.write(`listens on ${port}\n`);
}
