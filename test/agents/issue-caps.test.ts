/** Limits of rounds: each ends at a gate that says what is open, and the work goes on only as a person answers. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { GateView, IssueView } from "../../packages/rigor/src/api/contract/views/issues.ts";
import { UserLab } from "../e2e/lab.ts";
import { openConcerns, Persons, type Script } from "./persons.ts";
import { approving, completed, objecting, plan, training } from "./tiny-issue.ts";

let lab: UserLab;
const rounds = 2;

/** Who does not agree now, and whether the training works. */
const mood = { critic: false, reader: false, interpreter: false, works: true };
let works = 0;

const fixed = (brief: string | null, about: string) =>
  openConcerns(brief, about, "open").map((concern) => ({ concern, answer: "fixed", reason: "Mended." }));

/** Settles what a reviewer has to; others' concerns are not its own. */
const settled = (brief: string | null, about: string, sources: string[]) =>
  [
    ...(brief ?? "").matchAll(
      new RegExp(`Concern (\\d+) \\(\\w+, about the ${about}, (?:fixed|disputed), from (\\S+)\\)`, "g"),
    ),
  ]
    .filter(([, , source]) => sources.includes(source ?? ""))
    .map(([, concern]) => ({ concern: Number(concern), status: "verified", reason: "Seen." }));

const reviewer =
  (about: string, sources: string[], objects: () => boolean, words: string): Script[keyof Script] =>
  ({ brief }) => {
    const done = settled(brief, about, sources);
    return objects() ? objecting(words, done) : { ...approving("Sound."), settled: done };
  };

const script: Script = {
  planner: ({ brief }) => ({ ...plan, reasons: `Plan ${(works += 1)}.`, answers: fixed(brief, "plan") }),
  "methodology-critic": reviewer(
    "plan",
    ["methodology-critic", "person"],
    () => mood.critic,
    "The baseline is not tuned.",
  ),
  implementer: ({ workspace, brief }) => {
    works += 1;
    const start = mood.works ? "" : 'throw new Error("no data");\n';
    writeFileSync(join(workspace ?? "", "train.mjs"), `// ${works}\n${start}${training}`);
    return { summary: `Change ${works}.`, how_tested: "node", answers: fixed(brief, "change") };
  },
  "code-reviewer": reviewer("change", ["code-reviewer", "person"], () => mood.reader, "The seed is not used."),
  tester: reviewer("change", ["tester"], () => false, ""),
  // The same document again, with a reason.
  analyzer: ({ brief }) => ({
    document: completed(brief ?? ""),
    answers: openConcerns(brief, "result", "open").map((concern) => ({
      concern,
      answer: "disputed",
      reason: "It is so.",
    })),
  }),
  "interpretation-critic": reviewer(
    "result",
    ["interpretation-critic", "person"],
    () => mood.interpreter,
    "The words say more than the values.",
  ),
};

const persons = (): Persons =>
  new Persons(lab, script, (gate) =>
    gate.name === "plan-approval" || gate.name === "promotion" ? ["approve", String(gate.number)] : null,
  );

beforeAll(() => {
  lab = new UserLab().init();
  const caps = `rounds: { plan: ${rounds}, code: ${rounds}, test: ${rounds}, result: ${rounds} }`;
  lab.commit({ "rigor.yaml": `agents: { backend: human, ${caps} }\n`, "README.md": "# A repository of somebody\n" });
});
afterAll(() => lab.close());

/** Works until a gate of this name is open. */
async function capped(name: GateView["name"], after = 0): Promise<{ gate: GateView; story: IssueView; inbox: string }> {
  const isIt = (one: GateView) => one.name === name && one.state === "open" && one.number > after;
  const story = await persons().workUntil(`the gate ${name}`, ({ gates }) => gates.some(isIt));
  const gate = story.gates.find(isIt);
  if (gate === undefined) throw new Error("it was there a moment ago");
  return { gate, story, inbox: (await lab.rigor("inbox")).text.replaceAll(/\s+/g, " ") };
}

const reviewsOf = (story: IssueView, role: string): number =>
  story.submissions.filter((one) => one.kind === "review" && one.role === role).length;
const rolesOf = (story: IssueView): string[] => story.sessions.map(({ role }) => role);
const answer = async (gate: GateView, choice: string, why: string) => {
  const said = await lab.rigor("answer", String(gate.number), choice, "-m", why);
  expect(said.status, said.text).toBe(0);
};

describe("a limit of rounds [gate.caps] [F33]", () => {
  test(
    "of planner and critics asks a person, with what is open; a waiver leads to approval",
    { timeout: 900_000 },
    async () => {
      mood.critic = true;
      expect((await lab.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
      const { gate, story, inbox } = await capped("plan-disputed");
      expect(reviewsOf(story, "methodology-critic")).toBe(rounds);
      expect(story.issue.state).toBe("plan-review");
      expect(rolesOf(story)).not.toContain("implementer");
      expect(inbox).toContain("Planner and critics of issue 1 do not agree after 2 rounds. What now?");
      expect(inbox).toContain("A limit of rounds never lets a plan through.");
      expect(inbox).toContain("(methodology-critic, seeds): The baseline is not tuned.");
      expect(inbox).toContain(`rigor answer ${gate.number} waive -m "WHY" The open blockers are waived`);
      mood.critic = false;
      await answer(gate, "waive", "It is a pilot.");
    },
  );

  test(
    "of implementer and reviewer does the same; another round is one round, and a waived concern opens the way",
    { timeout: 900_000 },
    async () => {
      Object.assign(mood, { reader: true, works: false });
      const { gate, story, inbox } = await capped("code-disputed");
      expect(story.concerns.find(({ source }) => source === "methodology-critic")).toBeDefined();
      expect(reviewsOf(story, "code-reviewer")).toBe(rounds);
      expect(rolesOf(story)).not.toContain("tester");
      expect(inbox).toContain("The code of issue 1 does not pass its review after 2 rounds. What now?");
      expect(inbox).toContain("(code-reviewer, seeds): The seed is not used.");
      await answer(gate, "revise", "Use the seed.");
      const again = await capped("code-disputed", gate.number);
      expect(reviewsOf(again.story, "code-reviewer")).toBe(rounds + 1);
      expect(rolesOf(again.story)).not.toContain("tester");
      // Whoever waives all that is open has answered the question, too.
      mood.reader = false;
      const open = again.story.concerns.filter(({ state, about }) => state === "open" && about === "change");
      expect(open).toHaveLength(1);
      const waived = await lab.rigor("issue", "waive", "1", String(open[0]?.number), "-m", "The noise is fixed.");
      expect(waived.status, waived.text).toBe(0);
      const on = await persons().workUntil("the test", ({ issue }) => issue.state === "testing");
      expect(on.gates.find(({ number }) => number === again.gate.number)?.state).toBe("withdrawn");
    },
  );

  test("of smoke runs that fail says what they printed, and nothing is run", { timeout: 900_000 }, async () => {
    const { gate, story, inbox } = await capped("test-failed");
    expect(story.checks.filter(({ name }) => name === "smoke").map(({ passed }) => passed)).toEqual([false, false]);
    expect(rolesOf(story)).not.toContain("tester");
    expect(story.experiment).toBeNull();
    expect(inbox).toContain("The code of issue 1 fails its test after 2 rounds. What now?");
    expect(inbox).toMatch(/Concern \d+ \(smoke, smoke\): The smoke run of \w+ \(run \w+\) is failed: .*no data/);
    mood.works = true;
    await answer(gate, "revise", "Read the data.");
  });

  test("of analyzer and critic asks a person; nothing is published before", { timeout: 900_000 }, async () => {
    mood.interpreter = true;
    const { gate, story, inbox } = await capped("interpretation-disputed");
    expect(reviewsOf(story, "interpretation-critic")).toBe(rounds);
    expect(story.concerns.some(({ answer }) => answer === "It is so.")).toBe(true);
    expect(story.gates.some(({ name }) => name === "promotion")).toBe(false);
    expect(inbox).toContain("(interpretation-critic, seeds): The words say more than the values.");
    await answer(gate, "waive", "They say as much.");
    const done = await persons().workUntil("the end", ({ issue }) => issue.state === "done");
    expect(done.concerns.filter(({ state }) => state === "waived").map(({ settled }) => settled?.reason)).toEqual([
      "It is a pilot.",
      "The noise is fixed.",
      "They say as much.",
    ]);
  });
});
