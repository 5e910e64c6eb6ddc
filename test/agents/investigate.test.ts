/** Questions that Claude Code answers with tool servers of its own, through the real daemon and command line. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InvestigationView } from "../../packages/rigor/src/api/contract/views/investigations.ts";
import { isAlive } from "../../packages/rigor/src/cli/daemon/processes.ts";
import { until, UserLab } from "../e2e/lab.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import type { Asked, Reply } from "./model-server.ts";
import { beginIn, investigateIn, showIn } from "./investigating.testing.ts";
import { claudeCode } from "./programs.ts";

let lab: UserLab;
let model: AnthropicServer;
const server = join(import.meta.dirname, "measuring-server.ts");
const secret = "hf_secretOfTheToolServer0123456789";

const explanation = {
  behaviour: "The value grows faster than x.",
  explanation: "It is the square of x.",
  components: [{ name: "square", part: "Multiplies x by itself." }],
  evidence: [
    { kind: "intervention", changed: "x from 3 to 4", effect: "9 to 16", control: null, source: "measure" },
    { kind: "observation", statement: "It is 9 at 3.", source: "curve.csv" },
  ],
  confidence: 0.9,
  alternatives: [{ explanation: "A cube.", against: "It is 9 at 3." }],
  limits: ["Only 3 was measured."],
};
const summary = { answer: "It is a parabola.", answered: true, summary: "I measured 3, which is enough." };

beforeAll(async () => {
  model = await AnthropicServer.start(answer);
  lab = new UserLab().init();
  Object.assign(lab.environment, {
    PATH: `${dirname(claudeCode ?? "")}:${lab.environment["PATH"]}`,
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: "sk-ant-of-the-user-0123456789",
    MEASURING: server,
    HF_TOKEN: secret,
    PIN: "a pin of the bench alone",
  });
  lab.commit({
    "good.json": tools({}),
    "stdio.json": JSON.stringify({
      mcpServers: { bench: { command: process.execPath, args: ["${MEASURING}", "--stdio"] } },
    }),
    "busy.json": tools({ FAULT: "busy" }),
    "never.json": tools({ FAULT: "never" }),
    "slow.json": tools({ FAULT: "never" }).replace('"ready_seconds":3', '"ready_seconds":900'),
    "dies.json": tools({ FAULT: "dies" }),
    "hangs.json": tools({ FAULT: "hangs" }),
    "large.json": tools({ FAULT: "large" }),
    "tells.json": tools({ FAULT: "tells", API_KEY: "a key of the bench alone", PIN_TOKEN: "${PIN}" }),
    "missing.json": JSON.stringify({ mcpServers: { bench: { command: "no-such-program" } } }),
    "wrong.json": JSON.stringify({ mcpServers: { lab: { command: "sh" } } }),
  });
});
afterAll(async () => {
  await lab.close();
  await model.close();
});

function tools(env: Record<string, string>): string {
  const http = { health: "/health", ready_seconds: env["FAULT"] === "never" ? 3 : 60 };
  const bench = { command: process.execPath, args: ["${MEASURING}"], env: { ...env, HF_TOKEN: "${HF_TOKEN}" }, http };
  return JSON.stringify({ mcpServers: { bench } });
}

/** What the model does: measures until it has a value, then explains and concludes. A question may hold it up. */
async function answer(asked: Asked): Promise<Reply> {
  const { prompt, results } = asked;
  const call = (tool: string, input: object): Reply => ({
    text: "I go on.",
    calls: [{ tool, input: input as Record<string, unknown> }],
  });
  const said = results.map(({ text }) => text).join("\n");
  if (prompt.includes("STAY") && said.includes("value 9")) return { text: "…", delay: 600, calls: [] };
  if (prompt.includes("SILENT")) return { text: "I have nothing to say." };
  if (!said.includes("noted")) return call("append_log", { text: "I expect a line." });
  if (prompt.includes("WAIT") && !existsSync(join(lab.directory, "go-on"))) return { text: "…", delay: 600, calls: [] };
  if (!said.includes("value 9")) return call("measure", { x: 3 });
  if (!said.includes("No such file")) return call("submit_explanation", { ...explanation, artifacts: ["none.png"] });
  if (!said.includes("was taken")) return call("submit_explanation", { ...explanation, artifacts: ["curve.csv"] });
  if (!said.includes("You are done")) return call("submit_summary", summary);
  return { text: "Done." };
}

const show = (number: number) => showIn(lab, number);
const investigate = (question: string, file: string, ...more: string[]) => investigateIn(lab, question, file, ...more);

/** The role that the repository may have in the place of the one that ships. */
const ownRole = () => join(lab.repository, ".rigor/roles/investigator.md");

/** Gives the repository a role with another limit. */
function limit(name: string, value: string): void {
  const shipped = join(import.meta.dirname, "../../packages/rigor/templates/roles/investigator.md");
  const role = readFileSync(shipped, "utf8").replace(new RegExp(`\\b${name}: [^,}]+`), `${name}: ${value} `);
  lab.write({ ".rigor/roles/investigator.md": role });
}

/** Pids of this machine's processes whose environment names a directory. */
function processesOf(directory: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`RIGOR_SESSION=${directory}`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function expectNothingLeft(directory: string): Promise<void> {
  await expect.poll(() => processesOf(directory)).toEqual([]);
}

describe.skipIf(claudeCode === null)("an investigation", () => {
  test("leaves a log, explanations, artifacts and an answer, and nothing running [investigate.record]", async () => {
    const answered = await lab.rigor("investigate", "What grows here?", "--tools", "good.json");
    expect(answered.status, answered.text).toBe(0);
    expect(answered.stdout).toContain("It is a parabola.");
    const { investigation, explanations, artifacts, session, log } = await show(1);
    expect(investigation).toMatchObject({ state: "ended", outcome: "answered", evidence: "It is a parabola." });
    expect(explanations).toEqual([{ ...explanation, artifacts: ["curve.csv"] }]);
    expect(artifacts).toMatchObject([{ path: "curve.csv" }]);
    expect(session).toMatchObject({ role: "investigator", outcome: "finished" });
    const read = (name: string) => readFileSync(join(investigation.directory, name), "utf8");
    // It may hold secrets.
    expect(statSync(join(investigation.directory, "tools.json")).mode & 0o777).toBe(0o600);
    expect(read("question.md")).toBe("What grows here?\n");
    expect(read("log.md")).toContain(`## ${log[0]?.time}\n\nI expect a line.`);
    const kinds = read("events.jsonl")
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { kind: string }).kind);
    expect(kinds.filter((kind) => kind.startsWith("investigation."))).toEqual([
      "investigation.started",
      "investigation.begun",
      "investigation.noted",
      "investigation.explained",
      "investigation.concluded",
      "investigation.ended",
    ]);
    expect(kinds).toContain("session.ended");
    expect(read("explanations.md")).toContain("It is the square of x.");
    expect(read("summary.md")).toContain("I measured 3");
    expect(read("tools/bench.log")).toContain("listens on");
    expect(read("tools/bench/data/measured.txt")).toBe("3\n");
    expect(read("session/transcript.jsonl")).not.toContain(secret);
    await expectNothingLeft(investigation.directory);
  });

  test("takes its question from a file, and its model and turns from the command [investigate.record]", async () => {
    lab.write({ "question.md": "What grows, told by a file?\n" });
    const words = ["@question.md", "--tools", "good.json", "--model", "another-model", "--max-turns", "2"];
    const { investigations } = await lab.json<{ investigations: InvestigationView[] }>("investigate", ...words);
    expect(investigations[0]?.investigation).toMatchObject({
      question: "What grows, told by a file?",
      outcome: "failed",
      evidence: expect.stringMatching(/turns/),
    });
    expect(investigations[0]?.session).toMatchObject({ outcome: "turn-limit", model: "another-model" });
    const asked = model.requests.filter(({ prompt }) => prompt.includes("told by a file"));
    expect(new Set(asked.map((one) => one.model))).toEqual(new Set(["another-model"]));
    const missing = await lab.rigor("investigate", "@no-such.md", "--tools", "good.json");
    expect(missing.stderr).toContain("no-such.md cannot be read");
  });

  test("uses a server that speaks on its input and output as well [investigate.tools]", async () => {
    const { investigation } = await investigate("What grows?", "stdio.json");
    expect(investigation).toMatchObject({ outcome: "answered" });
    await expectNothingLeft(investigation.directory);
  });

  test("runs beside others, each with its own port and data [investigate.apart]", async () => {
    const { investigations } = await lab.json<{ investigations: InvestigationView[] }>(
      ...["investigate", "What grows, thrice?", "--tools", "good.json", "--n", "3"],
    );
    expect(investigations.map((one) => one.investigation.outcome)).toEqual(["answered", "answered", "answered"]);
    const ports = investigations.map((one) =>
      readFileSync(join(one.investigation.directory, "tools/bench.log"), "utf8"),
    );
    expect(new Set(ports).size).toBe(3);
    for (const { investigation } of investigations) {
      expect(readFileSync(join(investigation.directory, "tools/bench/data/measured.txt"), "utf8")).toBe("3\n");
    }
  });

  test("goes on when a tool server was busy [investigate.busy]", async () => {
    const { investigation } = await investigate("What grows, busily?", "busy.json");
    expect(investigation).toMatchObject({ outcome: "answered" });
    const transcript = readFileSync(join(investigation.directory, "session/transcript.jsonl"), "utf8");
    expect(transcript).toContain("503");
  });

  test("fails with the cause when a tool server never gets ready [investigate.ends]", async () => {
    const { investigation } = await investigate("What grows, never?", "never.json");
    expect(investigation).toMatchObject({ state: "ended", outcome: "failed" });
    expect(investigation.evidence).toMatch(/bench cannot be used.*not ready after 3 s.*answered 503.*listens on/s);
    await expectNothingLeft(investigation.directory);
  });

  test("fails with the cause when a tool server dies [investigate.ends] [F41]", async () => {
    const { investigation } = await investigate("What grows and dies?", "dies.json");
    expect(investigation).toMatchObject({ state: "ended", outcome: "failed" });
    expect(investigation.evidence).toMatch(/bench ended.*status 3.*CUDA out of memory/s);
    expect(readFileSync(join(investigation.directory, "summary.md"), "utf8")).toContain("There is no answer: failed");
  });

  test("names the tool server that died also where its agent went on and spent its turns [investigate.ends]", async () => {
    const { investigation } = await investigate(
      ...["What grows and dies, there?", "dies.json", "--compute", "local", "--max-turns", "4"],
    );
    expect(investigation).toMatchObject({ state: "ended", outcome: "failed" });
    expect(investigation.evidence).toMatch(
      // On a busy machine the server's end is noticed before the agent has spent its turns.
      /bench ended.*status 3.*CUDA out of memory(?:.*its agent ended \(turn-limit\): .*4\D*\.$)?/s,
    );
    expect(investigation.next).toContain("tools/bench");
  });

  test.each([
    [
      "here",
      [],
      /^What it has left takes 10\.?\d* MB of the disk, and may take 3 MB\. The largest file is .*dump\.bin/,
    ],
    ["on a compute", ["--compute", "local"], /bench ended.*its artifacts take 0\.01\d* GB, and may take 0\.003 GB/s],
  ])(
    "ends by the cause when what it leaves becomes too large: %s [session.size] [investigate.ends]",
    async (where, more, cause) => {
      limit("size", "3MB");
      const { investigation } = await investigate(`STAY, what is large ${where}?`, "large.json", ...more);
      rmSync(ownRole());
      expect(investigation).toMatchObject({ outcome: "failed", evidence: expect.stringMatching(cause) });
      expect(investigation.next).toMatch(more.length === 0 ? /Raise `size`/ : /tools\/bench\*\.log/);
    },
    180_000,
  );

  test("names a tool that hangs, while it does and in how it ended [session.hanging] [investigate.ends]", async () => {
    limit("tool_seconds", "10");
    const { stderr } = await lab.rigor("investigate", "What hangs?", "--tools", "hangs.json", "--max-turns", "3");
    rmSync(ownRole());
    expect(stderr).toContain("has no answer: bench/measure gave none within 9 seconds.");
    const [number] = /(?<=Investigation )\d+/.exec(stderr) ?? [];
    const { investigation, hanging } = await show(Number(number));
    expect(hanging).toMatchObject([{ tool: "bench/measure", calls: 2, seconds: 9 }]);
    expect(investigation).toMatchObject({
      outcome: "failed",
      evidence: expect.stringMatching(/turns.* The tool bench\/measure gave no answer within 9 seconds, 2 times\.$/),
      next: expect.stringMatching(/^See what it printed: tools\/bench\*\.log .*--max-turns/),
    });
    const events = readFileSync(join(investigation.directory, "events.jsonl"), "utf8");
    expect(events).toContain('"kind":"session.stalled","data":{"tool":"bench/measure","seconds":9}');
  }, 180_000);

  test("fails with the cause when a tool server cannot be started [investigate.ends]", async () => {
    const { investigation } = await investigate("What grows, missing?", "missing.json");
    expect(investigation).toMatchObject({ outcome: "failed" });
    expect(investigation.evidence).toContain("no-such-program");
  });

  test("shows no secret that its tool server was given, also where the server says it [investigate.masked]", async () => {
    const { investigation } = await investigate("What grows and is told?", "tells.json");
    expect(investigation).toMatchObject({ outcome: "answered" });
    const transcript = readFileSync(join(investigation.directory, "session/transcript.jsonl"), "utf8");
    expect(transcript).toContain("value 9 [secret] [secret]");
    expect(transcript).not.toContain("of the bench alone");
  });

  test("waits until the limits of agents let it begin, says so, and is listed among the sessions, and ends when the day's budget is used up [investigate.limits] [gate.caps]", async () => {
    lab.write({ "rigor.yaml": "agents: { sessions: 1 }\n" });
    const { investigations } = await lab.json<{ investigations: { number: number }[] }>(
      ...["investigate", "WAIT for your turn", "--tools", "good.json", "--n", "2", "--detach"],
    );
    const [one = 0, other = 0] = investigations.map(({ number }) => number);
    await until("the log has an entry", async () => (await show(one)).log.length > 0);
    expect((await show(other)).investigation).toMatchObject({
      state: "waiting",
      waits_for: "1 agent is at work (agents.sessions in rigor.yaml)",
    });
    expect((await lab.rigor("status")).stdout).toContain("2 investigations, 1 agent at work, nothing waits for you");
    const listed = await lab.rigor("session", "list");
    expect(listed.stdout).toMatch(new RegExp(`investigation ${one} +investigator .* running`));
    lab.write({ "rigor.yaml": "agents: { sessions: one }\n" });
    expect((await show(other)).investigation.waits_for).toContain("rigor.yaml");
    lab.write({ "rigor.yaml": "agents: { sessions: 1, budget: { day: { cost: 0 } } }\n" });
    await until("it is ended", async () => (await show(one)).investigation.state === "ended", 180_000);
    expect((await show(one)).investigation).toMatchObject({
      outcome: "failed",
      evidence: expect.stringMatching(/^Agents have used \$[\d.]+ of \$0 of this day's budget/),
      next: expect.stringContaining("agents.budget.day"),
    });
    const shown = await lab.rigor("investigation", "show", String(other));
    expect(shown.stdout).toMatch(/waiting: agents have used \$[\d.]+ of \$0 of this day's budget/);
    lab.write({ "rigor.yaml": "agents: { sessions: 1 }\n" });
    await until("its turn", async () => (await show(other)).log.length > 0);
    expect((await lab.rigor("investigation", "stop", String(other))).status).toBe(0);
    lab.write({ "rigor.yaml": "" });
  });

  test("that hands in nothing is not taken for answered [investigate.ends]", async () => {
    const { investigation } = await investigate("SILENT", "good.json");
    expect(investigation).toMatchObject({ state: "ended", outcome: "silent" });
  });

  test("is ended by a person, with all that it started [investigate.ends]", async () => {
    const { number, directory } = await beginIn(lab, "WAIT for ever", "good.json");
    await until("the log has an entry", async () => (await show(number)).log.length > 0);
    const stopped = await lab.json("investigation", "stop", String(number), "-m", "Enough.");
    expect(stopped).toMatchObject({ state: "ended", outcome: "stopped", evidence: "Enough." });
    await expectNothingLeft(directory);
  });

  test("goes on with the next daemon when its own is killed [investigate.survives] [F41]", async () => {
    const { number, directory } = await beginIn(lab, "WAIT for the next daemon", "good.json");
    await until("the log has an entry", async () => (await show(number)).log.length > 0);
    const before = processesOf(directory);
    expect(before.length).toBeGreaterThan(0);
    process.kill(lab.daemonPid() ?? 0, "SIGKILL");
    lab.write({ "../go-on": "" });
    await until("it has ended", async () => (await show(number)).investigation.state === "ended");
    const { investigation, session } = await show(number);
    expect(investigation).toMatchObject({ outcome: "answered" });
    expect(session).toMatchObject({ outcome: "finished" });
    await expect.poll(() => before.filter(isAlive)).toEqual([]);
    await expectNothingLeft(directory);
    expect(existsSync(join(directory, "tools/bench-2.log"))).toBe(true);
  });

  test("that waits for a tool server holds up no end of the daemon, and a person can end it [investigate.ends]", async () => {
    const { number, directory } = await beginIn(lab, "What grows, slowly?", "slow.json");
    await until("the tool server runs", () => existsSync(join(directory, "tools/bench.log")));
    expect((await lab.rigor("down")).status).toBe(0);
    await until("nothing of it is left", () => processesOf(directory).length === 0);
    expect((await show(number)).investigation).toMatchObject({ state: "running" });
    await until("the tool server runs again", () => existsSync(join(directory, "tools/bench-2.log")));
    expect(await lab.json("investigation", "stop", String(number))).toMatchObject({ outcome: "stopped" });
    await until("nothing of it is left", () => processesOf(directory).length === 0);
  });

  test("is not begun with a file that is wrong [investigate.tools]", async () => {
    const refused = await lab.rigor("investigate", "What?", "--tools", "wrong.json");
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(/wrong\.json: mcpServers\.lab: this name is taken/);
  });
});
