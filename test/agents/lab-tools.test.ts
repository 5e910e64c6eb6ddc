/** The lab's tools as an agent meets them: Claude Code holds a real session open, and its token is used from here. */
import { readFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { stringify } from "yaml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SessionDetail, SessionView } from "../../packages/rigor/src/api/contract/views/issues.ts";
import type { DaemonFile } from "../../packages/rigor/src/api/contract/daemon-file.ts";
import { UserLab, workspace } from "../e2e/lab.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import { Persons } from "./persons.ts";
import { claudeCode } from "./programs.ts";
import { approving, clarification, design, objecting, plan } from "./tiny-issue.ts";

let lab: UserLab;
let persons: Persons;
let model: AnthropicServer;
/** Lets the agents that wait for their model end. */
let release: () => void = () => undefined;
let released: Promise<void> = Promise.resolve();

function hold(): void {
  released = new Promise((resolve) => (release = resolve));
}

beforeAll(async () => {
  hold();
  model = await AnthropicServer.start(async () => {
    await released;
    return { text: "I have handed in." };
  });
  lab = new UserLab().init();
  Object.assign(lab.environment, {
    PATH: `${dirname(claudeCode ?? "")}:${lab.environment["PATH"]}`,
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: "sk-ant-key-of-the-user-0123456789",
  });
  // A clarifier that may write notes and read its brief again, which becomes long by them.
  const role = readFileSync(join(workspace, "packages/rigor/templates/roles/clarifier.md"), "utf8");
  lab.commit({
    "rigor.yaml": "agents: { sessions: 3 }\n",
    ".rigor/roles/clarifier.md": role.replace("tools: [", "tools: [get_brief, append_log, "),
  });
  persons = new Persons(lab);
});
afterAll(async () => {
  release();
  await lab.close();
  await model.close();
});

/** Those of the suite that need no tools of its own making. */
const scenarios = ["server-initialize", "ping", "tools-list", "dns-rebinding-protection", "http-header-validation"];

/** Those of which some checks ask for what the lab does not offer: tools of the suite's own making, prompts, resources. */
const partly: Readonly<Record<string, readonly string[]>> = {
  "server-stateless": [
    "sep-2575-server-rejects-undeclared-capability",
    "sep-2575-missing-capability-http-400",
    "sep-2575-http-server-no-independent-requests-on-stream",
    "sep-2575-server-no-log-without-loglevel",
  ],
  caching: [
    "sep-2549-prompts-list-caching-hints",
    "sep-2549-resources-list-caching-hints",
    "sep-2549-resources-templates-list-caching-hints",
  ],
};

interface ToolAnswer {
  status: number;
  text: string;
  isError: boolean;
  /** Whether the protocol itself refused. */
  error: { code: number; message: string } | null;
}

const daemon = (): DaemonFile => JSON.parse(readFileSync(join(lab.home, "daemon.json"), "utf8")) as DaemonFile;

/** One request of the protocol, with a token or without. */
async function ask(token: string | null, method: string, params: object): Promise<ToolAnswer & { result: unknown }> {
  const response = await fetch(`${daemon().address}/mcp`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2025-11-25",
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const body = await response.text();
  const line = body.startsWith("{") ? body : (/^data: (.*)$/m.exec(body)?.[1] ?? "{}");
  const read = JSON.parse(line) as {
    result?: { content?: { text: string }[]; isError?: boolean };
    error?: { code: number; message: string };
  };
  return {
    status: response.status,
    text: (read.result?.content ?? []).map(({ text }) => text).join("\n"),
    isError: read.result?.isError === true,
    error: typeof read.error === "object" ? read.error : null,
    result: read.result,
  };
}

const callTool = (token: string | null, name: string, args: object = {}) =>
  ask(token, "tools/call", { name, arguments: args });

/** A session of a role whose agent is at work, with the token that it was given. */
async function atWork(role: SessionView["role"]): Promise<{ session: SessionView; token: string }> {
  return persons.until(`the ${role} at work`, async () => {
    const { sessions } = await lab.json<{ sessions: SessionView[] }>("session", "list");
    const session = sessions.find((one) => one.role === role && one.state === "running");
    if (session === undefined) return undefined;
    const token = tokenOf(session);
    return token === null ? undefined : { session, token };
  });
}

/** From the environment of the agent's process: nobody else is told. */
function tokenOf({ id }: SessionView): string | null {
  try {
    const { pid } = JSON.parse(readFileSync(join(lab.home, "sessions", id, "process.json"), "utf8")) as { pid: number };
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    return environment.find((one) => one.startsWith("RIGOR_TOOLS_TOKEN_0="))?.slice(20) ?? null;
  } catch {
    return null;
  }
}

/** Lets all agents end that have handed in, and holds the ones that come. */
async function letGo(...roles: SessionView["role"][]): Promise<void> {
  release();
  await persons.until(`the end of ${roles.join(", ")}`, async () => {
    const { sessions } = await lab.json<{ sessions: SessionView[] }>("session", "list");
    return sessions.some(({ role }) => roles.includes(role)) ? undefined : true;
  });
  hold();
}

const detail = ({ id }: SessionView) => lab.json<SessionDetail>("session", "show", id);

describe.skipIf(claudeCode === null)("the lab's tools", () => {
  let clarifier: { session: SessionView; token: string };

  test("open by the token of a session that is at work, and by nothing else [tools.tokens]", async () => {
    expect((await lab.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
    clarifier = await atWork("clarifier");
    expect((await callTool(null, "get_brief")).status).toBe(401);
    expect((await callTool("no-such-token", "get_brief")).status).toBe(401);
    // The person's own token is none of an agent's.
    expect((await callTool(daemon().token, "get_brief")).status).toBe(401);
    const brief = await callTool(clarifier.token, "get_brief");
    expect(brief).toMatchObject({ status: 200, isError: false, error: null });
    expect(brief.text).toContain("You are the clarifier");
    // An agent's token is none of a person's.
    const api = await fetch(`${daemon().address}/api/status`, {
      headers: { authorization: `Bearer ${clarifier.token}` },
    });
    expect(api.status).toBe(401);
  });

  test("of another role are refused, and that is recorded [hand-in.own-session]", async () => {
    const { tools } = (await ask(clarifier.token, "tools/list", {})).result as { tools: { name: string }[] };
    expect(tools.map(({ name }) => name)).not.toContain("submit_plan");
    const foreign = await callTool(clarifier.token, "submit_plan", plan);
    expect(foreign.isError || foreign.error !== null).toBe(true);
    expect((await detail(clarifier.session)).session.refused).toMatchObject([{ tool: "submit_plan" }]);
    expect((await lab.rigor("session", "show", clarifier.session.id)).text).toContain("submit_plan");
    const submitted = await lab.rigor("session", "submit", clarifier.session.id, "README.md");
    expect(submitted.status).toBe(2);
  });

  test("follow the protocol, by its own suite [tools.protocol]", { timeout: 900_000 }, async () => {
    const proxy = await withToken(clarifier.token);
    const url = `http://localhost:${(proxy.address() as AddressInfo).port}/mcp`;
    try {
      const program = join(workspace, "node_modules/@modelcontextprotocol/conformance/dist/index.js");
      const conform = (scenario: string) =>
        lab.program(process.execPath, [program, "server", "--url", url, "--scenario", scenario], { NO_COLOR: "1" });
      for (const scenario of scenarios) {
        const { status, text } = await conform(scenario);
        expect(status, text).toBe(0);
        expect(text).toMatch(/\b0 failed\b/);
      }
      for (const [scenario, missing] of Object.entries(partly)) {
        const { text } = await conform(scenario);
        const failed = [...stripVTControlCharacters(text).matchAll(/^\S+ \[(\S+) *\] FAILURE/gm)].map(([, id]) => id);
        expect(failed, text).toEqual(missing);
        expect(stripVTControlCharacters(text)).toMatch(/\] SUCCESS /);
      }
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });

  test("answer a crowd without holding up anybody else [tools.protocol]", async () => {
    for (let note = 0; note < 20; note++) {
      expect((await callTool(clarifier.token, "append_log", { text: `step ${"x".repeat(4_900)}` })).text).toBe(
        "It was noted.",
      );
    }
    const calm = await slowest(() => Promise.resolve());
    const crowd = Array.from({ length: 20 }, (_, index) =>
      index % 2 === 0
        ? callTool(clarifier.token, "get_brief")
        : callTool(clarifier.token, "search_lab", { words: "step", limit: 50 }),
    );
    const busy = await slowest(() => Promise.all(crowd));
    const answers = await Promise.all(crowd);
    for (const answer of answers) expect(answer).toMatchObject({ status: 200, isError: false, error: null });
    expect(answers[0]?.text.length).toBeGreaterThan(90_000);
    expect(busy, `alone it takes ${calm} ms`).toBeLessThan(10_000 + 5 * calm);
  });

  test("take what is handed in once [hand-in.own-session] [hand-in.checked] [errors.words]", async () => {
    const wrong = await callTool(clarifier.token, "submit_clarification", { understanding: "", questions: "none" });
    expect(wrong).toMatchObject({ isError: true, error: null });
    expect(wrong.text).toBe(
      [
        "submit_clarification was not done: 4 problems.",
        "- understanding: found empty text",
        "- questions: found text `none`, expected a list",
        "- the key `assumptions` is missing; expected a list",
        "- the key `related` is missing; expected a list",
        "Mend what is listed and call it again.",
      ].join("\n"),
    );
    expect((await callTool(clarifier.token, "submit_clarification", clarification)).isError).toBe(false);
    const twice = await callTool(clarifier.token, "submit_clarification", clarification);
    expect(twice).toMatchObject({ isError: true });
    expect(twice.text).toContain("has handed in already");
    expect((await persons.story(1)).submissions).toHaveLength(1);
  });

  test("are closed when the session has ended [tools.tokens]", async () => {
    await letGo("clarifier");
    expect((await callTool(clarifier.token, "get_brief")).status).toBe(401);
  });

  test("tell every problem of a plan with its place [hand-in.checked]", async () => {
    const { token } = await atWork("planner");
    const broken = stringify({ ...design, seeds: "many", tasks: {}, decision: undefined });
    const answer = await callTool(token, "submit_plan", { ...plan, experiment_file: broken, parent: "nothing@1" });
    expect(answer).toMatchObject({ isError: true });
    for (const word of [/tiny[.]yaml:\d+:\d+.*seeds/, /tasks/, /nothing@1/]) expect(answer.text).toMatch(word);
    const undecided = stringify({ ...design, decision: undefined });
    expect((await callTool(token, "submit_plan", { ...plan, experiment_file: undecided })).text).toContain("decision");
    expect((await callTool(token, "submit_plan", plan)).isError).toBe(false);
    await letGo("planner");
  });

  test(
    "refuse a review that leaves an answered concern open [hand-in.checked] [review.concerns]",
    { timeout: 900_000 },
    async () => {
      const critics = ["methodology-critic", "statistics-critic", "alternatives-critic"] as const;
      for (const role of critics) {
        const { token } = await atWork(role);
        const review = role === "methodology-critic" ? objecting("The baseline is not tuned.") : approving("Sound.");
        expect((await callTool(token, "submit_review", review)).text).toContain("was taken");
      }
      await letGo(...critics);
      const planner = await atWork("planner");
      const silent = await callTool(planner.token, "submit_plan", { ...plan, risks: ["None."] });
      expect(silent.text).toContain("Concern 1 (blocker, seeds) is not answered");
      const fixed = [{ concern: 1, answer: "fixed", reason: "Nothing was changed." }];
      const same = await callTool(planner.token, "submit_plan", { ...plan, answers: fixed });
      expect(same.text).toContain("is the same as one");
      // What is disputed may stay as it is.
      const answers = [{ concern: 1, answer: "disputed", reason: "It was tuned." }];
      expect((await callTool(planner.token, "submit_plan", { ...plan, answers })).isError).toBe(false);
      await letGo("planner");
      const critic = await atWork("methodology-critic");
      const unsettled = await callTool(critic.token, "submit_review", approving("Sound."));
      expect(unsettled).toMatchObject({ isError: true });
      expect(unsettled.text).toContain("Concern 1 was answered as disputed. Settle it");
      const settled = [{ concern: 1, status: "still-open", reason: "It was not." }];
      const torn = await callTool(critic.token, "submit_review", { ...approving("Sound."), settled });
      expect(torn.text).toContain("a blocker is open");
    },
  );
});

/** The suite has no way to give a token, so it comes on the way. */
async function withToken(token: string): Promise<Server> {
  const { hostname, port, host } = new URL(daemon().address);
  const proxy = createServer((incoming, outgoing) => {
    const own = `localhost:${(proxy.address() as AddressInfo).port}`;
    // Names of others are for the lab to refuse.
    const named = (name: string | undefined) => (name?.endsWith(own) === true ? name.replace(own, host) : name);
    const { host: asked, origin, ...rest } = incoming.headers;
    const headers = {
      ...rest,
      host: named(asked),
      ...(origin === undefined ? {} : { origin: named(origin) }),
      authorization: `Bearer ${token}`,
    };
    const options = { hostname, port, path: incoming.url, method: incoming.method, headers };
    const passed = request(options, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passed.once("error", () => outgoing.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "localhost", resolve));
  return proxy;
}

/** Milliseconds that the longest of some small requests took while something else went on. */
async function slowest(meanwhile: () => Promise<unknown>): Promise<number> {
  const other = meanwhile();
  let longest = 0;
  for (let count = 0; count < 50; count++) {
    const begun = performance.now();
    await callTool(null, "get_brief");
    longest = Math.max(longest, performance.now() - begun);
  }
  await other;
  return longest;
}
