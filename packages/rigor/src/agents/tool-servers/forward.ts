import { timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { headersOfMessage, type Keeper } from "./keeper.ts";

export interface ForwardOptions {
  keeper: Keeper;
  token: string;
  /** Folder of the artifacts on this machine. */
  artifacts: string;
  /** Whether it is certain that no other daemon frees what the server holds. */
  isOurs: () => boolean;
  /** Told what went wrong beside an answer. */
  say: (line: string) => void;
}

/**
 * A port of this machine's loopback at which an agent finds a tool server of another machine. What a call has left among
 * the artifacts is here before the agent has its answer. While the machine cannot be reached, the server is busy.
 */
export class Forward {
  readonly port: number;
  readonly #server: Server;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async open(options: ForwardOptions): Promise<Forward> {
    const right = Buffer.from(`Bearer ${options.token}`);
    const server = createServer((request, response) => {
      const given = Buffer.from(request.headers.authorization ?? "");
      if (given.length !== right.length || !timingSafeEqual(given, right)) {
        response.writeHead(401).end();
        return;
      }
      hand(options, request, response).catch((error: unknown) => {
        options.say(`an answer was cut off: ${messageOf(error)}`);
        response.destroy();
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("a port of this machine has a number");
    return new Forward(server, address.port);
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

async function hand(options: ForwardOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { keeper, say, isOurs } = options;
  const body = await buffer(request);
  if (!isOurs()) return busy(response, "The lab cannot reach its database now. Try again.");
  const leaving = new AbortController();
  response.once("close", () => leaving.abort());
  const { method = "GET", url: path = "/" } = request;
  let answer: IncomingMessage;
  try {
    answer = await keeper.forward({ method, path, headers: headersOfMessage(request.headers), body }, leaving.signal);
  } catch (error) {
    if (leaving.signal.aborted) return;
    say(`the tool server cannot be reached: ${messageOf(error)}`);
    return busy(response, "The machine of the tool server cannot be reached now. Try again.");
  }
  response.writeHead(answer.statusCode ?? 502, headersOfMessage(answer.headers));
  for await (const piece of answer) {
    if (method === "POST") await bring(options);
    if (!response.write(piece)) await once(response, "drain", { signal: leaving.signal });
  }
  if (method === "POST") await bring(options);
  response.end();
}

function busy(response: ServerResponse, why: string): void {
  response.writeHead(503, { "retry-after": "5" }).end(why);
}

/** Calls change artifacts. An answer is worth more than they are: whoever refers to one that did not come is told so. */
async function bring({ keeper, artifacts, say }: ForwardOptions): Promise<void> {
  await keeper.bringArtifacts(artifacts).catch((error: unknown) => say(`artifacts did not come: ${messageOf(error)}`));
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
