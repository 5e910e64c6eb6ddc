import type { IncomingMessage } from "node:http";
import { addAbortSignal } from "node:stream";
import {
  StandardLink,
  StandardRPCJsonSerializer,
  StandardRPCLinkCodec,
  StandardRPCSerializer,
  type StandardLinkClient,
} from "@orpc/client/standard";
import type { ClientContext } from "@orpc/client";
import { toStandardBody } from "@orpc/standard-server-node";
import { instanceHeader, type DaemonFile } from "../../api/contract/daemon-file.ts";
import { RigorError } from "../../domain/errors.ts";
import { AnotherServerError } from "../output/failure.ts";
import { hangingDaemon } from "./owner.ts";

// An import would look at all that the module offers, and with that load `fetch`.
const { request: startRequest } = process.getBuiltinModule("node:http");

/** Milliseconds of silence after which a daemon that lives is given up; one that streams says something every few seconds. */
const silenceMs = 300_000;
const silence = `has said nothing for ${silenceMs / 60_000} minutes`;

export type PresentDaemon = Pick<DaemonFile, "address" | "token" | "instance" | "pid" | "data_directory">;
type Sender = StandardLinkClient<ClientContext>;
type Request = Parameters<Sender["call"]>[0];

/**
 * How a client of oRPC reaches the daemon: by plain HTTP/1.1. `fetch` would do the same, and takes as long to load as all
 * else that `rigor status` does.
 *
 * @param around is given each request to send it, once or again
 */
export function daemonLink(
  present: () => PresentDaemon,
  around: <T>(send: () => Promise<T>) => Promise<T>,
): StandardLink<ClientContext> {
  const codec = new StandardRPCLinkCodec<ClientContext>(new AnswerSerializer(), {
    url: () => `${present().address}/rpc`,
    headers: () => ({ authorization: `Bearer ${present().token}` }),
  });
  const sender: Sender = {
    async call(request) {
      const response = await send(request, present());
      // Its port may belong to another program by now.
      if (response.headers[instanceHeader] !== present().instance) {
        response.destroy();
        throw new AnotherServerError();
      }
      return {
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: () => toStandardBody(response, { signal: request.signal }),
      };
    },
  };
  return new StandardLink(codec, sender, { interceptors: [({ next }) => around(next)] });
}

/** What a value is in an answer of oRPC. */
interface Serialized {
  json: unknown;
  meta?: Parameters<StandardRPCJsonSerializer["deserialize"]>[1];
}

/** Never asks whether an answer is form data, which none is of the daemon's: the question alone loads `fetch`. */
class AnswerSerializer extends StandardRPCSerializer {
  readonly #json: StandardRPCJsonSerializer;

  constructor(json = new StandardRPCJsonSerializer()) {
    super(json);
    this.#json = json;
  }

  override deserialize(data: unknown): unknown {
    return isSerialized(data) ? this.#json.deserialize(data.json, data.meta ?? []) : super.deserialize(data);
  }
}

const isSerialized = (data: unknown): data is Serialized => typeof data === "object" && data !== null && "json" in data;

/** @throws Error whose cause is what went wrong with the connection */
function send(
  { url, method, headers, body, signal }: Request,
  { pid, data_directory: directory }: PresentDaemon,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const type = text === "" ? {} : { "content-type": "application/json" };
    const length = { "content-length": Buffer.byteLength(text) };
    const request = startRequest(url, { method, headers: { ...headers, ...type, ...length }, agent: false, signal });
    request.on("response", (response) => {
      if (signal !== undefined) addAbortSignal(signal, response);
      resolve(response);
    });
    request.on("error", (cause) =>
      reject(cause instanceof RigorError ? cause : new Error("request failed", { cause })),
    );
    request.setTimeout(silenceMs, () => request.destroy(hangingDaemon(pid, silence, directory)));
    request.end(text);
  });
}
