import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { RigorError } from "../domain/errors.ts";
import { errorBody } from "./errors.ts";

const loopbackNames = new Set(["127.0.0.1", "localhost", "[::1]"]);

/**
 * Lets a request through only when it carries the token, and when Host and Origin are this machine's: a page in the
 * user's browser that reaches the port by another name must not be able to use it.
 */
export function guard(token: string, port: () => number): MiddlewareHandler {
  return refusing(
    (context) => placeProblem(context, port()) ?? tokenProblem(context.req.header("authorization"), token),
  );
}

/** The same without the token, for a route that has tokens of its own. */
export function placeGuard(port: () => number): MiddlewareHandler {
  return refusing((context) => placeProblem(context, port()));
}

function refusing(problemOf: (context: Context) => string | null): MiddlewareHandler {
  return async (context, next) => {
    const problem = problemOf(context);
    if (problem === null) return next();
    const error = new RigorError("unauthorized", problem, {
      next: "Use the address and the token in daemon.json of the data directory.",
    });
    const body = errorBody(error);
    return context.json(body, body.status);
  };
}

const placeProblem = (context: Context, port: number): string | null =>
  hostProblem(context.req.header("host"), port) ?? originProblem(context.req.header("origin"), port);

function hostProblem(host: string | undefined, port: number): string | null {
  const [, name = "", found] = /^(.*?)(?::(\d+))?$/.exec(host ?? "") ?? [];
  // Names of hosts do not distinguish case.
  const own = loopbackNames.has(name.toLowerCase()) && Number(found ?? 80) === port;
  return own ? null : "The Host header names another server.";
}

function originProblem(origin: string | undefined, port: number): string | null {
  if (origin === undefined) return null;
  const own = [...loopbackNames].some((name) => origin === `http://${name}:${port}`);
  return own ? null : "The Origin header names another site.";
}

function tokenProblem(authorization: string | undefined, token: string): string | null {
  const given = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1];
  if (given === undefined) return "The request carries no token.";
  return timingSafeEqual(digest(given), digest(token)) ? null : "The token is not this daemon's.";
}

/** Equal lengths for the comparison in constant time. */
const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
