/**
 * Claude Code in every role of an issue that does not go well: what checks and reviewers find comes back to its authors,
 * limits ask a person, and what follows from the result is done next.
 */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import type { GateView, IssueView } from "../../packages/rigor/src/api/contract/views/issues.ts";
import { UserLab } from "../e2e/lab.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import { IssueBoard } from "./board.ts";
import { copied, unfinished } from "./findings.testing.ts";
import type { Asked, Reply } from "./model-server.ts";
import { openConcerns } from "./persons.ts";
import { claudeCode } from "./programs.ts";
import { call, inTurn, scriptedRoles } from "./scripted-roles.ts";
import { approving, completed, design, issueOf, objecting, plan, proposals, tinyWork, training } from "./tiny-issue.ts";

let lab: UserLab;
let board: IssueBoard;
let model: AnthropicServer;

const work = {
  ...tinyWork,
  plan: { ...plan, experiment_file: stringify({ ...design, code: ["train.mjs"] }) },
};
const moreSeeds = {
  title: "More seeds",
  text: "Is the difference as large with more seeds?",
  change: { variable: "seeds", from: "[0, 1, 2, 3, 4]", to: "[0, 1, 2, 3, 4, 5]", why: "Five give a wide interval." },
  expected: "A narrower interval.",
  gpu_hours: 0,
};

const concernsOf = (prompt: string, state: string, source: string): number[] =>
  [...prompt.matchAll(new RegExp(`Concern (\\d+) \\(\\w+, about the \\w+, ${state}, from ${source}\\)`, "g"))].map(
    ([, number]) => Number(number),
  );
const settled = (prompt: string, sources: string): object[] =>
  concernsOf(prompt, "(?:fixed|disputed)", sources).map((concern) => ({
    concern,
    status: "verified",
    reason: "Seen.",
  }));
const write = (code: string) => call("Bash", { command: `cat > train.mjs <<'END'\n${code}END`, description: "Write" });
const answering = (concerns: number[], answer: string, reason: string) =>
  concerns.map((concern) => ({ concern, answer, reason }));

/** First unfinished and with a copy; then finished; then as the reviewer wants it. */
function implement({ prompt }: Asked) {
  const isReviewed = concernsOf(prompt, "open", "code-reviewer").length > 0;
  const isChecked = concernsOf(prompt, "open", "declared-checks").length > 0;
  if (isReviewed) return `// Its noise comes from the seed.\n${training}${copied}`;
  return isChecked ? `${training}${copied}` : `// FIXME\n${training}${copied}`;
}

const implementer = inTurn(
  (asked) => [write(implement(asked))],
  ({ prompt }) => [
    call("submit_change", {
      summary: "The training.",
      how_tested: "node lint.mjs",
      answers: [
        ...answering(concernsOf(prompt, "open", "duplication"), "disputed", "A run must stand alone."),
        ...answering(concernsOf(prompt, "open", "(?:declared-checks|code-reviewer)"), "fixed", "Mended."),
      ],
    }),
  ],
);

const codeReviewer = inTurn([call("search_lab", { words: "step" })], ({ prompt }) => {
  const review = {
    ...approving("It does what the plan says."),
    settled: settled(prompt, "(?:code-reviewer|duplication)"),
  };
  const isFirst = concernsOf(prompt, "\\w+", "code-reviewer").length === 0;
  return [
    call("submit_review", isFirst ? objecting("Where the noise comes from is not said.", review.settled) : review),
  ];
});

/** Another document each time. */
const analyzer = inTurn(
  [call("get_experiment", { experiment: "tiny" }), call("get_run", { run: "one that nobody made" })],
  ({ prompt }) => {
    const open = openConcerns(prompt, "result", "open");
    const document = completed(prompt).replaceAll("It does.", open.length > 0 ? "It does, here." : "It does.");
    return [call("submit_result", { document, answers: answering(open, "fixed", "It says where.") })];
  },
);

const interpretationCritic = inTurn([call("get_result", { experiment: "tiny" })], ({ prompt }) => {
  const isFirst = issueOf(prompt) === 1 && concernsOf(prompt, "\\w+", "interpretation-critic").length === 0;
  const review = { ...approving("It follows."), settled: settled(prompt, "(?:interpretation-critic|person)") };
  return [call("submit_review", isFirst ? objecting("It is said of all functions.") : review)];
});

const proposer = inTurn([], ({ prompt }) => [
  call("submit_proposals", { proposals: issueOf(prompt) === 1 ? [moreSeeds] : proposals.proposals }),
]);

const own: readonly (readonly [beginning: string, act: (asked: Asked) => Reply])[] = [
  ["You are the implementer", implementer],
  ["You are the code reviewer", codeReviewer],
  ["You are the analyzer", analyzer],
  ["You are the interpretation critic", interpretationCritic],
  ["You propose what a research lab does next", proposer],
];

beforeAll(async () => {
  const others = scriptedRoles({ objects: false, workOf: () => work });
  model = await AnthropicServer.start((asked) => {
    const role = own.find(([beginning]) => asked.prompt.includes(beginning));
    return role === undefined ? others(asked) : role[1](asked);
  });
  lab = new UserLab().init();
  Object.assign(lab.environment, {
    PATH: `${dirname(claudeCode ?? "")}:${lab.environment["PATH"]}`,
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: "sk-ant-key-of-the-user-0123456789",
  });
  const settings = `agents: { sessions: 3, promotion: merge, checks: [node lint.mjs], rounds: { result: 1 }, budget: { issue: { turns: 20 } } }\n`;
  lab.git("switch", "--quiet", "--create", "main");
  lab.commit({ "rigor.yaml": settings, ...unfinished });
  board = new IssueBoard(lab);
});
afterAll(async () => {
  await lab.close();
  await model.close();
});

const usualAnswers = new Map<string | undefined, string>([
  ["budget-used", "raise"],
  ["plan-approval", "approve"],
]);

/** Raises budgets and approves plans until another gate is open, or the issue is done. */
async function untilAsked(issue: number): Promise<{ gate: GateView | undefined; story: IssueView }> {
  const look = async () => {
    const story = await board.story(issue);
    const gate = story.gates.find(({ state }) => state === "open");
    const usual = usualAnswers.get(gate?.name);
    if (gate !== undefined && usual !== undefined) await decide(gate, usual);
    else if (gate !== undefined || story.issue.state === "done") return { gate, story };
    return undefined;
  };
  return board.until(`something of issue ${issue} that a person decides`, look, 8);
}

async function decide(gate: GateView | undefined, choice: string, why = "Go on."): Promise<void> {
  const answer = await lab.rigor("answer", String(gate?.number), choice, "-m", why);
  expect(answer.status, answer.text).toBe(0);
}

/** What sessions of a role were told, one brief each. */
const briefsOf = (beginning: string, issue = 1): string[] => [
  ...new Set(
    model.requests
      .filter(({ prompt, turn }) => turn === 0 && prompt.includes(beginning) && issueOf(prompt) === issue)
      .map(({ prompt }) => prompt),
  ),
];

describe.skipIf(claudeCode === null)("an issue of Claude Code that does not go well", () => {
  let first: IssueView;

  test(
    "goes back to its authors for what checks and reviewers find, and to a person where they do not agree [review.concerns] [check.findings] [gate.caps]",
    { timeout: 900_000 },
    async () => {
      expect((await lab.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
      const { gate } = await untilAsked(1);
      expect(gate).toMatchObject({ name: "interpretation-disputed" });
      expect(gate?.why).toContain("(interpretation-critic, seeds): It is said of all functions.");
      // The user's next work is on another branch, which conflicts with what is promoted.
      lab.commit({ "train.mjs": "// Mine.\n" });
      lab.git("switch", "--quiet", "--create", "mine");
      await decide(gate, "revise", "Say of which function.");
      const promotion = await untilAsked(1);
      expect(promotion.gate?.name).toBe("promotion");
      await decide(promotion.gate, "approve");
      const conflict = await untilAsked(1);
      expect(conflict.gate).toMatchObject({ name: "merge-conflict" });
      expect(conflict.gate?.why).toContain("These files conflict with main: train.mjs.");
      await decide(conflict.gate, "leave");
      first = (await untilAsked(1)).story;
      expect(first.issue.state).toBe("done");
      expect(lab.git("show", "main:train.mjs")).toBe("// Mine.");
      const submitted = first.submissions.map(({ role }) => role);
      const times = (role: string) => submitted.filter((one) => one === role).length;
      expect([times("implementer"), times("code-reviewer"), times("analyzer"), times("interpretation-critic")]).toEqual(
        [3, 2, 2, 2],
      );
      // Whoever was at work when the budget was used up began anew.
      const outcomes = new Set(first.sessions.map(({ outcome }) => outcome));
      expect([...outcomes.difference(new Set(["set-aside"]))]).toEqual(["finished"]);
      expect(first.concerns.map(({ source, state }) => `${source} ${state}`).toSorted()).toEqual([
        "code-reviewer verified",
        "declared-checks verified",
        "duplication verified",
        "interpretation-critic verified",
        "person verified",
      ]);
    },
  );

  test("shows in each brief what its role needs, and no more [tools.one-definition] [review.fresh]", () => {
    const [begun, mended, reviewed] = briefsOf("You are the implementer");
    expect(begun).toContain("The check `declared-checks` was not made so far.");
    expect(mended).toContain("`node lint.mjs` ended with 3: train.mjs is not finished");
    expect(mended).toMatch(/\d+ lines of train\.mjs .* stand also in lib\.mjs\./);
    expect(reviewed).toContain("Where the noise comes from is not said. Suggested: Mend it.");
    const reviews = briefsOf("You are the code reviewer");
    expect(reviews).toHaveLength(2);
    for (const brief of reviews) {
      expect(brief).toContain("+let x = 1 + random();");
      expect(brief).toContain("The author answered: A run must stand alone.");
      expect(brief).not.toContain("// FIXME");
    }
    const [, again] = briefsOf("You are the analyzer");
    expect(again).toContain("It is said of all functions.");
    expect(again).toContain("Say of which function.");
    expect(briefsOf("You are the interpretation critic").at(-1)).toContain("It does, here.");
    expect(briefsOf("You are the tester")[0]).toMatch(
      /The check `smoke` passed\.\n\nIts runs:\n\n- small \(run \w+\): done/,
    );
    expect(briefsOf("You propose what a research lab does next")[0]).toContain("It does, here.");
  });

  test("calls the tools of the lab, which answer with what is recorded [tools.tokens]", () => {
    const said = model.requests.flatMap(({ results }) => results).filter(({ tool }) => tool.startsWith("mcp__lab__"));
    const refused = said.filter(({ isError }) => isError);
    expect(new Set(refused.map(({ tool }) => tool))).toEqual(new Set(["mcp__lab__get_run"]));
    expect(refused[0]?.text).toContain("There is no run");
    const textOf = (name: string) => said.find(({ tool }) => tool === `mcp__lab__${name}`)?.text;
    expect(textOf("get_experiment")).toContain("tiny");
    expect(textOf("get_result")).toContain("loss");
  });

  test("asks before it uses more than its budget, and counts what it used [gate.caps]", () => {
    const raised = first.gates.filter(({ name }) => name === "budget-used");
    expect(raised.length).toBeGreaterThan(0);
    expect(raised[0]?.question).toMatch(/have used (?:2\d) of 20 turns/);
    const turns = first.sessions.reduce((sum, { usage }) => sum + usage.turns, 0);
    const asked = model.requests.filter(({ prompt }) => issueOf(prompt) === 1).length;
    const setAside = first.sessions.filter(({ outcome }) => outcome === "set-aside").length;
    expect(turns).toBeLessThanOrEqual(asked);
    expect(turns).toBeGreaterThanOrEqual(asked - setAside);
    expect(turns).toBeLessThan(20 * (raised.length + 1));
  });

  test("is followed by one that takes over its plan and its runs [issue.follow-up]", { timeout: 900_000 }, async () => {
    expect((await lab.rigor("issue", "accept", "2")).status).toBe(0);
    const { gate } = await untilAsked(2);
    expect(gate?.name).toBe("promotion");
    await decide(gate, "approve");
    const { story } = await untilAsked(2);
    expect(story.sessions.map(({ role, outcome }) => [role, outcome])).toEqual(
      ["tester", "analyzer", "interpretation-critic", "follow-up-proposer"].map((role) => [role, "finished"]),
    );
    const [brief] = briefsOf("You are the analyzer", 2);
    expect(brief).toContain("`seeds` from [0, 1, 2, 3, 4] to [0, 1, 2, 3, 4, 5]");
    const earlier = new Set((await lab.runs("tiny")).map(({ id }) => id));
    const runs = await lab.runs("tiny-issue-2");
    expect(runs.filter(({ id }) => !earlier.has(id))).toHaveLength(2);
    const [workspaces = ""] = readdirSync(join(lab.home, "workspaces"));
    expect(readdirSync(join(lab.home, "workspaces", workspaces))).toEqual(["pool.git"]);
  });
});
