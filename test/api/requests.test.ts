import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { experimentFile } from "../chaos/lab.ts";
import { ask, call, post, routes, runToRest, startLab, type ErrorBody, type RunningLab } from "./support.ts";

/** Prints 300,000 bytes, of every value, and 500 points of a metric; fails for seed 2. */
const script = `
if [ "$1" = 2 ]; then echo "AssertionError: seed two" >&2; exit 3; fi
i=0; while [ $i -lt 500 ]; do printf '{"step": %d, "loss": %d.5}\\n' $i $i; i=$((i + 1)); done > "$RIGOR_OUTPUT/metrics.jsonl"
head -c 300000 /dev/zero | tr '\\000' '\\377'
printf '{"metrics": {"loss": %d.25%d}}' "$1" "$(printf %s "$RIGOR_ARM" | wc -c)" > "$RIGOR_OUTPUT/result.json"
`;

let running: RunningLab;
let experiment: string;
beforeAll(async () => {
  running = await startLab();
  running.lab.commit({ "run.sh": script, "experiment.yaml": experimentFile({ name: "asked" }) });
  experiment = await runToRest(running, "experiment.yaml");
});
afterAll(() => running.lab.remove());

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what it expects, as with a cast
const get = <Value>(path: string) => call<Value>(running.daemon, path);
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what it expects, as with a cast
const send = <Value>(path: string, value: unknown) => call<Value>(running.daemon, path, post(value));

async function expectUsageError(path: string, value: unknown, named: string): Promise<void> {
  const { status, body } = await (value === undefined ? get<ErrorBody>(path) : send<ErrorBody>(path, value));
  expect({ path, status, code: body.data.code }).toEqual({ path, status: 400, code: "usage" });
  expect(body.message).toContain(named);
  expect(body.data).toEqual({ code: "usage", message: body.message, next: expect.stringContaining("openapi.json") });
}

test("what a request says wrongly is told in words for people [errors.words]", async () => {
  await expectUsageError(
    "/api/issues",
    { project: 3, title: "?", text: "?" },
    "project: found number `3`, expected text",
  );
  await expectUsageError("/api/issues", { title: "?", text: "?" }, "the key `project` is missing; expected text");
});

interface Runs {
  runs: { id: string; arm: string; seed: number; state: string; stale: boolean | null }[];
  total: number;
}

interface Chunk {
  offset: number;
  next_offset: number;
  base64: string;
  ended: boolean;
}

describe("query strings", () => {
  test("carry numbers, booleans and lists [api.openapi]", async () => {
    const first = await get<Runs>("/api/runs?limit=2&offset=1");
    expect(first.status).toBe(200);
    expect(first.body.runs).toHaveLength(2);
    expect(first.body.total).toBe(6);
    const done = await get<Runs>("/api/runs?states[0]=done&states[1]=held&seed=1&arm=two");
    expect(done.body.runs).toMatchObject([{ arm: "two", seed: 1, state: "done" }]);
    const failed = await get<Runs>("/api/runs?states[]=failed&limit=5");
    expect(failed.body.runs.map((run) => run.seed)).toEqual([2, 2]);
    expect((await get<Runs>("/api/runs?limit=5&stale=true&states[0]=done")).body).toMatchObject({ runs: [], total: 0 });
    expect((await get<Runs>("/api/runs?stale=false")).body.total).toBe(6);
    const archived = await get<{ experiments: unknown[] }>("/api/experiments?archived=true&limit=10");
    expect(archived.body.experiments).toHaveLength(1);
  });

  test.each([
    ["limit=many", "limit"],
    ["limit=0", "limit"],
    ["limit=1.5", "limit"],
    ["limit=1000000", "limit"],
    ["offset=-1", "offset"],
    ["stale=perhaps", "stale"],
    ["states[0]=finished", "states[0]"],
    ["seed=", "seed"],
    ["unknown=1", "unknown"],
  ])("that say %s are refused with the member's name", (query, named) =>
    expectUsageError(`/api/runs?${query}`, undefined, named),
  );

  test("name several members that are wrong at once", async () => {
    await expectUsageError("/api/runs?limit=x&offset=y", undefined, "limit");
    await expectUsageError("/api/runs?limit=x&offset=y", undefined, "offset");
  });
});

describe("bodies", () => {
  const start = { file: "/nowhere/experiment.yaml", search_path: "/bin" };

  test.each([
    ["a member that is missing", { file: "/x" }, "search_path"],
    ["a wrong type", { ...start, file: 7 }, "file"],
    ["a member that is unknown", { ...start, fiel: "x" }, "fiel"],
    ["a relative path", { ...start, file: "experiment.yaml" }, "file: expected an absolute path"],
    ["a number that is too small", { ...start, max_runs: 0 }, "max_runs"],
    ["text for a number", { ...start, max_runs: "many" }, "max_runs"],
    ["null", { ...start, compute: null }, "compute"],
    ["a list", [], "file"],
    ["a string", "start", "expected a mapping"],
  ])("with %s are refused with the member's name", (_, value, named) =>
    expectUsageError("/api/experiments", value, named),
  );

  test.each([
    ["no JSON", "{"],
    ["half of it", '{"file": "/x", "search_'],
    ["NaN", '{"file": NaN}'],
    ["binary", "\0\u0001\u0002"],
  ])("with %s are refused as unreadable", async (_, body) => {
    for (const path of ["/api/experiments", "/rpc/experiments/start"]) {
      const { status, text } = await ask(running.daemon, path, { method: "POST", body });
      expect({ path, status }).toEqual({ path, status: 400 });
      expect(text).toContain("The request cannot be read");
    }
  });

  test("of every route refuse an unknown member", async () => {
    for (const { path, method, takesInput } of routes) {
      if (!takesInput) continue;
      const at = `/api${path.replace("{reference}", "0000")}`;
      if (method === "GET") await expectUsageError(`${at}?surplus=1`, undefined, "surplus");
      else await expectUsageError(at, { surplus: 1 }, "surplus");
    }
  });

  test("above 1 MiB are refused before they are read, with or without a stated length", async () => {
    const body = JSON.stringify({ ...start, file: `/${"x".repeat(1024 * 1024)}` });
    const lengths: Record<string, string>[] = [
      { "content-length": String(body.length) },
      { "transfer-encoding": "chunked" },
    ];
    for (const headers of lengths) {
      for (const path of ["/api/experiments", "/rpc/experiments/start"]) {
        const { status, body: answer } = await call<ErrorBody>(running.daemon, path, { method: "POST", body, headers });
        expect(status).toBe(413);
        expect(answer.data).toMatchObject({ code: "limit-exceeded", next: expect.stringContaining("path") });
      }
    }
    const small = JSON.stringify({ ...start, file: `/${"x".repeat(200_000)}` });
    expect((await ask(running.daemon, "/api/experiments", { method: "POST", body: small })).status).not.toBe(413);
  });
});

describe("errors", () => {
  test("have the status of their code and say what to do", async () => {
    const copy = join(running.lab.home, "copy.sqlite");
    expect((await send("/api/backup", { file: copy })).status).toBe(200);
    expect(existsSync(copy)).toBe(true);
    const cases: [Promise<{ status: number; body: ErrorBody }>, number, string, RegExp][] = [
      [get("/api/experiments/askd"), 404, "not-found", /askd/],
      [get("/api/runs/ffff"), 404, "not-found", /ffff/],
      [get("/api/runs/%25"), 404, "not-found", /%/],
      [get("/api/nothing"), 404, "not-found", /\/api\/nothing/],
      [send("/api/experiments/asked/release", {}), 409, "not-possible", /runs have no valid result/],
      [send(`/api/experiments/${experiment}@1/hold`, {}), 404, "not-found", /@1/],
      [send("/api/backup", { file: copy }), 409, "not-possible", /exists already/],
      [send("/api/experiments", { file: "/no/such", search_path: "" }), 404, "not-found", /\/no\/such/],
    ];
    for (const [answer, status, code, says] of cases) {
      const { status: found, body } = await answer;
      expect({ found, code: body.data.code }).toEqual({ found: status, code });
      expect(body).toMatchObject({ status, code: code.toUpperCase().replace("-", "_"), message: body.data.message });
      expect(body.message).toMatch(says);
    }
  });

  test("reach our own client with the same members", async () => {
    const failure = await running.client.experiments.get({ reference: "askd" }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ status: 404, data: { code: "not-found", next: expect.stringContaining("asked") } });
    const refused = await running.client.runs.list({ limit: 0 }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ status: 400, data: { code: "usage", message: expect.stringContaining("limit") } });
  });
});

describe("logs and metrics", () => {
  test("come in parts that join to the whole", async () => {
    const { runs } = await running.client.runs.list({ states: ["done"] });
    const id = runs[0]?.id ?? "";
    const whole: Buffer[] = [];
    let offset = 0;
    for (let ended = false; !ended;) {
      const { status, body } = await get<Chunk>(`/api/runs/${id}/log?offset=${offset}&limit=70000`);
      expect({ status, offset: body.offset }).toEqual({ status: 200, offset });
      const bytes = Buffer.from(body.base64, "base64");
      expect(bytes.length).toBeLessThanOrEqual(70_000);
      expect(body.next_offset).toBe(offset + bytes.length);
      whole.push(bytes);
      offset = body.next_offset;
      ended = body.ended;
    }
    const all = Buffer.concat(whole);
    expect(all.equals(Buffer.alloc(300_000, 0xff))).toBe(true);
    const beyond = await get<Chunk>(`/api/runs/${id}/log?offset=999999999`);
    expect(beyond.body).toMatchObject({ base64: "", next_offset: 999_999_999, ended: true });
    const exact = await get<Chunk>(`/api/runs/${id}/log?limit=300000`);
    expect(exact.body).toMatchObject({ next_offset: 300_000, ended: false });
  });

  test("of an attempt that there is not are not found; of stderr are its own", async () => {
    const { runs } = await running.client.runs.list({ states: ["failed"] });
    const id = runs[0]?.id ?? "";
    expect((await get<ErrorBody>(`/api/runs/${id}/log?attempt=7`)).body.data).toMatchObject({ code: "not-found" });
    const { body } = await get<Chunk>(`/api/runs/${id}/log?stream=stderr&attempt=1`);
    expect(Buffer.from(body.base64, "base64").toString()).toContain("AssertionError: seed two");
  });

  test("give points in the order of their steps, up to a limit", async () => {
    const { runs } = await running.client.runs.list({ states: ["done"] });
    const id = runs[0]?.id ?? "";
    const all = await get<{ points: { step: number; value: number }[] }>(`/api/runs/${id}/metrics?name=loss`);
    expect(all.body.points).toHaveLength(500);
    expect(all.body.points.every(({ step, value }, index) => step === index && value === index + 0.5)).toBe(true);
    const few = await get<{ points: unknown[] }>(`/api/runs/${id}/metrics?name=loss&limit=3`);
    expect(few.body.points).toEqual(all.body.points.slice(0, 3));
    expect((await get<{ points: unknown[] }>(`/api/runs/${id}/metrics?name=none`)).body.points).toEqual([]);
  });

  test("are those of the experiment that ran", async () => {
    expect((await running.client.experiments.get({ reference: "asked" })).experiment.id).toBe(experiment);
  });
});
