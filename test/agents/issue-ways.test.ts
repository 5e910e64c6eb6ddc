/** What is found in code on the way of an issue, and the ways that are not the usual one. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import type { IssueView } from "../../packages/rigor/src/api/contract/views/issues.ts";
import { expectRefusal, UserLab } from "../e2e/lab.ts";
import { openConcerns, Persons, type Script } from "./persons.ts";
import { approving, design, objecting, plan, training } from "./tiny-issue.ts";

let lab: UserLab;

beforeAll(() => {
  lab = new UserLab().init();
  lab.commit({ "rigor.yaml": "agents: { backend: human }\n", "README.md": "# A repository of somebody\n" });
});
afterAll(() => lab.close());

const mayEnd = (): string => JSON.stringify(join(lab.directory, "may-end"));

/** Keeps an artifact, and ends the runs of the experiment itself only when it may. */
const keeping = (file: string) =>
  training.replace("{ readFileSync,", "{ existsSync, readFileSync,").replace(
    "writeFileSync(",
    `while (steps > 2 && !existsSync(${file})) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
writeFileSync(process.env.RIGOR_OUTPUT + "/model.txt", String(x));
writeFileSync(`,
  );

/** The small plan, whose runs keep what they learnt. */
const keepingPlan = {
  ...plan,
  experiment_file: stringify({ ...design, outputs: { artifacts: ["model.txt"] } }),
};

/** Each change mends what the one before was sent back for. */
const changes: ((workspace: string) => void)[] = [
  (workspace) => {
    writeFileSync(join(workspace, "train.mjs"), keeping(mayEnd()));
    const file = join(workspace, "experiments/tiny.yaml");
    writeFileSync(file, readFileSync(file, "utf8").replace("alpha: 0.05", "alpha: 0.5"));
  },
  (workspace) => {
    writeFileSync(join(workspace, "experiments/tiny.yaml"), keepingPlan.experiment_file);
    writeFileSync(join(workspace, "train.mjs"), `throw new Error("steps too small");\n${keeping(mayEnd())}`);
  },
  (workspace) => writeFileSync(join(workspace, "train.mjs"), `${keeping(mayEnd())}// Not commented.\n`),
  (workspace) => writeFileSync(join(workspace, "train.mjs"), `// Gradient descent.\n${keeping(mayEnd())}`),
];

const builder = (): Script => {
  let made = 0;
  let read = 0;
  return {
    planner: () => keepingPlan,
    implementer: ({ workspace, brief }) => {
      changes[Math.min(made, changes.length - 1)]?.(workspace ?? "");
      made += 1;
      const answers = openConcerns(brief, "change", "open").map((concern) => ({
        concern,
        answer: "fixed",
        reason: "Mended.",
      }));
      return { summary: `Change ${made}.`, how_tested: "node train.mjs", answers };
    },
    "code-reviewer": ({ brief }) => {
      read += 1;
      // The broken one is not seen by reading; what lacks is a comment.
      if (read === 2) return objecting("It has no comment.");
      const settled = openConcerns(brief, "change", "fixed")
        .filter((number) =>
          (brief ?? "").includes(`Concern ${number} (blocker, about the change, fixed, from code-reviewer`),
        )
        .map((concern) => ({ concern, status: "verified", reason: "It is there." }));
      return { ...approving("It does what the plan says."), settled };
    },
  };
};

const checksOf = (story: IssueView, name: string) => story.checks.filter((one) => one.name === name);

describe("an experiment whose code is wrong at first", () => {
  let persons: Persons;

  const byHand = { "by-hand.yaml": stringify({ ...design, seeds: [7] }), "train.mjs": training };

  test("keeps the name of its experiment from the time it is planned [issue.names]", { timeout: 900_000 }, async () => {
    persons = new Persons(lab, builder(), () => null);
    expect((await lab.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
    await persons.workUntil("its plan", ({ submissions }) => submissions.some(({ kind }) => kind === "plan"));
    lab.write(byHand);
    const before = lab.state();
    const refused = await lab.rigor("run", "by-hand.yaml", "-d");
    expectRefusal(refused, 2, /tiny is what the plan of issue 1 \(.*\) calls its experiment/, "such as tiny-by-hand");
    expect(lab.state().refs).toEqual(before.refs);
    expect((await lab.json<{ experiments: object[] }>("list")).experiments).toEqual([]);
    lab.write({ "by-hand.yaml": stringify({ ...design, name: "tiny-by-hand", seeds: [7] }) });
    expect((await lab.rigor("run", "by-hand.yaml")).status).not.toBe(2);
    for (const file of Object.keys(byHand)) rmSync(join(lab.repository, file));
  });

  test("is sent back for a change of what was approved [check.scope]", { timeout: 900_000 }, async () => {
    persons = new Persons(lab, builder());
    const story = await persons.workUntil("its check", ({ checks }) => checks.some(({ name }) => name === "scope"));
    expect(checksOf(story, "scope")[0]).toMatchObject({ passed: false });
    expect(story.concerns[0]).toMatchObject({ source: "scope", severity: "blocker", location: "scope" });
    expect(story.concerns[0]?.evidence).toContain("experiments/tiny.yaml is not the approved experiment file");
    // Nobody reads what does not pass its checks.
    expect(story.sessions.filter(({ role }) => role === "code-reviewer")).toHaveLength(0);
  });

  test("is sent back with what its smoke run printed [check.smoke]", { timeout: 900_000 }, async () => {
    const story = await persons.workUntil("its smoke run", ({ checks }) => checks.some(({ name }) => name === "smoke"));
    const smoke = checksOf(story, "smoke");
    expect(smoke[0]).toMatchObject({ passed: false });
    expect(smoke[0]?.findings).toHaveLength(2);
    expect(smoke[0]?.findings.join(" ")).toContain("steps too small");
    expect(story.sessions.filter(({ role }) => role === "tester")).toHaveLength(0);
  });

  test("has every concern answered, settled and shown [review.concerns]", { timeout: 900_000 }, async () => {
    const story = await persons.workUntil("the run", ({ issue }) => issue.state === "running");
    expect((await lab.rigor("issue", "hold", "1", "-m", "The disk is looked at.")).status).toBe(0);
    const objection = story.concerns.find(({ source }) => source === "code-reviewer");
    expect(objection).toMatchObject({ state: "verified", answer: "Mended.", settled: { by: "code-reviewer" } });
    const shown = await lab.rigor("issue", "show", "1");
    expect(shown.text).toContain("It has no comment.");
    lab.write(byHand);
    expectRefusal(
      await lab.rigor("run", "by-hand.yaml", "-d"),
      2,
      /tiny@1 is the experiment of issue 1/,
      "put it aside",
    );
    expect((await lab.json<{ experiment: { state: string } }>("show", "tiny")).experiment.state).toBe("running");
    for (const file of Object.keys(byHand)) rmSync(join(lab.repository, file));
    const again = await lab.rigor("issue", "waive", "1", "99", "-m", "It does not matter.");
    expect(again.status).toBe(2);
    expect(again.text).toContain("no concern 99");
  });

  test(
    "is not concluded before every artifact is what was recorded [check.reproducibility]",
    { timeout: 900_000 },
    async () => {
      lab.write({ "../may-end": "" });
      await persons.until("the end of its runs", async () => {
        const runs = await lab.runs("tiny");
        return runs.length === 10 && runs.every(({ state }) => state === "done") ? runs : undefined;
      });
      const [one, two] = await lab.runs("tiny");
      const [first, second] = [await artifactOf(one?.id), await artifactOf(two?.id)];
      const kept = [first, second].map((file) => ({ file, text: readFileSync(file, "utf8") }));
      rmSync(first);
      writeFileSync(second, "something else");
      expect((await lab.rigor("issue", "resume", "1")).status).toBe(0);
      const gate = await persons.gate("verification-failed");
      expect(gate.why).toMatch(/The artifact model[.]txt of run \w+ is missing[.]/);
      expect(gate.why).toMatch(/The artifact model[.]txt of run \w+ is not what was recorded[.]/);
      for (const { file, text } of kept) writeFileSync(file, text);
      expect((await lab.rigor("answer", String(gate.number), "retry")).status).toBe(0);
      const story = await persons.workUntil("the end", ({ issue }) => issue.state === "done");
      expect(persons.refusals).toEqual([]);
      expect(story.gates.find(({ name }) => name === "verification-failed")?.choice).toBe("retry");
    },
  );
});

/** What a run of the experiment kept. */
async function artifactOf(run: string | undefined): Promise<string> {
  const { attempt_list } = await lab.json<{ attempt_list: { directory: string }[] }>("show", run ?? "");
  return join(attempt_list.at(-1)?.directory ?? "", "output/model.txt");
}

describe("issues of other kinds", () => {
  const none = {
    experiment_path: null,
    experiment_file: null,
    smoke: null,
    needs_code: false,
    implementation: "None.",
  };

  test(
    "a survey goes from planning to a document without measured values [issue.kinds]",
    { timeout: 900_000 },
    async () => {
      const persons = new Persons(lab, {
        planner: () => ({ ...plan, ...none }),
        analyzer: ({ brief, form }) => {
          expect(brief).toContain("Each with its source.");
          expect(parse(form ?? "")).toMatchObject({ document: expect.stringContaining("# What is open") as string });
          return { document: "# Question\n\nWhat is known of steps?\n\n# Findings\n\nThey matter.\n", answers: [] };
        },
      });
      expect((await lab.rigor("issue", "new", "What is known of steps?", "--kind", "survey")).status).toBe(0);
      const issue = await newest();
      const story = await persons.workUntil("the end", (one) => one.issue.state === "done", { issue });
      expect(persons.refusals).toEqual([]);
      expect(story.timeline.some(({ text }) => text.includes("plan-review"))).toBe(false);
      expect(story.experiment).toBeNull();
    },
  );

  test(
    "an analysis of an experiment that was run builds and runs nothing [issue.kinds]",
    { timeout: 900_000 },
    async () => {
      const persons = new Persons(lab, { planner: () => ({ ...plan, ...none, uses: ["tiny@1"] }) });
      expect((await lab.rigor("issue", "new", "How large is the difference?", "--kind", "analysis")).status).toBe(0);
      const issue = await newest();
      const story = await persons.workUntil("the end", (one) => one.issue.state === "done", { issue });
      expect(persons.refusals).toEqual([]);
      expect(story.sessions.some(({ role }) => role === "implementer")).toBe(false);
      expect(story.submissions.find(({ kind }) => kind === "result")?.content).toMatchObject({
        document: expect.stringContaining("experiment: tiny@1") as string,
      });
    },
  );

  test(
    "code is done when it passed its review, and is held and cancelled at once [issue.kinds] [issue.hold]",
    { timeout: 900_000 },
    async () => {
      const persons = new Persons(lab, {
        planner: () => ({ ...plan, ...none, needs_code: true }),
        implementer: undefined as never,
      });
      expect((await lab.rigor("issue", "new", "Say what it does", "--kind", "code")).status).toBe(0);
      const issue = await newest();
      const at = (state: string) => (one: IssueView) =>
        one.issue.state === state &&
        one.sessions.some((session) => session.role === "implementer" && session.state === "running");
      await persons.workUntil("the implementer", at("implementing"), { issue });
      expect((await lab.rigor("issue", "hold", String(issue), "-m", "Not now.")).status).toBe(0);
      const held = await persons.workUntil("rest", (one) => one.sessions.every(({ state }) => state === "ended"), {
        issue,
      });
      expect(held.issue).toMatchObject({ state: "on-hold", reason: "Not now." });
      expect(held.sessions.find(({ role }) => role === "implementer")?.outcome).toBe("set-aside");
      expect((await lab.rigor("issue", "resume", String(issue))).status).toBe(0);
      await persons.workUntil("the implementer again", at("implementing"), { issue });
      const [repository = ""] = readdirSync(join(lab.home, "workspaces"));
      const workspaces = () =>
        readdirSync(join(lab.home, "workspaces", repository)).filter((name) => name === `issue-${issue}`);
      expect(workspaces()).toHaveLength(1);
      expect((await lab.rigor("issue", "cancel", String(issue), "-m", "Somebody did it.")).status).toBe(0);
      const over = await persons.workUntil(
        "nothing left",
        (one) => one.checks.some(({ name }) => name === "clean-up"),
        { issue },
      );
      expect(over.sessions.every(({ state }) => state === "ended")).toBe(true);
      expect(over.issue).toMatchObject({ state: "cancelled", waits_for: "it is cancelled" });
      expect(workspaces()).toEqual([]);
    },
  );
});

describe("a change below experiments", () => {
  const approved = { ...plan, experiment_path: "experiments/tuned/experiment.yaml" };
  // A design of its own: what was measured before is not planned again.
  const arms = { ...design.arms, large: { role: "ours", parameters: { step: 0.2, steps: 50 } } };
  const files = [
    ["experiments/tuned/noise.yaml", "noise: 0.1\n"],
    ["experiments/tuned/noise.py", "print(0.1)\n"],
  ] as const;

  test(
    "needs no code review if it only configures, and has one if it is code [issue.kinds]",
    { timeout: 900_000 },
    async () => {
      lab.commit({ "train.mjs": training });
      let made = 0;
      const persons = new Persons(lab, {
        planner: () => ({ ...approved, experiment_file: stringify({ ...design, name: "tuned", arms }) }),
        implementer: ({ workspace, brief }) => {
          const [path, content] = files[made++] ?? files[1];
          writeFileSync(join(workspace ?? "", path), content);
          const answers = openConcerns(brief, "change", "open").map((concern) => ({
            concern,
            answer: "fixed",
            reason: "Mended.",
          }));
          return { summary: `Adds ${path}.`, how_tested: "By running it.", answers };
        },
        "code-reviewer": () => null,
        tester: () => objecting("It lacks the code."),
      });
      expect((await lab.rigor("issue", "new", "Does noise matter?")).status).toBe(0);
      const issue = await newest();
      const story = await persons.workUntil(
        "the review",
        ({ sessions }) => sessions.some(({ role }) => role === "code-reviewer"),
        { issue },
      );
      expect(persons.refusals).toEqual([]);
      expect(story.timeline.map(({ text }) => text)).toContain("testing: Only configuration was changed.");
      // The first change was tested and nobody read it; the second is read.
      expect(story.sessions.filter(({ role }) => role === "tester")).toHaveLength(1);
      expect(story.sessions.at(-1)?.role).toBe("code-reviewer");
      expect((await lab.rigor("issue", "cancel", String(issue), "-m", "Seen.")).status).toBe(0);
    },
  );
});

describe("a repository's own role file", () => {
  test("that is wrong is named, and ends at a gate [role.files]", { timeout: 900_000 }, async () => {
    const shipped = readFileSync("packages/rigor/templates/roles/clarifier.md", "utf8");
    lab.write({ ".rigor/roles/clarifier.md": `${shipped}\n{{wishes}}\n` });
    const persons = new Persons(lab, {}, () => null);
    expect((await lab.rigor("issue", "new", "Does it matter?")).status).toBe(0);
    const issue = await newest();
    const story = await persons.workUntil("the gate", ({ gates }) => gates.length > 0, { issue });
    expect(story.sessions).toHaveLength(3);
    expect(story.gates[0]).toMatchObject({ name: "session-failed", state: "open" });
    expect(story.gates[0]?.why).toContain(".rigor/roles/clarifier.md: There is no slot wishes.");
    expect((await lab.rigor("issue", "show", String(issue))).text).toContain("There is no slot wishes.");
    lab.write({ ".rigor/roles/clarifier.md": shipped.replace("You are the clarifier", "You are our own clarifier") });
    expect((await lab.rigor("answer", String(story.gates[0]?.number), "retry")).status).toBe(0);
    const { brief } = await persons.detail(await persons.work("clarifier"));
    expect(brief).toContain("You are our own clarifier");
    expect(existsSync(join(lab.repository, ".rigor/roles/clarifier.md"))).toBe(true);
  });
});

/** Number of the issue that was filed last. */
async function newest(): Promise<number> {
  const { issues } = await lab.json<{ issues: { number: number }[] }>("issue", "list", "--all");
  return Math.max(...issues.map(({ number }) => number));
}
