import { once } from "node:events";
import type { Server, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "@hono/node-server";
import { SmartCoercionPlugin } from "@orpc/json-schema";
import { OpenAPIHandler } from "@orpc/openapi/fetch";
import { RPCHandler } from "@orpc/server/fetch";
import { ZodToJsonSchemaConverter } from "@orpc/zod/zod4";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Logger } from "pino";
import { RigorError } from "../domain/errors.ts";
import type { ApiContext } from "./context.ts";
import { instanceHeader } from "./contract/daemon-file.ts";
import { clientError, decodingError, errorBody } from "./errors.ts";
import { guard, placeGuard } from "./guard.ts";
import { router } from "./router.ts";

export interface ServerOptions {
  token: string;
  version: string;
  /** Named in every answer, so that a client knows whose it is. */
  instance: string;
  log: Logger;
  /** Loopback unless the user asked for another one. */
  hostname: string;
  /** 0 takes any free port, which stays bound until the daemon ends. */
  port: number;
  context: () => ApiContext;
  /** Answers `/mcp`, where agents have tokens of their own. */
  tools: (request: Request) => Promise<Response>;
}

export interface ApiServer {
  address: string;
  port: number;
  /** Answers what was asked, ends streams, and stops listening. */
  close: () => Promise<void>;
}

/** Requests name files and say why; none is larger than this, in bytes. */
const largestBody = 1024 * 1024;
/** How long a request may still take when the daemon ends, in milliseconds. */
const closingMs = 10_000;

/**
 * Serves the contract twice: `/rpc` for our own typed client, `/api` as plain HTTP with OpenAPI.
 *
 * @throws RigorError `usage` if the port is taken.
 */
export async function startServer(options: ServerOptions): Promise<ApiServer> {
  let port = options.port;
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    context.header(instanceHeader, options.instance);
    context.header("cache-control", "no-store");
    context.header("x-content-type-options", "nosniff");
  });
  app.all(
    "/mcp",
    placeGuard(() => port),
    bodyLimit({ maxSize: largestBody, onError: (context) => context.json(tooLarge, 413) }),
    (context) => options.tools(context.req.raw),
  );
  app.use(guard(options.token, () => port));
  app.use(bodyLimit({ maxSize: largestBody, onError: (context) => context.json(tooLarge, 413) }));
  addRoutes(app, options);
  app.notFound((context) => {
    const body = errorBody(
      new RigorError("not-found", `There is no ${context.req.path}.`, { next: "See /api/openapi.json." }),
    );
    return context.json(body, body.status);
  });
  app.onError((error, context) => {
    options.log.error({ err: error }, "a request failed");
    const body = errorBody(new RigorError("internal", "The daemon failed at this request."));
    return context.json(body, body.status);
  });

  const server = await listen(app, options.hostname, options.port);
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("the server has no port");
  port = bound.port;
  const close = closer(server);
  return { address: `http://${inAddress(options.hostname)}:${port}`, port, close };
}

const tooLarge = {
  ...errorBody(
    new RigorError("limit-exceeded", `The body of a request may have ${largestBody} bytes at most.`, {
      next: "Name files by their path instead of sending their content.",
    }),
  ),
  status: 413 as const,
};

function addRoutes(app: Hono, { version, log, context: makeContext }: ServerOptions): void {
  const interceptors = {
    clientInterceptors: [
      async <T>({ next }: { next: () => Promise<T> }) =>
        next().catch((error: unknown) => Promise.reject(reported(log, error))),
    ],
    interceptors: [
      async <T>({ next }: { next: () => Promise<T> }) =>
        next().catch((error: unknown) => Promise.reject(decodingError(error))),
    ],
  };
  const rpc = new RPCHandler<ApiContext>(router, interceptors);
  // Values in a query string are text; the schema says which of them are numbers and booleans.
  const coercion = new SmartCoercionPlugin<ApiContext>({ schemaConverters: [new ZodToJsonSchemaConverter()] });
  const openapi = new OpenAPIHandler<ApiContext>(router, { ...interceptors, plugins: [coercion] });
  app.get("/api/openapi.json", async (context) => {
    const { describeApi } = await import("./openapi.ts");
    return context.json(await describeApi(version));
  });
  for (const [prefix, handler] of [
    ["/rpc", rpc],
    ["/api", openapi],
  ] as const) {
    app.all(`${prefix}/*`, async (context, next) => {
      const { matched, response } = await handler.handle(context.req.raw, { prefix, context: makeContext() });
      return matched ? context.newResponse(response.body, response) : next();
    });
  }
}

/** The error as the client gets it; a fault that is not the client's is logged with its cause. */
function reported(log: Logger, error: unknown): Error {
  const known = clientError(error);
  if (known.status >= 500) log.error({ err: error }, "a request failed");
  return known;
}

const inAddress = (hostname: string): string => (hostname.includes(":") ? `[${hostname}]` : hostname);

function listen(app: Hono, hostname: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname, port }, () => resolve(server)) as Server;
    server.once("error", (error: NodeJS.ErrnoException) => {
      const taken = error.code === "EADDRINUSE" || error.code === "EACCES";
      const message = `port ${port} of ${hostname} cannot be used (${error.code})`;
      const next = "Set RIGOR_PORT to another one, or leave it away: any free one is then taken.";
      reject(taken ? new RigorError("usage", message, { next, cause: error }) : error);
    });
  });
}

/** What closes a server: requests that are being answered are waited for, streams of events are cut. */
function closer(server: Server): () => Promise<void> {
  const answering = new Set<ServerResponse>();
  server.on("request", (request, response) => {
    // Streams of events never end by themselves; their clients resume with the next daemon.
    if (/^\/(?:rpc|api)\/events\b/.test(request.url ?? "")) return;
    answering.add(response);
    response.once("close", () => answering.delete(response));
  });
  return async () => {
    const closed = once(server, "close");
    server.close();
    const late = new AbortController();
    const answered = Promise.all([...answering].map((response) => once(response, "close", { signal: late.signal })));
    await Promise.race([answered, sleep(closingMs, undefined, { ref: false })]);
    late.abort();
    await answered.catch((error: unknown) => {
      if (!late.signal.aborted) throw error;
    });
    server.closeAllConnections();
    await closed;
  };
}
