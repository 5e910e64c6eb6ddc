import { createServer } from "node:net";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { RigorError } from "../../domain/errors.ts";
import { expandVariables, type OwnPort, type StartedServer } from "../../domain/files/tool-servers.ts";
import { holderOfPort } from "../../hosts/listeners.ts";
import { processesOf, visitEnvironments, type ProcessRecord } from "../../hosts/processes.ts";
import { AgentProcess, endRemains, sessionVariable } from "../backends/agent-process.ts";
import { lastOutput, lookAt, notReady } from "./readiness.ts";

/** Milliseconds between two looks at a server that is not ready. */
const pause = 100;

/** How often another port is tried because somebody else has got the one that was free. */
const mostPorts = 3;

export interface ToolServerPlace {
  name: string;
  /** Where its command is started. */
  project: string;
  /** Its own directory: its data, its output, the record of its process. */
  directory: string;
  /** Variables that it is told beside its own. */
  variables: Readonly<Record<string, string>>;
}

/** A tool server of one investigation alone: its process, its port, its data. */
export class OwnToolServer {
  readonly url: string;
  readonly token: string;
  readonly tools: readonly string[];
  readonly #process: AgentProcess;
  readonly #log: string;

  private constructor(running: Running, tools: readonly string[]) {
    this.url = running.url;
    this.token = running.token;
    this.tools = tools;
    this.#process = running.process;
    this.#log = running.log;
  }

  /**
   * Starts a server and waits until it can be used. What answers on its port is believed only where the system says that
   * the port is held by the server's own processes.
   *
   * @throws RigorError `not-possible` where it ends or does not get ready; nothing of it is left then
   */
  static async start(place: ToolServerPlace, server: StartedServer, signal: AbortSignal): Promise<OwnToolServer> {
    const { directory } = place;
    mkdirSync(join(directory, "data"), { recursive: true, mode: 0o700 });
    await sweep(directory);
    for (let tried = 1; ; tried++) {
      const running = await launch(place, server, tried);
      try {
        return new OwnToolServer(running, await ready(place, running, signal));
      } catch (error) {
        await running.process.end();
        if (!(error instanceof PortTakenError) || tried === mostPorts) throw error;
      }
    }
  }

  /** What says that it has ended, once it has. */
  async ended(): Promise<string> {
    return endText(await this.#process.exited, this.#log);
  }

  stop(): Promise<void> {
    return this.#process.end();
  }
}

/** Ends what a daemon that is gone has left of a server in this directory. */
export async function sweep(directory: string): Promise<void> {
  const file = join(directory, recordName);
  const record = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as ProcessRecord) : null;
  await endRemains(record, directory);
}

const recordName = "process.json";

interface Running {
  process: AgentProcess;
  port: number;
  url: string;
  health: string | null;
  readySeconds: number;
  token: string;
  log: string;
}

/** Where a server that speaks on its input and output is put on a port, by a program of ours. */
const bridged: OwnPort = { path: "/mcp", port_env: "RIGOR_BRIDGE_PORT", health: "/health", ready_seconds: 300 };

async function launch({ name, project, directory, variables }: ToolServerPlace, server: StartedServer, tried: number) {
  const port = await freePort();
  const token = randomBytes(32).toString("base64url");
  const http = server.http ?? bridged;
  const told = {
    ...variables,
    RIGOR_TOOL_DATA: join(directory, "data"),
    RIGOR_TOOL_TOKEN: token,
    [http.port_env]: String(port),
  };
  const values = { ...process.env, ...told, PORT: String(port) };
  const expand = (text: string) => expandVariables(text, values);
  const command = [server.command, ...server.args].map(expand);
  const env = Object.fromEntries(Object.entries(server.env).map(([key, value]) => [key, expand(value)]));
  const log = freeName(directory, name, tried);
  const running = await AgentProcess.start(
    server.http === undefined ? [process.execPath, bridge(), ...command] : command,
    { workspace: project, directory, environment: { ...usualVariables(), ...env, ...told } },
    // Nobody writes to it: whoever reads its input sees the end of it at once.
    { input: "/dev/null", output: log, errors: log },
  );
  writeFileSync(join(directory, recordName), JSON.stringify(running.record), { mode: 0o600 });
  const base = `http://127.0.0.1:${port}`;
  const health = http.health === null ? null : `${base}${http.health}`;
  const { path, ready_seconds: readySeconds } = http;
  return { process: running, port, url: `${base}${path}`, health, readySeconds, token, log } satisfies Running;
}

/** What the protocol's own clients hand on to servers that they start. */
function usualVariables(): Record<string, string> {
  const names = ["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "LC_ALL", "TZ"];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

function bridge(): string {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return fileURLToPath(new URL(`./stdio-bridge.${extension}`, import.meta.url));
}

/** Earlier output stays: it tells why a server had to be started again. */
export function freeName(directory: string, name: string, from: number): string {
  for (let number = from; ; number++) {
    const file = join(directory, "..", number === 1 ? `${name}.log` : `${name}-${number}.log`);
    if (!existsSync(file)) return file;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a port of this machine has a number");
  return address.port;
}

/** Nobody waits for the server any more. */
export class StoppedError extends RigorError {
  constructor() {
    super("not-possible", "It was stopped while its tool servers were started.");
  }
}

class PortTakenError extends RigorError {
  constructor(name: string, port: number) {
    super("not-possible", `Port ${port}, which was free for the tool server ${name}, is held by another program.`, {
      next: "Start the investigation again.",
    });
  }
}

/** Waits until the server can be used; names of its tools. */
async function ready({ name, directory }: ToolServerPlace, running: Running, signal: AbortSignal): Promise<string[]> {
  const { process: child, port, readySeconds, log } = running;
  const deadline = performance.now() + readySeconds * 1_000;
  let why = "It does not listen on its port.";
  for (;;) {
    if (signal.aborted) throw new StoppedError();
    const holder = holderOfPort(port, await ownProcesses(child.record, directory));
    if (holder === "somebody-else") throw new PortTakenError(name, port);
    if (holder === "ours") {
      const looked = await lookAt(running);
      if (Array.isArray(looked)) return looked;
      why = looked;
    }
    const exit = await Promise.race([child.exited, sleep(pause, null)]);
    if (exit !== null) throw notReady(name, endText(exit, log), log);
    if (performance.now() > deadline) {
      throw notReady(name, `It was not ready after ${readySeconds} s. ${why}${lastOutput(log)}`, log);
    }
  }
}

/** Processes of a server: its group and session, and whatever else has its environment. */
async function ownProcesses(record: ProcessRecord, directory: string): Promise<number[]> {
  const found = new Set(processesOf(record));
  await visitEnvironments(sessionVariable, (pid, value) => {
    if (value === directory) found.add(pid);
  });
  return [...found];
}

function endText({ code, signal }: { code: number | null; signal: string | null }, log: string): string {
  return `${signal === null ? `It ended with status ${code}.` : `Signal ${signal} ended it.`}${lastOutput(log)}`;
}
