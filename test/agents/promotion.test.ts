/** What becomes of an accepted change, by issues of the kind `code`: merged, or left to a person; never in a checkout. */
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { IssueView } from "../../packages/rigor/src/api/contract/views/issues.ts";
import { UserLab } from "../e2e/lab.ts";
import { Persons } from "./persons.ts";
import { plan } from "./tiny-issue.ts";

let lab: UserLab;
let filed = 0;

const codePlan = { ...plan, experiment_path: null, experiment_file: null, smoke: null, implementation: "A greeting." };
const settings = (promotion: string) => `agents: { backend: human, promotion: ${promotion} }\n`;

beforeAll(() => {
  lab = new UserLab().init();
  lab.git("switch", "--quiet", "--create", "main");
  lab.commit({ "rigor.yaml": settings("merge"), "greeting.txt": "hello\n", "notes.txt": "notes\n" });
});
afterAll(() => lab.close());

/** Somebody who writes a greeting, and whoever says yes to it but at conflicts. */
const greeter = (greeting: string): Persons =>
  new Persons(
    lab,
    {
      planner: () => ({ ...codePlan, reasons: `It is asked for: ${greeting}` }),
      implementer: ({ workspace }) => {
        writeFileSync(join(workspace ?? "", "greeting.txt"), `${greeting}\n`);
        return { summary: `Say ${greeting}.`, how_tested: "By reading.", answers: [] };
      },
    },
    (gate) => (gate.name === "plan-approval" ? ["approve", String(gate.number)] : null),
  );

/** Files an issue, and works on it until its story is as it should be. */
async function work(greeting: string, what: string, holds: (story: IssueView) => boolean) {
  const answer = await lab.rigor("issue", "new", `Say ${greeting}`, "--kind", "code");
  expect(answer.status, answer.text).toBe(0);
  filed += 1;
  const persons = greeter(greeting);
  const story = await persons.workUntil(what, holds, { issue: filed });
  expect(persons.refusals).toEqual([]);
  return { persons, story, issue: filed };
}

const isDone = (story: IssueView): boolean => story.issue.state === "done";
const checkout = () => ({
  status: lab.git("status", "--porcelain", "--branch"),
  index: readFileSync(join(lab.repository, ".git/index")).toString("base64"),
  notes: readFileSync(join(lab.repository, "notes.txt"), "utf8"),
});

function workspaces(): string[] {
  const [repository = ""] = readdirSync(join(lab.home, "workspaces"));
  return readdirSync(join(lab.home, "workspaces", repository)).filter((name) => name !== "pool.git");
}

describe("the code of an issue that is done [issue.promotion]", () => {
  test(
    "is left on its branch where its target is checked out, with the command to merge it",
    { timeout: 900_000 },
    async () => {
      const before = checkout();
      const { story, issue } = await work("good morning", "the end", isDone);
      expect(checkout()).toEqual(before);
      expect(lab.git("show", "main:greeting.txt")).toBe("hello");
      expect(lab.git("show", `rigor/issue-${issue}:greeting.txt`)).toBe("good morning");
      const told = await lab.rigor("issue", "show", String(issue));
      expect(told.text.replaceAll(/\s+/g, " ")).toContain(
        `To merge it: git switch main && git merge rigor/issue-${issue}`,
      );
      expect(story.sessions.map(({ role }) => role)).toEqual(
        expect.arrayContaining(["planner", "implementer", "code-reviewer"]),
      );
      expect(story.timeline.some(({ text }) => /^(?:running|analyzing|promotion):/.test(text))).toBe(false);
      await expect.poll(workspaces).toEqual([]);
      lab.git("merge", "--quiet", `rigor/issue-${issue}`);
    },
  );

  test(
    "is merged beside the user's work: another branch, staged, changed and new files",
    { timeout: 900_000 },
    async () => {
      const { persons, issue } = await work(
        "good evening",
        "its implementer",
        ({ issue }) => issue.state === "code-review",
      );
      lab.git("switch", "--quiet", "--create", "mine");
      lab.write({ "notes.txt": "half done\n", "new.txt": "new\n", "staged.txt": "staged\n" });
      lab.git("add", "staged.txt");
      const before = checkout();
      await persons.workUntil("the end", isDone, { issue });
      expect(checkout()).toEqual(before);
      expect(lab.git("show", "main:greeting.txt")).toBe("good evening");
      expect(lab.git("log", "-1", "--format=%s", "main")).toBe(`Merge issue ${issue}: Say good evening`);
      expect(lab.git("log", "-1", "--format=%s", "mine")).not.toContain("Merge");
      expect((await lab.rigor("issue", "show", String(issue))).text).toContain("It is part of main now.");
      await expect.poll(workspaces).toEqual([]);
      lab.git("stash", "--quiet", "--include-untracked");
      lab.git("switch", "--quiet", "main");
    },
  );

  test("waits for a person in a conflict, who resolves it or leaves the branch", { timeout: 900_000 }, async () => {
    const first = await work("good night", "its implementer", ({ issue }) => issue.state === "code-review");
    lab.commit({ "greeting.txt": "good grief\n" });
    lab.git("switch", "--quiet", "mine");
    await first.persons.workUntil("the gate", ({ issue }) => issue.state === "blocked", { issue: first.issue });
    const gate = await first.persons.gate("merge-conflict");
    expect(gate.why).toContain("These files conflict with main: greeting.txt.");
    expect(gate.why).toContain(`git switch main && git merge rigor/issue-${first.issue}`);
    expect(lab.git("show", "main:greeting.txt")).toBe("good grief");

    // Nothing was resolved: it is asked again.
    expect((await lab.rigor("answer", String(gate.number), "retry")).status).toBe(0);
    const again = await first.persons.until("another gate", async () =>
      (await first.persons.inbox()).gates.find(({ number }) => number > gate.number),
    );
    expect(again.name).toBe("merge-conflict");
    lab.git("switch", "--quiet", "main");
    lab.git("merge", "--quiet", "--strategy-option", "theirs", "-m", "By hand", `rigor/issue-${first.issue}`);
    lab.git("switch", "--quiet", "mine");
    expect((await lab.rigor("answer", String(again.number), "retry")).status).toBe(0);
    await first.persons.workUntil("the end", isDone, { issue: first.issue });
    expect(lab.git("log", "-1", "--format=%s", "main")).toBe("By hand");

    lab.git("switch", "--quiet", "main");
    const second = await work("good heavens", "its implementer", ({ issue }) => issue.state === "code-review");
    lab.commit({ "greeting.txt": "good bye\n" });
    lab.git("switch", "--quiet", "mine");
    const conflict = await second.persons.workUntil("the gate", ({ gates }) => gates.length > 1, {
      issue: second.issue,
    });
    expect((await lab.rigor("answer", String(conflict.gates.at(-1)?.number), "leave")).status).toBe(0);
    await second.persons.workUntil("the end", isDone, { issue: second.issue });
    expect(lab.git("show", "main:greeting.txt")).toBe("good bye");
    expect(lab.git("show", `rigor/issue-${second.issue}:greeting.txt`)).toBe("good heavens");
    await expect.poll(workspaces).toEqual([]);
  });

  test("is never merged where rigor.yaml leaves branches to persons", { timeout: 900_000 }, async () => {
    lab.git("switch", "--quiet", "main");
    lab.commit({ "rigor.yaml": settings("branch") });
    const { persons, issue } = await work("good luck", "its implementer", ({ issue }) => issue.state === "code-review");
    const main = lab.git("rev-parse", "main");
    lab.git("switch", "--quiet", "--create", "elsewhere");
    await persons.workUntil("the end", isDone, { issue });
    expect(lab.git("rev-parse", "main")).toBe(main);
    expect(lab.git("show", `rigor/issue-${issue}:greeting.txt`)).toBe("good luck");
    expect((await lab.rigor("issue", "show", String(issue))).text).toContain("leaves merging to a person");
  });

  test(
    "waits for a person while git fails, who mends that; and it goes on where it stood [check.fault]",
    { timeout: 900_000 },
    async () => {
      const tree = lab.git("rev-parse", "HEAD^{tree}");
      const object = join(lab.repository, ".git/objects", tree.slice(0, 2), tree.slice(2));
      const gate = await work("good gracious", "its plan", ({ gates }) => gates.length > 0);
      renameSync(object, `${object}.away`);
      const failed = await gate.persons.workUntil("the fault", ({ issue }) => issue.state === "blocked", {
        issue: gate.issue,
      });
      const asked = failed.gates.at(-1);
      expect(asked).toMatchObject({ name: "check-failed", state: "open" });
      expect(asked?.why).toMatch(/^git status failed in .*\. The repository is damaged: `git fsck` says/s);
      expect(asked?.why).toContain("It was tried 3 times.");
      renameSync(`${object}.away`, object);
      expect((await lab.rigor("answer", String(asked?.number), "retry")).status).toBe(0);
      const done = await gate.persons.workUntil("the end", isDone, { issue: gate.issue });
      expect(done.concerns).toEqual([]);
      expect(done.checks.filter(({ fault }) => fault)).toEqual([]);
    },
  );
});
