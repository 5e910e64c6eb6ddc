/** An issue from a question to an approved result, with persons in every role. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { expectRefusal, UserLab } from "../e2e/lab.ts";
import { IssueBoard } from "./board.ts";
import { approving, clarification, completed, design, plan, proposals, training } from "./tiny-issue.ts";

let lab: UserLab;
let board: IssueBoard;

beforeAll(() => {
  lab = new UserLab().init();
  lab.commit({
    "rigor.yaml": "agents: { backend: claude-code }\n",
    "README.md": "# A repository of somebody\n",
  });
  // What the user has not committed must be left alone.
  lab.write({ "notes.txt": "mine\n" });
  board = new IssueBoard(lab);
});
afterAll(() => lab.close());

describe("an issue that persons work on", () => {
  test(
    "goes from a question to an approved result [issue.human] [issue.backend] [F30]",
    { timeout: 900_000 },
    async () => {
      const filed = await lab.rigor("issue", "new", "Does the larger step learn faster?", "--backend", "human");
      expect(filed.status, filed.text).toBe(0);
      const word = await board.submit(await board.work("clarifier"), "not what the form asks for" as unknown as object);
      expectRefusal(word, 2, "found text `not what the form asks for`, expected a mapping");
      await board.does("clarifier", clarification);
      await board.does("planner", plan);
      for (const critic of ["methodology-critic", "statistics-critic", "alternatives-critic"] as const) {
        await board.does(critic, approving("The design is sound."));
      }
      const gate = await board.gate("plan-approval");
      const shown = await lab.rigor("inbox", String(gate.number));
      expect(shown.stdout).toContain("name: tiny");
      const early = await board.story(1);
      expect(early.sessions.some(({ role }) => role === "implementer")).toBe(false);
      expect((await lab.rigor("approve", String(gate.number))).status).toBe(0);

      const implementer = await board.work("implementer");
      const { workspace } = await board.detail(implementer);
      expect(workspace).not.toBeNull();
      // What the command line shows as JSON is what the board has.
      expect(await lab.json("session", "show", implementer.id)).toEqual(await board.detail(implementer));
      expect(await lab.json("inbox")).toEqual(await board.inbox());
      expect(await lab.json("issue", "show", "1")).toEqual(await board.story(1));
      expect(existsSync(join(workspace ?? "", "experiments/tiny.yaml"))).toBe(true);
      writeFileSync(join(workspace ?? "", "train.mjs"), training);
      const handed = await board.submit(implementer, {
        summary: "Adds the training.",
        how_tested: "node",
        answers: [],
      });
      expect(handed.status, handed.text).toBe(0);

      const review = await board.work("code-reviewer");
      const { brief } = await board.detail(review);
      expect(brief).toContain("+++ b/train.mjs");
      expect(brief).not.toContain("Adds the training.");
      await board.submit(review, approving("It does what the plan says."));
      await board.does("tester", approving("The outputs are as declared."));

      const analyzer = await board.work("analyzer");
      const draft = (await board.detail(analyzer)).brief ?? "";
      const document = completed(draft);
      const wrong = await board.submit(analyzer, {
        document: document.replace("It does.", "It is better by 12.34."),
        answers: [],
      });
      expect(wrong.status).toBe(2);
      expect(wrong.text).toContain("12.34");
      // Filled in as it was given: what is wrong is named by its line of that file.
      const { form } = await board.detail(analyzer);
      const filledIn = (form ?? "").replaceAll(/::write\[[^\]]*\]/g, "It is better by 12.34.");
      const file = join(lab.directory, "form.yaml");
      writeFileSync(file, filledIn);
      const line = filledIn.split("\n").findIndex((one) => one.includes("12.34")) + 1;
      expect((await lab.rigor("session", "submit", analyzer.id, file)).text).toContain(`- ${file}:${line}:`);
      const taken = await board.submit(analyzer, { document, answers: [] });
      expect(taken.status, taken.text).toBe(0);
      await board.does("interpretation-critic", approving("The words follow from the values."));
      const promotion = await board.gate("promotion");
      expect((await lab.rigor("approve", String(promotion.number))).status).toBe(0);
      await board.does("follow-up-proposer", proposals);

      const story = await board.until("the end", async () => {
        const found = await board.story(1);
        return found.issue.state === "done" ? found : undefined;
      });
      expect(story.experiment).toBe("tiny@1");
      const results = await lab.json<{ decision: { outcome: string } }>("results", "tiny");
      expect(results.decision.outcome).toBe("supported");
      const listed = await lab.json<{ issues: { number: number; state: string; parent: number | null }[] }>("issue");
      expect(listed.issues).toMatchObject([{ number: 2, state: "proposed", parent: 1 }]);
    },
  );

  test("leaves the user's checkout as it was, and its code on a branch [F38] [F39]", async () => {
    expect(lab.git("status", "--porcelain")).toBe("?? notes.txt");
    expect(lab.git("rev-list", "--count", "HEAD")).toBe("1");
    const files = lab.git("ls-tree", "-r", "--name-only", "rigor/issue-1").split("\n");
    expect(files).toContain("train.mjs");
    expect(files).toContain("experiments/tiny.yaml");
    const [repository = ""] = readdirSync(join(lab.home, "workspaces"));
    const left = () => readdirSync(join(lab.home, "workspaces", repository)).filter((name) => name !== "pool.git");
    await expect.poll(left).toEqual([]);
    expect(execFileSync("git", ["fsck", "--no-dangling"], { cwd: lab.repository, encoding: "utf8" })).toBe("");
  });

  test(
    "cannot give an experiment the name of another one, also not two at once [plan.name]",
    { timeout: 900_000 },
    async () => {
      for (const text of ["With more steps?", "With fewer steps?"]) {
        expect((await lab.rigor("issue", "new", text, "--backend", "human")).status).toBe(0);
        await board.does("clarifier", clarification);
      }
      const planners = await board.until("two planners", async () => {
        const found = (await board.inbox()).sessions.filter(({ role }) => role === "planner");
        return found.length === 2 ? found : undefined;
      });
      const [first] = planners;
      if (first === undefined) throw new Error("there are two");
      const before = lab.state();
      const taken = await board.submit(first, plan);
      expectRefusal(taken, 2, "the name tiny is that of tiny@1", `such as tiny-issue-${first.issue}`);
      expect(lab.state()).toEqual(before);
      const named = { ...plan, experiment_file: stringify({ ...design, name: "steps", seeds: [5, 6, 7, 8, 9] }) };
      const answers = await Promise.all(planners.map((session) => board.submit(session, named)));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([0, 2]));
      const refused = answers.find(({ status }) => status === 2)?.text;
      expect(refused).toMatch(/the plan of issue \d+ \(.*\) has the name steps already/);
    },
  );

  test("tells whoever files a question twice that it is there already, and files it [issue.human]", async () => {
    const filed = await lab.rigor("issue", "new", "with more steps?", "--backend", "human");
    const number = /Issue (\d+) is/.exec(filed.stdout)?.[1];
    expect(filed.text).toMatch(
      new RegExp(`Issue \\d+ has the same title and is [a-z-]+\\. .*rigor issue cancel ${number}`),
    );
    expect((await lab.rigor("issue", "new", "Something else?", "--backend", "human")).text).not.toContain("same title");
    expect((await lab.rigor("issue", "cancel", number ?? "")).status).toBe(0);
    expect((await lab.rigor("issue", "new", "Something  else", "--backend", "human")).text).toContain("same title");
  });
});
