/** An issue from a vague sentence to an approved result: Claude Code in every role, persons at the gates. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UserLab } from "../e2e/lab.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import { IssueBoard } from "./board.ts";
import { claudeCode } from "./programs.ts";
import type { Asked, Reply } from "./model-server.ts";
import { scriptedRoles } from "./scripted-roles.ts";

let lab: UserLab;
let board: IssueBoard;
let model: AnthropicServer;
const key = "sk-ant-secret-of-the-user-0123456789";

beforeAll(async () => {
  model = await AnthropicServer.start(overstepping(scriptedRoles({ objects: true })));
  lab = new UserLab().init();
  Object.assign(lab.environment, {
    PATH: `${dirname(claudeCode ?? "")}:${lab.environment["PATH"]}`,
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: key,
  });
  lab.commit({ "rigor.yaml": "agents: { sessions: 3 }\n", "README.md": "# A repository of somebody\n" });
  board = new IssueBoard(lab);
});
afterAll(async () => {
  await lab.close();
  await model.close();
});

/** An implementer that asks for another host and the lab's data, and changes its work after it has handed it in. */
function overstepping(roles: (asked: Asked) => Reply): (asked: Asked) => Reply {
  return (asked) => {
    const said = asked.results.map(({ text }) => text).join("\n");
    if (!asked.prompt.includes("You are the implementer") || !said.includes("was taken")) return roles(asked);
    if (said.includes("handed in already")) return { text: "I have handed in." };
    const database = join(lab.home, "rigor.sqlite");
    const command = `curl -sS https://example.org/; cat ${database}; echo '// later' >>train.mjs; echo changed`;
    if (!said.includes("changed")) return { text: "More.", calls: [{ tool: "Bash", input: { command } }] };
    const change = { summary: "Later.", how_tested: "Not at all.", answers: [] };
    return { text: "Again.", calls: [{ tool: "submit_change", input: change }] };
  };
}

describe.skipIf(claudeCode === null)("an issue that Claude Code works on", () => {
  test(
    "goes from a vague sentence to an approved result [issue.agent] [issue.life]",
    { timeout: 900_000 },
    async () => {
      const filed = await lab.rigor("issue", "new", "bigger steps better?");
      expect(filed.status, filed.text).toBe(0);
      const gate = await board.gate("plan-approval");
      const planned = await board.story(1);
      expect(planned.submissions.filter(({ kind }) => kind === "plan")).toHaveLength(2);
      expect(planned.concerns).toMatchObject([
        { source: "methodology-critic", severity: "blocker", state: "verified" },
      ]);
      // Who approves a plan sees what it takes for granted, and what its critics said.
      const plan = await lab.rigor("inbox", String(gate.number));
      expect(plan.stdout).toMatch(/assumptions:\s+- Fifty steps are enough[.]\s+- Which function[?] A parabola[.]/);
      expect(plan.stdout).toContain("- methodology-critic: approve. It is tuned now.");
      expect((await lab.rigor("approve", String(gate.number))).status).toBe(0);
      const promotion = await board.gate("promotion");
      // A person approves numbers, and not the directives that name them.
      const asked = await lab.rigor("inbox", String(promotion.number));
      expect(asked.stdout).toMatch(/Decision: supported/);
      expect(asked.stdout).not.toContain("::decision");
      expect((await lab.rigor("approve", String(promotion.number))).status).toBe(0);
      const story = await board.until("the end", async () => {
        const found = await board.story(1);
        return found.issue.state === "done" ? found : undefined;
      });
      expect(story.experiment).toBe("tiny@1");
      expect(story.sessions.map(({ outcome }) => outcome)).toEqual(story.sessions.map(() => "finished"));
      expect(story.sessions.every(({ usage }) => usage.turns > 0)).toBe(true);
    },
  );

  test("what is done after the hand-in reaches nobody [hand-in.own-session] [F34]", async () => {
    const { submissions } = await board.story(1);
    const changes = submissions.filter(({ kind }) => kind === "change");
    expect(changes.map(({ hash }) => hash)).toEqual([lab.git("rev-parse", "rigor/issue-1")]);
    expect(lab.git("show", "rigor/issue-1:train.mjs")).not.toContain("later");
  });

  test("what the sandbox refused is part of the record [sandbox.network] [session.refused] [F38]", async () => {
    const { sessions, timeline } = await board.story(1);
    const implementer = sessions.find(({ role }) => role === "implementer");
    const unseen = `${join(lab.home, "rigor.sqlite")} is there, and was not shown.`;
    expect(implementer?.refused).toEqual([
      { tool: "the network", why: "The sandbox does not allow example.org:443." },
      { tool: "a file, as its output tells", why: unseen },
    ]);
    const told = timeline.map(({ text }) => text).join("\n");
    expect(told).toContain("does not allow example.org:443");
    expect(told).toContain(unseen);
    const { text } = await lab.rigor("session", "show", implementer?.id ?? "");
    expect(text).toContain("example.org:443");
    expect(text.replaceAll(/\s+/g, " ")).toContain("rigor.sqlite is there, and was not shown.");
    const reader = sessions.find(({ role }) => role === "code-reviewer");
    expect(reader?.refused.map(({ why }) => why).join()).toContain("'mine.txt': Read-only file system");
  });

  test("its story says what each session handed in and used [issue.life]", async () => {
    const { text } = await lab.rigor("issue", "show", "1");
    expect(text).toMatch(/The statistics-critic handed in review \d+: approve[.] Five seeds are enough[.]/);
    expect(text).toMatch(/The planner ended: finished[.] .*[(]\d+ turns?, \d+ tokens, [$]0[.]\d{4}[)]/);
  });

  test("each session shows what it handed in [session.hand-in]", async () => {
    const { sessions } = await board.story(1);
    const shown = async (role: string) => {
      const id = sessions.find((one) => one.role === role)?.id ?? "";
      return (await lab.rigor("session", "show", id)).text;
    };
    const review = await shown("statistics-critic");
    expect(review).toMatch(/^\s*handed in\s+review \d+$/m);
    expect(review).toMatch(/^summary: Five seeds are enough[.]$/m);
    expect(await shown("analyzer")).toMatch(/^\s*handed in\s+result 1: rigor document show 1@1$/m);
  });

  test("its result is read with its numbers, and its plan was fixed before them [document.values] [F54]", async () => {
    const shown = await lab.rigor("document", "show", "1");
    expect(shown.stdout).toMatch(/[*][*]Decision: supported[.][*][*]/);
    expect(shown.stdout).not.toContain("::decision");
    expect(shown.stdout).not.toContain("Not pre-registered");
  });

  test("no reviewer sees the author's reasoning, or writes [review.fresh] [F32]", () => {
    const reviews = model.requests.filter(({ prompt }) => prompt.includes("You are the code reviewer"));
    expect(reviews.length).toBeGreaterThan(0);
    for (const { body } of reviews) expect(body).not.toContain("because I like it so");
    const touched = reviews.flatMap(({ results }) => results).filter(({ tool }) => tool === "Bash");
    expect(touched.some(({ text }) => text.includes("Read-only file system"))).toBe(true);
  });

  test("each role has its tools only, and its brief names them [tools.one-definition] [F36]", () => {
    const clarifier = model.requests.find(({ prompt }) => prompt.includes("You are the clarifier"));
    const offered =
      clarifier?.tools.filter((name) => name.startsWith("mcp__lab__")).map((name) => name.slice(10)) ?? [];
    expect(offered).toContain("submit_clarification");
    expect(offered).not.toContain("submit_plan");
    for (const name of offered) expect(clarifier?.prompt).toContain(`\`${name}\``);
  });

  test("what the user's key is stands in no transcript, and the agent's own records go with its end [F40]", async () => {
    const { sessions } = await board.story(1);
    expect(sessions.every(({ state }) => state === "ended")).toBe(true);
    for (const { id } of sessions) {
      expect(existsSync(join(lab.home, "sessions", id, "home"))).toBe(false);
      const transcript = readFileSync(join(lab.home, "sessions", id, "transcript.jsonl"), "utf8");
      expect(transcript.length).toBeGreaterThan(100);
      expect(transcript).not.toContain(key);
    }
  });
});
