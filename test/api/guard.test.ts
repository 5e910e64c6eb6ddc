import { readFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask, routes, startLab, type Asked, type ErrorBody, type RunningLab } from "./support.ts";

let running: RunningLab;
beforeAll(async () => {
  running = await startLab({ RIGOR_LOG: "trace" });
});
afterAll(() => running.lab.remove());

const hostOf = (): string => new URL(running.daemon.address).host;
const portOf = (): string => new URL(running.daemon.address).port;

/** Requests that none of our clients sends. */
const intruders: [string, () => Record<string, string | null>][] = [
  ["no token", () => ({ authorization: null })],
  ["a wrong token", () => ({ authorization: `Bearer ${running.daemon.token.slice(0, -1)}` })],
  ["a longer token", () => ({ authorization: `Bearer ${running.daemon.token}x` })],
  ["the token by another scheme", () => ({ authorization: `Basic ${running.daemon.token}` })],
  ["an empty token", () => ({ authorization: "Bearer " })],
  ["a foreign Host, as after DNS rebinding", () => ({ host: `attacker.example:${portOf()}` })],
  ["a Host that begins as ours", () => ({ host: `127.0.0.1.attacker.example:${portOf()}` })],
  ["the Host of another port", () => ({ host: "127.0.0.1:1" })],
  ["a Host without port", () => ({ host: "127.0.0.1" })],
  ["a foreign Origin", () => ({ origin: "https://attacker.example" })],
  ["the Origin of another port", () => ({ origin: "http://127.0.0.1:1" })],
  ["the Origin null", () => ({ origin: "null" })],
  ["our Origin over https", () => ({ origin: `https://${hostOf()}` })],
];

async function expectRefused(path: string, asked: Asked): Promise<void> {
  const answer = await ask(running.daemon, path, asked);
  expect({ path, status: answer.status }).toEqual({ path, status: 401 });
  const body = JSON.parse(answer.text) as ErrorBody;
  expect(body).toMatchObject({ code: "UNAUTHORIZED", status: 401, data: { code: "unauthorized" } });
  expect(body.data.message).toBe(body.message);
  expect(body.data.next).toContain("daemon.json");
  expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
}

describe("the API", () => {
  test("knows its routes", () => {
    expect(routes.length).toBeGreaterThanOrEqual(22);
    expect(routes.every(({ method, path, summary }) => method !== "" && path.startsWith("/") && summary !== "")).toBe(
      true,
    );
  });

  test.each(intruders)(
    "refuses a request with %s on every route and does nothing [api.guarded]",
    async (_, headers) => {
      const { client, daemon } = running;
      const before = await client.system.health();
      for (const route of routes) {
        const body = route.method === "POST" ? { body: "{}" } : {};
        const path = route.path.replace("{reference}", "0000");
        await expectRefused(`/api${path}`, { method: route.method, headers: headers(), ...body });
        await expectRefused(`/rpc/${route.name.replace(".", "/")}`, { method: "POST", headers: headers(), body: "{}" });
      }
      for (const path of [
        "/",
        "/api",
        "/api/",
        "/api/openapi.json",
        "/rpc",
        "/nothing",
        "/daemon.json",
        "//api/health",
        "/api/../api/health",
      ]) {
        await expectRefused(path, { headers: headers() });
      }
      // POST /stop was among them.
      expect(await client.system.health()).toEqual(before);
      expect((await client.system.status()).address).toBe(daemon.address);
    },
  );

  test.each(["OPTIONS", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"])(
    "refuses %s without a token [api.guarded]",
    async (method) => {
      const answer = await ask(running.daemon, "/api/health", { method, headers: { authorization: null } });
      expect(answer.status).toBe(401);
    },
  );

  test("gives a browser's preflight no permission, with or without token [api.guarded]", async () => {
    const preflight = { "access-control-request-method": "POST", "access-control-request-headers": "authorization" };
    for (const authorization of [null, `Bearer ${running.daemon.token}`]) {
      for (const origin of ["https://attacker.example", `http://${hostOf()}`]) {
        const headers = { ...preflight, authorization, origin };
        const answer = await ask(running.daemon, "/api/stop", { method: "OPTIONS", headers });
        expect(answer.status).toBeGreaterThanOrEqual(400);
        expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
      }
    }
  });

  test("accepts its own names in any case, and its own Origin", async () => {
    for (const host of [`127.0.0.1:${portOf()}`, `LocalHost:${portOf()}`, `[::1]:${portOf()}`]) {
      expect((await ask(running.daemon, "/api/health", { headers: { host } })).status).toBe(200);
    }
    const own = { origin: `http://localhost:${portOf()}`, authorization: `bearer ${running.daemon.token}` };
    expect((await ask(running.daemon, "/api/health", { headers: own })).status).toBe(200);
  });

  test.each([
    ["HTTP/1.0 without Host", () => "GET /api/health HTTP/1.0\r\n"],
    ["HTTP/1.1 without Host", () => "GET /api/health HTTP/1.1\r\nConnection: close\r\n"],
    [
      "a Host with a user in it",
      () => `GET /api/health HTTP/1.1\r\nHost: 127.0.0.1@attacker.example:${portOf()}\r\nConnection: close\r\n`,
    ],
    [
      "two Hosts",
      () => `GET /api/health HTTP/1.1\r\nHost: ${hostOf()}\r\nHost: attacker.example\r\nConnection: close\r\n`,
    ],
    [
      "a foreign address in the request line",
      () => `GET http://attacker.example/api/health HTTP/1.1\r\nHost: attacker.example\r\nConnection: close\r\n`,
    ],
  ])("answers nothing to %s [api.guarded]", async (_, head) => {
    const socket = connectSocket(Number(portOf()), "127.0.0.1");
    socket.end(`${head()}Authorization: Bearer ${running.daemon.token}\r\n\r\n`);
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer).not.toContain(running.lab.home);
  });

  test("lets nobody keep or reinterpret its answers", async () => {
    for (const path of ["/api/health", "/api/runs/0000", "/nothing", "/api/openapi.json"]) {
      const { headers } = await ask(running.daemon, path);
      expect(headers["content-type"]).toMatch(/^application\/json/);
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["cache-control"]).toBe("no-store");
    }
  });

  test("keeps its token out of its log, also of requests that fail", async () => {
    await ask(running.daemon, `/api/runs/${running.daemon.token}`);
    await ask(running.daemon, "/api/experiments", { method: "POST", body: "{" });
    const log = readFileSync(join(running.lab.home, "daemon.log"), "utf8");
    expect(log).toContain('"ready"');
    expect(log).not.toContain(running.daemon.token);
  });
});
