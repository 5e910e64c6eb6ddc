/** A tool server is believed only on a port that its own processes hold. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OwnToolServer } from "../../packages/rigor/src/agents/tool-servers/tool-server.ts";
import { parseToolServers, type StartedServer } from "../../packages/rigor/src/domain/files/tool-servers.ts";

let directory: string;
let broker: Server;
/** Servers of somebody else, who got in before the tool server. */
let strangers: Server[];
let asked: number;
/** How many ports somebody else takes. */
let taken: number;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "rigor-tools-"));
  strangers = [];
  asked = 0;
  broker = createServer((request, response) => void answer(Number(request.url?.slice(1))).then(() => response.end()));
  broker.listen(0, "127.0.0.1");
  await once(broker, "listening");
});
afterEach(() => {
  for (const server of [broker, ...strangers]) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
});

/** A server that lets somebody else have its port first. */
function late(): string {
  const script = join(directory, "late.mjs");
  const { port } = broker.address() as AddressInfo;
  writeFileSync(
    script,
    `await fetch("http://127.0.0.1:${port}/" + process.env.PORT);
process.on("uncaughtException", () => setTimeout(() => undefined, 600_000));
process.env.RIGOR_ARTIFACTS = process.env.RIGOR_TOOL_DATA;
await import(${JSON.stringify(join(import.meta.dirname, "measuring-server.ts"))});
`,
  );
  return script;
}

async function answer(port: number): Promise<void> {
  if (strangers.length >= taken) return;
  const stranger = createServer((_, response) => {
    asked++;
    response.end("ok");
  });
  strangers.push(stranger);
  stranger.listen(port, "127.0.0.1");
  await once(stranger, "listening");
}

function start(): Promise<OwnToolServer> {
  const text = JSON.stringify({
    mcpServers: { late: { command: process.execPath, args: [late()], http: { health: "/health", ready_seconds: 60 } } },
  });
  const server = parseToolServers(text, "mcp.json")["late"] as StartedServer;
  const place = { name: "late", project: directory, directory: join(directory, "tools/late"), variables: {} };
  return OwnToolServer.start(place, server, new AbortController().signal);
}

test("a healthy server of somebody else on its port is never asked [investigate.identity] [F19]", async () => {
  taken = Infinity;
  await expect(start()).rejects.toThrow(/Port \d+, .* is held by another program/);
  expect(strangers).toHaveLength(3);
  expect(asked).toBe(0);
});

test("another port is tried when somebody else got in first [investigate.identity]", async () => {
  taken = 1;
  const server = await start();
  expect(server.tools).toEqual(["measure"]);
  expect(asked).toBe(0);
  await server.stop();
  expect(await server.ended()).toContain("Signal SIGTERM ended it.");
});
