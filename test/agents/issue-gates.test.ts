/** What persons decide at gates, and what an answer holds for. */
import { readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { GateView } from "../../packages/rigor/src/api/contract/views/issues.ts";
import { expectRefusal, until, UserLab } from "../e2e/lab.ts";
import { built, openConcerns, Persons } from "./persons.ts";
import { clarification, completed, design, plan } from "./tiny-issue.ts";
import { parse, stringify } from "yaml";

let lab: UserLab;
let persons: Persons;
let plans = 0;

beforeAll(() => {
  lab = new UserLab().init();
  lab.commit({ "rigor.yaml": "agents: { backend: human }\n", "README.md": "# A repository of somebody\n" });
  persons = new Persons(
    lab,
    {
      planner: ({ brief }) => {
        plans += 1;
        const budget = { gpu_hours: 0, wall: `${plans * 10}m` };
        return { ...plan, experiment_file: stringify({ ...design, budget }), answers: fixed(brief, "plan") };
      },
      analyzer: ({ brief }) => ({ document: completed(brief ?? ""), answers: fixed(brief, "result") }),
      "methodology-critic": ({ brief }) => ({
        verdict: "approve",
        summary: "Read.",
        concerns: [],
        settled: openConcerns(brief, "plan", "fixed").map((concern) => ({
          concern,
          status: "verified",
          reason: "Seen.",
        })),
      }),
    },
    () => null,
  );
});
afterAll(() => lab.close());

const fixed = (brief: string | null, about: string) =>
  openConcerns(brief, about, "open").map((concern) => ({ concern, answer: "fixed", reason: "Mended." }));

async function openGate(name: GateView["name"], after = 0): Promise<GateView> {
  const story = await persons.workUntil(`the gate ${name}`, ({ gates }) =>
    gates.some((gate) => gate.name === name && gate.state === "open" && gate.number > after),
  );
  const found = story.gates.find((gate) => gate.name === name && gate.state === "open");
  if (found === undefined) throw new Error("it was there a moment ago");
  return found;
}

describe("gates", () => {
  let first: GateView;

  test("say what is asked, why, what each answer does, and since when they wait [gate.open]", async () => {
    expect((await lab.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
    first = await openGate("plan-approval");
    const shown = await lab.rigor("inbox", String(first.number));
    expect(shown.text).toContain(first.question);
    expect(shown.text).toContain(first.why);
    for (const { effect } of first.options) expect(shown.text).toContain(effect);
    expect(Date.parse(first.opened_at)).toBeLessThanOrEqual(Date.now());
  });

  test("refuse an answer that they do not have, or that lacks its reason, and change nothing [gate.answers]", async () => {
    const before = lab.state();
    expectRefusal(await lab.rigor("answer", String(first.number), "maybe"), 2, "approve");
    expectRefusal(await lab.rigor("reject", String(first.number)), 2, "reason");
    expectRefusal(await lab.rigor("answer", String(first.number), "revise", "-m", "  "), 2, "reason");
    expectRefusal(await lab.rigor("approve", "999"), 2, "no gate 999");
    expect(lab.state()).toEqual(before);
  });

  test("do not let an approval outlive the plan: each plan is asked for, an old gate is closed [gate.bound] [F34]", async () => {
    expect((await lab.rigor("reject", String(first.number), "-m", "It is too short.")).status).toBe(0);
    const { form } = await persons.detail(await persons.work("planner"));
    expect(parse(form ?? "")).toMatchObject({
      experiment_path: plan.experiment_path,
      answers: [{ concern: 1, answer: "" }],
    });
    expect(form).toContain("It is too short.");
    const second = await openGate("plan-approval", first.number);
    const changes: unknown = expect.stringMatching(/^\+ +wall: 20m$/m);
    expect(second.evidence).toMatchObject({ changed_since: { plan: 1, changes } });
    expectRefusal(await lab.rigor("approve", String(first.number)), 2, "was decided");
    expect((await persons.story(1)).issue.state).toBe("plan-review");
  });

  const autopilot = { "rigor.yaml": "agents: { backend: human, autopilot: { gpu_hours: 1 } }\n" };
  const byHand = { "rigor.yaml": "agents: { backend: human }\n" };
  // Nobody works meanwhile: what was begun without an approval is taken away.
  const askedAgain = async ({ number }: GateView): Promise<GateView> => {
    const gate = await persons.gateAfter(number);
    expect(gate.name).toBe("plan-approval");
    await expect.poll(async () => (await persons.inbox()).sessions).toEqual([]);
    return gate;
  };

  test("are withdrawn when nothing is asked any more, and open again when something is [gate.bound]", async () => {
    const asked = await openGate("plan-approval");
    lab.write(autopilot);
    await persons.work("implementer");
    expectRefusal(await lab.rigor("approve", String(asked.number)), 2, "was withdrawn");
    lab.write(byHand);
    await askedAgain(asked);
    const { submissions } = await persons.story(1);
    expect(submissions.filter(({ kind }) => kind === "plan")).toHaveLength(2);
  });

  test("find what was built as it was left, when the same plan is approved again [gate.bound]", async () => {
    const asked = await openGate("plan-approval");
    lab.write(autopilot);
    const begun = await persons.work("implementer");
    expect((await persons.submit(begun, built(await persons.detail(begun)))).status).toBe(0);
    await persons.work("code-reviewer");
    lab.write(byHand);
    const again = await askedAgain(asked);
    expect((await lab.rigor("approve", String(again.number))).status).toBe(0);
    await persons.work("code-reviewer");
    const { submissions, issue } = await persons.story(1);
    expect(issue.state).toBe("code-review");
    expect(submissions.filter(({ kind }) => kind === "change")).toHaveLength(1);
  });

  test("ask again when a compute of the plan is somewhere else by now [gate.bound] [F34]", async () => {
    const approved = (await persons.story(1)).gates.at(-1) as GateView;
    expect((approved.evidence as { compute: string }).compute).toBe("local");
    lab.write({ "rigor.yaml": `${byHand["rigor.yaml"]}compute: { local: { kind: ssh, host: elsewhere } }\n` });
    const moved = await askedAgain(approved);
    expect((moved.evidence as { compute: string }).compute).toBe("local (ssh:elsewhere)");
    const changed = new RegExp(
      `not what was approved at gate ${approved.number}: .*compute local was .* and is ssh:elsewhere now`,
    );
    expect((await lab.rigor("inbox")).text).toMatch(changed);
    expect((await lab.rigor("issue", "show", "1")).text.replaceAll(/\s+/g, " ")).toMatch(changed);
    // The approval was of this place, whatever runs may use of it.
    lab.write({ "rigor.yaml": `${byHand["rigor.yaml"]}compute: { local: { kind: local, cpus: 1 } }\n` });
    await until("the code is reviewed again", async () => (await persons.story(1)).issue.state === "code-review");
    lab.write(byHand);
  });

  test(
    "let a person edit the document, under the rules for agents, as a version of their own [gate.edit]",
    { timeout: 900_000 },
    async () => {
      const asked = await openGate("promotion");
      const gate = String(asked.number);
      expect((await lab.rigor("inbox")).text).toContain(`rigor edit ${gate}`);
      expect((await lab.rigor("edit", gate, "-o", "document.md")).text).toContain(
        `rigor edit ${gate} --file document.md`,
      );
      const source = readFileSync(join(lab.repository, "document.md"), "utf8");
      const edited = (from: string | RegExp, to: string) => lab.write({ "document.md": source.replace(from, to) });

      const before = lab.state();
      edited(/^## Takeaways$/m, "## Takeaways\n\nIt is 98.7 percent better, which proves it.");
      const line = source.slice(0, source.indexOf("## Takeaways")).split("\n").length + 2;
      const refused = await lab.rigor("edit", gate, "--file", "document.md");
      expectRefusal(refused, 2, "98.7");
      expect(refused.text).toContain(`${line}:7: error:`);
      expect(refused.text).toContain("proves");
      edited(/::confidence\{level=\w+/, "::confidence{level=high");
      expectRefusal(await lab.rigor("edit", gate, "--file", "document.md"), 2, "at most moderate");
      edited(/^## Limits$/m, "## Limits\n\n:value[loss]{arm=huge}");
      expectRefusal(await lab.rigor("edit", gate, "--file", "document.md"), 2, "huge");
      edited("", "");
      expectRefusal(await lab.rigor("edit", gate, "--file", "document.md"), 2, "as it was");
      expectRefusal(await lab.rigor("edit", gate, "-o", "document.md"), 2, "exists");
      expectRefusal(await lab.rigor("answer", gate, "edit"), 2, `rigor edit ${gate}`);
      expect(lab.state()).toEqual(before);

      edited(/^## Limits$/m, "## Limits\n\nOnly one function was tried.");
      lab.write({ "hers.md": source.replace(/^## Limits$/m, "## Limits\n\nNoise was small.") });
      const both = await Promise.all(
        ["document.md", "hers.md"].map((file) => lab.rigor("edit", gate, "--file", file, "-m", "Plainer.")),
      );
      expect(new Set(both.map(({ status }) => status))).toEqual(new Set([0, 2]));
      expect(both.find(({ status }) => status === 2)?.text).toContain("was decided: edit");
      expect(both.find(({ status }) => status === 0)?.text).toMatch(/^\+(?:Only one function|Noise was small)/m);
      expectRefusal(await lab.rigor("approve", gate), 2, "was decided: edit");
    },
  );

  test(
    "show who edited what, and ask about exactly that [gate.edit] [gate.bound] [F34]",
    { timeout: 900_000 },
    async () => {
      const asked = await openGate("promotion");
      const gate = String(asked.number);
      const story = await persons.story(1);
      const results = story.submissions.filter(({ kind }) => kind === "result");
      expect(results.map(({ number }) => number)).toEqual([1, 2]);
      expect(results[1]?.submitted_by).toMatch(/^person:/);
      expect(results[1]?.hash).not.toBe(results[0]?.hash);
      expect(asked.evidence).toMatchObject({ edited_by: results[1]?.submitted_by });
      expect((await lab.rigor("issue", "show", "1")).text.replaceAll(/\s+/g, " ")).toContain(
        "The document was edited: document 2 (2 lines added)",
      );
      expect((await lab.rigor("inbox", gate)).text).toMatch(/^ *\+(?:Only one function|Noise was small)/m);
      expect((await lab.rigor("document", "diff", "1")).text).toMatch(/^\+(?:Only one function|Noise was small)/m);
      expect((await lab.rigor("document", "show", "1@1")).text).not.toMatch(/Only one function|Noise was small/);
      expectRefusal(await lab.rigor("document", "show", "1@3"), 2, "no document 3");

      const inEditor = (editor: string) => lab.call(["edit", gate], { environment: { EDITOR: editor, VISUAL: "" } });
      expectRefusal(await inEditor(""), 2, "EDITOR");
      expectRefusal(await inEditor("false"), 2, "Nothing was changed");
      expect((await inEditor("true")).text).toContain("as it was");
      const typed = await inEditor("sed -i 's/^## Limits$/&\\n\\nIt is 98.7 percent./'");
      expectRefusal(typed, 2, "98.7");
      const [, kept = ""] = /What you wrote is in (\S+);/.exec(typed.text) ?? [];
      expect(readFileSync(kept, "utf8")).toContain("98.7");
      rmSync(dirname(kept), { recursive: true });
      expect((await persons.story(1)).gates.at(-1)).toMatchObject({ number: asked.number, state: "open" });
      const taken = await inEditor("sed -i 's/^## Limits$/&\\n\\nNobody else has looked./'");
      expect(taken.text).toContain("+Nobody else has looked.");
      expect(taken.text).toContain(`rigor approve ${asked.number + 1}`);
    },
  );

  test("are asked anew when rigor.yaml says something else of the code [gate.bound] [F34]", async () => {
    const asked = await openGate("promotion");
    expect(asked.options[0]?.effect).toContain("stays on rigor/issue-1");
    lab.write({ "rigor.yaml": "agents: { backend: human, promotion: merge }\n" });
    const other = await persons.gateAfter(asked.number);
    expect(other.options[0]?.effect).toMatch(/rigor\/issue-1 is merged into \S+, if nobody has that checked out/);
    expectRefusal(await lab.rigor("approve", String(asked.number)), 2, "the code was to stay on rigor/issue-1");
  });

  test("do not let an approval outlive what the result shows [gate.bound] [F34]", { timeout: 900_000 }, async () => {
    const promotion = await openGate("promotion");
    const [run] = await lab.runs("tiny");
    expect((await lab.rigor("rerun", run?.id ?? "", "-m", "Its machine was faulty.")).status).toBe(0);
    await persons.until("the second try", async () => {
      const again = (await lab.runs("tiny")).find(({ id }) => id === run?.id);
      return again?.state === "done" && again.attempts > 1 ? again : undefined;
    });
    expect((await lab.rigor("approve", String(promotion.number))).status).toBe(0);
    const later = await openGate("promotion", promotion.number);
    const story = await persons.story(1);
    expect(story.checks.find(({ name, passed }) => name === "document" && !passed)?.findings[0]).toContain(
      "not what it was",
    );
    expect(story.submissions.filter(({ kind }) => kind === "result")).toHaveLength(4);
    expect(story.issue.state).toBe("promotion");
    expect((await lab.rigor("document", "show", "1")).text).toContain("Nobody else has looked.");
    expect((await lab.rigor("approve", String(later.number))).status).toBe(0);
    expectRefusal(await lab.rigor("edit", String(later.number)), 2, "was decided: approve");
    await persons.workUntil("the end", ({ issue }) => issue.state === "done");
  });
});

describe("a gate that asks questions", () => {
  const asked = ["How long is the text?", "Which corpus?"].map((question) => ({
    ...{ question, why: "It sets the task.", proposed_answer: "As in issue 1.", blocking: true },
  }));

  test(
    "takes one answer for each, and no choice of another gate for one [gate.answers]",
    { timeout: 300_000 },
    async () => {
      expect((await lab.rigor("issue", "new", "Is it so for short texts?")).status).toBe(0);
      await persons.does("clarifier", { ...clarification, questions: asked });
      const gate = await persons.gate("answer-questions");
      const number = String(gate.number);
      expect((await lab.rigor("inbox")).text).toMatch(/rigor answer \d+ "ANSWER 1" "ANSWER 2" +Planning starts/);
      const before = lab.state();
      expectRefusal(await lab.rigor("answer", number), 2, "each question");
      expectRefusal(await lab.rigor("approve", number), 2, `rigor answer ${number} "ANSWER 1" "ANSWER 2": Planning`);
      expectRefusal(await lab.rigor("answer", number, "retry"), 2, "asks 2 questions, and 1 answer was given");
      expectRefusal(await lab.rigor("answer", number, "1,000", "words", ""), 2, "and 3 answers were given");
      expect(lab.state()).toEqual(before);
      expect((await lab.rigor("answer", number, "1,000 words", "")).status).toBe(0);
      const { brief } = await persons.detail(await persons.work("planner"));
      expect(brief).toContain("How long is the text? A person answered: 1,000 words");
      expect(brief).toContain("Which corpus? Assumed: As in issue 1.");
      const told = (await persons.story(gate.issue)).timeline.map(({ text }) => text);
      expect(told).toContain(`Gate ${number} was answered: 1,000 words; as proposed.`);
    },
  );
});
