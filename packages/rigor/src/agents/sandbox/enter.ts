/**
 * Runs first in a sandbox: opens the ports through which the network is reached, hands them to the process outside that
 * answers on them (`run.ts`), and becomes the command.
 */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

export interface OpenPort {
  /** The port of a listed host of the loopback; null for the proxy. */
  port: number | null;
}

async function main(ports: readonly number[], command: readonly string[]): Promise<void> {
  for (const port of ports) await open(port, { port });
  const proxy = await open(0, { port: null });
  await once(process, "message");
  process.disconnect();
  // Node ignores two signals, and so would what it becomes.
  const withSignals = ["env", "--default-signal=PIPE,XFSZ", "--", ...command];
  process.execve?.("/usr/bin/env", withSignals, { ...process.env, ...proxyVariables(proxy) });
}

/** Listens in the sandbox, and lets the process outside answer. */
async function open(port: number, message: OpenPort): Promise<number> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  process.send?.(message, server);
  return (server.address() as AddressInfo).port;
}

function proxyVariables(port: number): Record<string, string> {
  const url = `http://127.0.0.1:${port}`;
  const names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) => [name, name.toLowerCase()]);
  const proxies: Record<string, string> = Object.fromEntries(names.map((name) => [name, url]));
  const local = "localhost,127.0.0.1,::1";
  // The last lets Node's own fetch heed the others.
  return { ...proxies, NO_PROXY: local, no_proxy: local, NODE_USE_ENV_PROXY: "1" };
}

const [ports = "", ...command] = process.argv.slice(2);
await main(ports.split(",").filter(Boolean).map(Number), command);
