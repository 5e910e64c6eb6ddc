import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { OpenAPIHandler } from "@orpc/openapi/fetch";
import { onError, ORPCError } from "@orpc/server";
import { RPCHandler } from "@orpc/server/fetch";
import { Hono } from "hono";
import type { Logger } from "pino";
import type { ApiContext } from "./context.ts";
import { guard } from "./guard.ts";
import { router } from "./router.ts";

export interface ServerOptions {
  token: string;
  version: string;
  log: Logger;
  /** Loopback unless the user asked for another one. */
  hostname: string;
  /** 0 takes any free port, which stays bound until the daemon ends. */
  port: number;
  context: () => ApiContext;
}

export interface ApiServer {
  address: string;
  port: number;
  /** Ends open streams and stops listening. */
  close: () => Promise<void>;
}

/** Serves the contract twice: `/rpc` for our own typed client, `/api` as plain HTTP with OpenAPI. */
export async function startServer(options: ServerOptions): Promise<ApiServer> {
  let port = options.port;
  const app = new Hono();
  app.use(guard(options.token, () => port));
  const logErrors = (error: unknown) => logUnknown(options.log, error);
  const rpc = new RPCHandler(router, { interceptors: [onError(logErrors)] });
  const openapi = new OpenAPIHandler(router, { interceptors: [onError(logErrors)] });
  app.get("/api/openapi.json", async (context) => {
    const { describeApi } = await import("./openapi.ts");
    return context.json(await describeApi(options.version));
  });
  app.all("/rpc/*", async (context, next) => {
    const { matched, response } = await rpc.handle(context.req.raw, { prefix: "/rpc", context: options.context() });
    return matched ? context.newResponse(response.body, response) : next();
  });
  app.all("/api/*", async (context, next) => {
    const { matched, response } = await openapi.handle(context.req.raw, { prefix: "/api", context: options.context() });
    return matched ? context.newResponse(response.body, response) : next();
  });
  app.notFound((context) => {
    const error = { code: "not-found", message: `there is no ${context.req.path}`, next: "See /api/openapi.json." };
    return context.json({ error }, 404);
  });

  const server = await listen(app, options.hostname, options.port);
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("the server has no port");
  port = bound.port;
  return { address: `http://${options.hostname}:${port}`, port, close: () => closeServer(server) };
}

function listen(app: Hono, hostname: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname, port }, () => resolve(server)) as Server;
    server.once("error", reject);
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    // Streams of events never end by themselves.
    server.closeAllConnections();
  });
}

function logUnknown(log: Logger, error: unknown): void {
  if (error instanceof ORPCError && error.status < 500) return;
  log.error({ err: error }, "a request failed");
}
