/** What code finds in a change is a concern like any other: it returns to the author, and stays in the ledger. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { IssueView } from "../../packages/rigor/src/api/contract/views/issues.ts";
import { expectRefusal, UserLab } from "../e2e/lab.ts";
import { copied, unfinished } from "./findings.testing.ts";
import { openConcerns, Persons, smooth, type Script, type Work } from "./persons.ts";
import { approving, objecting, training } from "./tiny-issue.ts";

let lab: UserLab;
let persons: Persons;

const settled = (concern: number) => ({ concern, status: "verified", reason: "It is so." });

let read = 0;
let tested = 0;
const script: Script = {
  "code-reviewer": ({ brief }) => {
    read += 1;
    if (read > 1) return approving("It does what the plan says.");
    const [copy = 0] = openConcerns(brief, "change", "disputed");
    const open = { concern: copy, status: "still-open", reason: "It is a copy." };
    return { ...approving("The copy will drift."), verdict: "revise", settled: [open] };
  },
  tester: ({ brief }) => {
    tested += 1;
    if (tested === 1) return objecting("It logs nothing.");
    return { ...approving("Sound."), settled: openConcerns(brief, "change", "fixed").map(settled) };
  },
};

beforeAll(() => {
  lab = new UserLab().init();
  lab.commit({
    "rigor.yaml": "agents: { backend: human, checks: [node lint.mjs, 'true'] }\n",
    ...unfinished,
  });
  persons = new Persons(lab, script);
});
afterAll(() => lab.close());

const concernOf = (story: IssueView, source: string) => story.concerns.find((one) => one.source === source);

async function implementer() {
  const session = await persons.work("implementer");
  const { brief, workspace } = await persons.detail(session);
  return { session, brief: brief ?? "", file: join(workspace ?? "", "train.mjs") };
}

/** The implementer's work is done here, step by step; everybody else's by the script. */
async function untilImplementer(visit: number): Promise<IssueView> {
  const others = new Persons(lab, { ...script, implementer: undefined as never });
  return others.workUntil(
    "the implementer",
    (story) =>
      story.sessions.filter((one) => one.role === "implementer").length === visit &&
      story.issue.state === "implementing",
  );
}

describe("copies of code, and commands of the repository that fail [check.findings]", () => {
  test("are blockers that return to the author before anybody reads the change", { timeout: 900_000 }, async () => {
    expect((await lab.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
    await untilImplementer(1);
    const { session, file } = await implementer();
    writeFileSync(file, `// FIXME\n${training}${copied}`);
    expect((await persons.submit(session, { summary: "Training.", how_tested: "node", answers: [] })).status).toBe(0);
    const story = await untilImplementer(2);
    expect(concernOf(story, "declared-checks")).toMatchObject({
      severity: "blocker",
      state: "open",
      location: "node lint.mjs",
    });
    expect(concernOf(story, "declared-checks")?.evidence).toBe(
      "`node lint.mjs` ended with 3: train.mjs is not finished",
    );
    expect(concernOf(story, "duplication")).toMatchObject({ severity: "blocker", state: "open" });
    expect(concernOf(story, "duplication")?.evidence).toMatch(
      /^\d+ lines of train\.mjs \(\d+ tokens, .*\) stand also in lib\.mjs\.$/,
    );
    expect(story.sessions.some(({ role }) => role === "code-reviewer")).toBe(false);
    const { brief } = await implementer();
    expect(brief).toContain("train.mjs is not finished");
    expect(openConcerns(brief, "change", "open")).toHaveLength(2);
  });

  test(
    "must each be answered; what a check can see itself is settled by it, the rest by the reviewer",
    { timeout: 900_000 },
    async () => {
      const { session, brief, file } = await implementer();
      writeFileSync(file, readFileSync(file, "utf8").replace("// FIXME\n", ""));
      const change = { summary: "Finished.", how_tested: "node lint.mjs" };
      const [one = 0, two = 0] = openConcerns(brief, "change", "open");
      const fixed = { concern: one, answer: "fixed", reason: "It is finished." };
      expectRefusal(
        await persons.submit(session, { ...change, answers: [fixed] }),
        2,
        new RegExp(`Concern ${two} .* is not answered`),
      );
      const disputed = { concern: two, answer: "disputed", reason: "A run must stand alone." };
      expect((await persons.submit(session, { ...change, answers: [fixed, disputed] })).status).toBe(0);
      const reviewer = await persons.work("code-reviewer");
      const shown = (await persons.detail(reviewer)).brief ?? "";
      expect(shown).toContain("The author answered: A run must stand alone.");
      expect(shown).toContain("what it finds is waived, accepted, or for the reviewer to settle");
      expectRefusal(
        await persons.submit(reviewer, approving("Fine.")),
        2,
        `Concern ${two} was answered as disputed. Settle it`,
      );
      const story = await untilImplementer(3);
      expect(concernOf(story, "declared-checks")).toMatchObject({
        state: "verified",
        settled: { by: "declared-checks" },
      });
      expect(concernOf(story, "duplication")).toMatchObject({ state: "open", settled: { by: "code-reviewer" } });
    },
  );

  test("may be defended without any change; a person waives with a reason", { timeout: 900_000 }, async () => {
    const { session, brief } = await implementer();
    const disputes = openConcerns(brief, "change", "open").map((concern) => ({
      concern,
      answer: "disputed",
      reason: "It must stand alone.",
    }));
    const same = { summary: "As it was.", how_tested: "As before." };
    const fixes = disputes.map((one) => ({ ...one, answer: "fixed" }));
    expectRefusal(await persons.submit(session, { ...same, answers: fixes }), 2, "Change it, or dispute the concerns");
    const taken = await persons.submit(session, { ...same, answers: disputes });
    expect(taken.status, taken.text).toBe(0);
    await persons.work("code-reviewer");
    const copy = concernOf(await persons.story(1), "duplication");
    expect(copy?.state).toBe("disputed");
    expectRefusal(await lab.rigor("issue", "waive", "1", String(copy?.number)), 2, "reason");
    const waived = await lab.rigor("issue", "waive", "1", String(copy?.number), "-m", "Runs stand alone here.");
    expect(waived.status, waived.text).toBe(0);
    expectRefusal(await lab.rigor("issue", "waive", "1", String(copy?.number), "-m", "Again."), 2, "waived");
  });

  test("stay waived as long as they are the same, and stand in every later brief", { timeout: 900_000 }, async () => {
    await untilImplementer(4);
    const { session, brief, file } = await implementer();
    expect(brief).toContain("said: Runs stand alone here.");
    writeFileSync(file, `// Trains.\n${readFileSync(file, "utf8")}`);
    const answers = openConcerns(brief, "change", "open").map((concern) => ({
      concern,
      answer: "fixed",
      reason: "It does.",
    }));
    expect((await persons.submit(session, { summary: "Says so.", how_tested: "node", answers })).status).toBe(0);
    const briefs: string[] = [];
    const watched = (["tester", "analyzer", "interpretation-critic", "follow-up-proposer"] as const).map((role) => {
      const work: Work = (detail) => {
        briefs.push(detail.brief ?? "");
        return { ...smooth, ...script }[role]?.(detail) ?? {};
      };
      return [role, work] as const;
    });
    const everybody = new Persons(lab, { ...script, ...Object.fromEntries(watched) });
    const story = await everybody.workUntil("the end", ({ issue }) => issue.state === "done");
    expect(everybody.refusals).toEqual([]);
    expect(concernOf(story, "duplication")).toMatchObject({
      state: "waived",
      settled: { reason: "Runs stand alone here." },
    });
    expect(story.concerns.filter(({ source }) => source === "duplication")).toHaveLength(1);
    expect(briefs).toHaveLength(4);
    for (const shown of briefs) expect(shown).toContain("said: Runs stand alone here.");
    expect((await lab.rigor("issue", "show", "1")).text).toContain("was waived: Runs stand alone here.");
  });
});
