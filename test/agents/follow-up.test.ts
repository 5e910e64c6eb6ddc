/** Follow-ups: one variable of a finished experiment is changed by code, and the rest is inherited. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import type { IssueView } from "../../packages/rigor/src/api/contract/views/issues.ts";
import { expectRefusal, UserLab } from "../e2e/lab.ts";
import { Persons } from "./persons.ts";
import { design, plan, proposals } from "./tiny-issue.ts";

let lab: UserLab;

const [noise] = proposals.proposals;
const seeds = {
  title: "More seeds",
  text: "Is the difference as large with more seeds?",
  change: {
    variable: "seeds",
    from: "[0, 1, 2, 3, 4]",
    to: "[0, 1, 2, 3, 4, 5, 6]",
    why: "Five give a wide interval.",
  },
  expected: "A narrower interval.",
  gpu_hours: 0,
};

/** The same in other words. */
const again = { ...seeds, title: "Seven seeds" };

beforeAll(() => {
  lab = new UserLab().init();
  lab.commit({ "rigor.yaml": "agents: { backend: human }\n", "README.md": "# A repository of somebody\n" });
});
afterAll(() => lab.close());

const isAt = (state: string) => (story: IssueView) => story.issue.state === state;
const rolesOf = (story: IssueView): string[] => story.sessions.map(({ role }) => role);
/** Everybody but who is asked for the plan of a follow-up. */
const persons = (script = {}): Persons => new Persons(lab, script);

describe("a follow-up [issue.follow-up] [follow-up.again]", () => {
  test("is proposed by the issue that it follows", { timeout: 900_000 }, async () => {
    const measured = { ...plan, experiment_file: stringify({ ...design, code: ["train.mjs"] }) };
    const everybody = persons({
      planner: () => measured,
      "follow-up-proposer": () => ({ proposals: [seeds, again, noise] }),
    });
    expect((await lab.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
    await everybody.workUntil("the end", isAt("done"));
    expect(everybody.refusals).toEqual([]);
    const { issues } = await lab.json<{ issues: object[] }>("issue");
    expect(issues).toMatchObject([
      { number: 2, state: "proposed", parent: 1, title: "More seeds" },
      { number: 3, state: "proposed", parent: 1, title: "More noise" },
    ]);
    expect((await lab.rigor("issue", "show", "1")).text).toContain("Not filed, as nothing new is asked: Seven seeds.");
    const before = lab.state();
    const more = [
      "issue",
      "new",
      "Is it as large with seven seeds?",
      "--parent",
      "1",
      "--change",
      "seeds=[0,1,2,3,4,5,6]",
    ];
    expectRefusal(
      await lab.rigor(...more),
      2,
      "nothing new is asked",
      'issue 2 (proposed) is "More seeds"',
      "accept 2",
    );
    expectRefusal(await lab.rigor("issue", "new", "more noise!", "--parent", "1"), 2, "issue 3 (proposed)");
    expect(lab.state()).toEqual(before);
    const proposed = await lab.rigor("issue", "show", "2");
    expect(proposed.text).toMatch(/changes +seeds from \[0, 1, 2, 3, 4\] to \[0, 1, 2, 3, 4, 5, 6\]: Five give a wide/);
  });

  test("inherits the plan, the code and the runs of its parent", { timeout: 900_000 }, async () => {
    // The branch of its parent is not merged: the user's files hold no training.
    expect(lab.git("ls-files")).not.toContain("train.mjs");
    expect((await lab.rigor("issue", "accept", "2")).status).toBe(0);
    const nobody = new Persons(lab, {}, () => null);
    const asked = await nobody.gate("plan-approval");
    const shown = await lab.rigor("inbox", String(asked.number));
    expect(shown.stdout).toContain("name: tiny-issue-2");
    expect(shown.stdout).toContain("seeds: [0,1,2,3,4] became [0,1,2,3,4,5,6]");
    expect(shown.stdout).not.toContain("duplicates");
    expect(rolesOf(await nobody.story(2))).toEqual([]);

    const story = await persons().workUntil("the end", isAt("done"), { issue: 2 });
    expect(rolesOf(story)).toEqual(["tester", "analyzer", "interpretation-critic", "follow-up-proposer"]);
    expect(story.experiment).toBe("tiny-issue-2@1");
    const runs = await lab.runs("tiny-issue-2");
    expect(runs.map(({ state }) => state)).toEqual(Array.from({ length: 14 }, () => "done"));
    // Those of the parent are not run again: its code is the same.
    const earlier = new Set((await lab.runs("tiny")).map(({ id }) => id));
    expect(runs.filter(({ id }) => !earlier.has(id))).toHaveLength(4);
    const told = await lab.rigor("issue", "show", "2");
    expect(told.text).toContain("The plan of tiny@1 was amended.");
    expect(told.text).toContain("Its experiment is tiny-issue-2: first version of this experiment.");
    expect(told.text).toContain("Code made plan 1: ");
    expect(told.text).toContain("git merge rigor/issue-2");
    expect(lab.git("ls-tree", "-r", "--name-only", "rigor/issue-2").split("\n")).toEqual(
      expect.arrayContaining(["train.mjs", "experiments/tiny.yaml", "experiments/tiny-issue-2.yaml"]),
    );
    expect(lab.git("status", "--porcelain")).toBe("");
  });

  test("whose change code cannot make goes the whole way, and says why", { timeout: 900_000 }, async () => {
    expect((await lab.rigor("issue", "accept", "3")).status).toBe(0);
    const nobody = new Persons(lab, {}, () => null);
    const { brief } = await nobody.detail(await nobody.work("clarifier"));
    expect(brief).toContain("`parameters.noise` from 0.1 to 1");
    const told = await lab.rigor("issue", "show", "3");
    expect(told.text).toContain("cannot be amended by code: parameters.noise is not in the experiment file.");
    expect((await lab.rigor("issue", "cancel", "3", "-m", "Not now.")).status).toBe(0);
  });

  test("runs without a person where that is wanted, and not beyond its promotion", { timeout: 900_000 }, async () => {
    const file = (change: string) =>
      lab.rigor("issue", "new", "With a smaller step?", "--parent", "1", "--change", change);
    expectRefusal(await file("arms.large.parameters.momentum=0.9"), 2, "is not in the experiment file");
    expectRefusal(await lab.rigor("issue", "new", "What?", "--change", "seeds=[1]"), 2, "--parent");
    lab.write({ "rigor.yaml": "agents: { backend: human, autopilot: { follow_ups: true } }\n" });
    expect((await file("arms.large.parameters.step=0.05")).status).toBe(0);
    expectRefusal(await file("arms.large.parameters.step=5e-2"), 2, "issue 4");
    const nobody = new Persons(lab, {}, () => null);
    const story = await nobody.workUntil("its promotion", isAt("promotion"), { issue: 4 });
    expect(story.gates.map(({ name }) => name)).toEqual(["promotion"]);
    expect(rolesOf(story)).toEqual(["tester", "analyzer", "interpretation-critic"]);
    const moved = story.timeline.find(({ text }) => text.startsWith("implementing:"));
    expect(moved?.text).toContain("It needs no more than what its parent was approved for.");
  });

  test("that was measured before goes to the planner with what is known", { timeout: 900_000 }, async () => {
    const again = ["issue", "new", "Once more?", "--parent", "2", "--change", "arms.large.parameters.step=0.05"];
    expect((await lab.rigor(...again)).status).toBe(0);
    const nobody = new Persons(lab, {}, () => null);
    const { brief } = await nobody.detail(await nobody.work("planner"));
    expect(brief).toContain("The same design was measured before: tiny-issue-4@1.");
  });
});
