import { spawn } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createInterface } from "node:readline";
import { text as readText } from "node:stream/consumers";

/**
 * A program: starts a tool server that speaks MCP on its input and output, and offers it over HTTP on a port of this
 * machine's loopback. It ends as the server ends. `stdio-bridge COMMAND [ARGUMENT...]`
 */

interface Message {
  id?: unknown;
  method?: string;
  [member: string]: unknown;
}

const [command = "", ...words] = process.argv.slice(2);
const { RIGOR_BRIDGE_PORT: port = "", RIGOR_TOOL_TOKEN: token = "", ...environment } = process.env;

const child = spawn(command, words, { env: environment, stdio: ["pipe", "pipe", "inherit"] });
child.once("error", (error) => {
  say(error.message);
  process.exit(127);
});
child.once("exit", (code, signal) => {
  if (signal !== null) say(`Signal ${signal} ended ${command}.`);
  process.exit(code ?? 1);
});
// How it ended says its exit.
child.stdin.on("error", () => undefined);

/** Answers that are awaited, by the id that the question was given here: several clients may count alike. */
const awaited = new Map<number, (answer: Message) => void>();
let asked = 0;

createInterface({ input: child.stdout }).on("line", (line) => {
  const message = parse(line);
  if (message === null) say(`not a message of the protocol: ${line.slice(0, 1_000)}`);
  else hear(message);
});

function hear(message: Message): void {
  if (message.method === undefined) {
    awaited.get(Number(message.id))?.(message);
    awaited.delete(Number(message.id));
  } else if (message.id !== undefined) {
    // Nobody can be asked here; a server that is told so goes on.
    const error = { code: -32601, message: "This client answers no requests." };
    send({ jsonrpc: "2.0", id: message.id, error });
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function send(message: Message): void {
  child.stdin.write(`${JSON.stringify(message)}\n`);
}

function parse(text: string): Message | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Message) : null;
  } catch {
    return null;
  }
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url === "/health") return void response.end("ok\n");
  if (request.headers.authorization !== `Bearer ${token}`) return void response.writeHead(401).end();
  if (request.url !== "/mcp" || request.method !== "POST") return void response.writeHead(405).end();
  const message = parse(await readText(request));
  if (message === null) return void response.writeHead(400).end();
  const isQuestion = message.method !== undefined && message.id !== undefined;
  if (!isQuestion) {
    send(message);
    return void response.writeHead(202).end();
  }
  const id = ++asked;
  const told = await new Promise<Message>((resolve) => {
    awaited.set(id, resolve);
    send({ ...message, id });
  });
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ ...told, id: message.id }));
}

createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    say(String(error));
    response.destroy();
  });
}).listen(Number(port), "127.0.0.1");
