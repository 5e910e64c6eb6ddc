import { afterAll, beforeAll, expect, test } from "vitest";
import { call, routes, startLab, type RunningLab } from "./support.ts";

interface Schema {
  type?: string | string[];
  items?: Schema;
  properties?: Record<string, Schema>;
  anyOf?: Schema[];
  enum?: unknown[];
  [key: string]: unknown;
}

interface Operation {
  summary?: string;
  operationId?: string;
  parameters?: { name: string; in: string; required?: boolean; schema?: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
}

interface Description {
  openapi: string;
  info: { title: string; version: string };
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components?: { securitySchemes?: Record<string, unknown>; schemas?: Record<string, Schema> };
  security?: Record<string, string[]>[];
}

let running: RunningLab;
let description: Description;
beforeAll(async () => {
  running = await startLab();
  description = (await call<Description>(running.daemon, "/api/openapi.json")).body;
});
afterAll(() => running.lab.remove());

test("the description is OpenAPI 3.1 and asks for the token [api.openapi]", () => {
  expect(description.openapi).toMatch(/^3\.1\.\d+$/);
  expect(description.info.title).toBe("Rigor");
  expect(description.info.version).toMatch(/^\d+\.\d+\.\d+/);
  expect(description.servers).toEqual([{ url: "/api" }]);
  const [required = {}] = description.security ?? [];
  const schemes = description.components?.securitySchemes ?? {};
  expect(Object.keys(required).length).toBe(1);
  for (const name of Object.keys(required)) expect(schemes).toHaveProperty(name);
});

test("every route of the contract is described, and no other [api.openapi]", () => {
  const described = Object.entries(description.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(described.toSorted()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).toSorted());
  const ids = Object.values(description.paths).flatMap((one) => Object.values(one).map((each) => each.operationId));
  expect(new Set(ids).size).toBe(routes.length);
});

test.each(routes)(
  "$method $path has summary, parameters, input and output [api.openapi]",
  ({ method, path, summary, takesInput }) => {
    const operation = description.paths[path]?.[method.toLowerCase()];
    expect(operation?.summary).toBe(summary);
    const parameters = operation?.parameters ?? [];
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    expect(parameters.filter((one) => one.in === "path").map((one) => one.name)).toEqual(inPath);
    expect(parameters.filter((one) => one.in === "path").every((one) => one.required === true)).toBe(true);
    expect(parameters.every((one) => one.schema !== undefined && Object.keys(one.schema).length > 0)).toBe(true);
    const inBody = Object.values(operation?.requestBody?.content ?? {});
    expect(parameters.length + inBody.length > 0).toBe(takesInput);
    if (method === "GET") expect(inBody).toEqual([]);
    expect(inBody.every(({ schema }) => schema.type === "object" || schema.anyOf !== undefined)).toBe(true);
    const [answer] = Object.values(operation?.responses["200"]?.content ?? {});
    expect(Object.keys(answer?.schema ?? {}).length).toBeGreaterThan(0);
  },
);

test("parameters of queries have the types that they have [api.openapi]", () => {
  const types = Object.fromEntries(
    (description.paths["/runs"]?.["get"]?.parameters ?? []).map(({ name, schema }) => [name, schema?.type]),
  );
  expect(types).toMatchObject({
    limit: "integer",
    offset: "integer",
    stale: "boolean",
    seed: "integer",
    states: "array",
  });
});

test("every reference inside the description can be followed [api.openapi]", () => {
  const text = JSON.stringify(description);
  for (const [, pointer = ""] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    let at: unknown = description;
    for (const part of pointer.split("/")) at = (at as Record<string, unknown>)[decodeURIComponent(part)];
    expect(at, pointer).toBeDefined();
  }
});
