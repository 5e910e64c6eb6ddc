/** Two machines that share a lab and a repository: issues and investigations, when the daemon of one is killed. */
import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { SessionDirectory } from "../../packages/rigor/src/agents/backends/session-directory.ts";
import type { InvestigationView } from "../../packages/rigor/src/api/contract/views/investigations.ts";
import type { IssueView } from "../../packages/rigor/src/api/contract/views/issues.ts";
import { recordOf } from "../../packages/rigor/src/hosts/processes.ts";
import { openPostgresStore } from "../../packages/rigor/src/store/open.ts";
import { compareWithLog } from "../../packages/rigor/src/store/rebuild.ts";
import { processesBelow } from "../chaos/processes.ts";
import { until, UserLab } from "../e2e/lab.ts";
import { createTestDatabase, testServerUrl, type TestDatabase } from "../support/postgres.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import { IssueBoard } from "./board.ts";
import type { Asked, Reply } from "./model-server.ts";
import { Persons } from "./persons.ts";
import { claudeCode } from "./programs.ts";
import { scriptedRoles } from "./scripted-roles.ts";
import { expectSmoothStory } from "./smooth-story.ts";
import { approving, clarification, plan, training } from "./tiny-issue.ts";

/** Seconds after which a silent daemon's work is taken over: longer than a busy machine lets one wait. */
const patience = 15;

describe.skipIf(testServerUrl() === undefined)("machines that share a lab", () => {
  let database: TestDatabase;
  let first: UserLab;
  let second: UserLab;

  beforeEach(async () => {
    database = await createTestDatabase();
    first = new UserLab().init();
    second = new UserLab("repository", first);
    for (const lab of [first, second]) {
      Object.assign(lab.environment, { RIGOR_DATABASE_URL: database.url, RIGOR_TAKEOVER: String(patience) });
    }
  });
  afterEach(async () => {
    await second.close();
    await first.close();
    await database.drop();
  });

  async function up(lab: UserLab): Promise<number> {
    expect((await lab.rigor("up")).status).toBe(0);
    return lab.daemonPid() ?? 0;
  }

  function workspaceIn(lab: UserLab, name: string): string {
    const key = createHash("sha256").update(realpathSync(lab.repository)).digest("hex").slice(0, 12);
    return join(lab.home, "workspaces", `repository-${key}`, name);
  }

  async function expectWholeLog(): Promise<void> {
    const store = await openPostgresStore(database.url);
    try {
      expect(await compareWithLog(store)).toEqual([]);
    } finally {
      await store.close();
    }
  }

  test.skipIf(claudeCode === null)(
    "an issue whose daemon is killed in the middle of a session goes on with another, and no step is done twice [shared.issues] [issue.one-conductor] [issue.resume]",
    { timeout: 900_000 },
    async () => {
      let holdsPlanner = true;
      const roles = scriptedRoles({ objects: false });
      const model = await AnthropicServer.start((asked: Asked): Reply =>
        holdsPlanner && asked.prompt.includes("You are the planner") ? { silent: true } : roles(asked),
      );
      try {
        for (const lab of [first, second]) {
          Object.assign(lab.environment, {
            PATH: `${dirname(claudeCode ?? "")}:${lab.environment["PATH"]}`,
            ANTHROPIC_BASE_URL: model.url,
            ANTHROPIC_API_KEY: "sk-ant-key-of-the-user-0123456789",
          });
        }
        first.commit({ "rigor.yaml": "agents: { sessions: 3 }\n", "README.md": "# A repository of somebody\n" });
        const killed = await up(first);
        const heir = await up(second);
        expect((await first.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
        const [here, there] = [new IssueBoard(first), new Persons(second)];
        await here.until("the planner", async () =>
          (await here.story(1)).sessions.find(({ role, state }) => role === "planner" && state === "running"),
        );
        // Both see it, and whose it is.
        const before = await there.story(1);
        expect(before.issue.driver).toMatchObject({ pid: killed, is_alive: true, is_this: false });
        expect(before.sessions.every(({ machine }) => machine !== null)).toBe(true);
        expect((await second.rigor("status")).stdout).toMatch(new RegExp(`${killed}\\s.*1 issue`));

        process.kill(killed, "SIGKILL");
        holdsPlanner = false;
        const isPlanned = ({ submissions }: IssueView) => submissions.some(({ kind }) => kind === "plan");
        const planned = await there.workUntil("the plan", isPlanned);
        expect(planned.issue.driver).toMatchObject({ pid: heir, is_alive: true, is_this: true });
        const story = await there.workUntil("the end", ({ issue }) => issue.state === "done");
        expectSmoothStory(story);
        const planners = story.sessions.filter(({ role }) => role === "planner");
        expect(planners.map(({ outcome }) => outcome)).toEqual(["lost", "finished"]);
        expect(planners[0]?.evidence).toContain("was not heard of any more");
        expect(story.sessions.filter(({ outcome }) => outcome === "lost")).toHaveLength(1);

        await up(first);
        await until("no process of a session", () => processesBelow(join(first.home, "sessions")).length === 0);
        await expectWholeLog();
      } finally {
        await model.close();
      }
    },
  );

  test("a daemon that was stopped for too long writes nothing of an issue any more [shared.issues] [shared.fence]", async () => {
    first.commit({ "rigor.yaml": "agents: { backend: human }\n", "README.md": "# A repository of somebody\n" });
    const stopped = await up(first);
    const heir = await up(second);
    expect((await first.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
    const [here, there] = [new IssueBoard(first), new IssueBoard(second)];
    const clarifier = await here.work("clarifier");
    process.kill(stopped, "SIGSTOP");
    // A person's work is on no disk until it is handed in, and is handed in on any machine.
    expect((await there.submit(clarifier, clarification)).status).toBe(0);
    await there.does("planner", plan);
    const moved = await there.story(1);
    expect(moved.issue.driver).toMatchObject({ pid: heir });
    process.kill(stopped, "SIGCONT");
    await until("a successor", () => first.daemonPid() !== stopped);
    for (const critic of ["methodology-critic", "statistics-critic", "alternatives-critic"] as const) {
      await here.does(critic, approving("The design is sound."));
    }
    await here.gate("plan-approval");
    const { timeline, issue } = await here.story(1);
    expect(issue.driver).toMatchObject({ pid: heir, is_alive: true });
    const begun = timeline.filter(({ kind }) => kind === "session.started").map(({ text }) => text);
    expect(begun).toHaveLength(new Set(begun).size);
    await expectWholeLog();
  });

  test("what a session has left is removed although its daemon has a successor already when it is given up elsewhere [shared.issues]", async () => {
    first.commit({ "rigor.yaml": "agents: { backend: human }\n", "README.md": "# A repository of somebody\n" });
    await up(first);
    await up(second);
    expect((await second.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
    const there = new IssueBoard(second);
    const { issue } = await there.story(1);
    await there.work("clarifier");

    // The daemon of the first machine began it and was killed; by now the second one drives its issue.
    const id = randomUUID();
    const directory = new SessionDirectory(join(first.home, "sessions", id));
    directory.make();
    const agent = spawn("sleep", ["600"], { env: { PATH: process.env["PATH"], RIGOR_SESSION: directory.path } });
    onTestFinished(() => void agent.kill("SIGKILL"));
    const record = recordOf(agent.pid ?? 0);
    if (record === null) throw new Error("it runs");
    directory.recordProcess(record);
    const workspace = workspaceIn(first, `session-${id}`);
    mkdirSync(join(workspace, "files"), { recursive: true });
    const store = await openPostgresStore(database.url);
    try {
      const daemons = store.db.selectFrom("daemons").select("member").where("data_directory", "=", first.home);
      const { member } = await daemons.executeTakeFirstOrThrow();
      const who = { role: "planner", subject: "1", backend: "claude-code", model: null, member } as const;
      const data = { issue_id: issue.id, ...who, directory: directory.path };
      await store.transact("conductor", (turn) => turn.append([{ kind: "session.started", entity: id, data }]));
    } finally {
      await store.close();
    }
    await until("nothing of the session", () => !existsSync(workspace) && directory.readProcess() === null);
    expect(agent.signalCode).toBe("SIGKILL");
    const { outcome } = (await there.story(1)).sessions.find((session) => session.id === id) ?? {};
    expect(outcome).toBe("lost");
    await expectWholeLog();
  });

  test("what an issue has left on a machine is removed when its daemon comes back after the issue has ended elsewhere [shared.issues]", async () => {
    first.commit({ "rigor.yaml": "agents: { backend: human }\n", "README.md": "# A repository of somebody\n" });
    await up(first);
    await up(second);
    expect((await second.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
    expect((await first.rigor("down")).status).toBe(0);
    const workspace = workspaceIn(first, "issue-1");
    mkdirSync(join(workspace, "files"), { recursive: true });
    expect((await second.rigor("issue", "cancel", "1", "-m", "Somebody did it.")).status).toBe(0);
    const there = new IssueBoard(second);
    await until("it is over", async () => (await there.story(1)).checks.some(({ name }) => name === "clean-up"));
    await up(first);
    await until("no workspace", () => !existsSync(workspace));
  });

  test("an issue stays on the machine where a person works in its workspace, until that work is given up [shared.issues] [shared.files]", async () => {
    first.commit({ "rigor.yaml": "agents: { backend: human }\n", "README.md": "# A repository of somebody\n" });
    const killed = await up(first);
    await up(second);
    expect((await first.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
    const [here, there] = [new IssueBoard(first), new IssueBoard(second)];
    await there.does("clarifier", clarification);
    await there.does("planner", plan);
    for (const critic of ["methodology-critic", "statistics-critic", "alternatives-critic"] as const) {
      await there.does(critic, approving("The design is sound."));
    }
    expect((await second.rigor("approve", String((await there.gate("plan-approval")).number))).status).toBe(0);
    const work = await here.work("implementer");
    const { workspace } = await here.detail(work);
    writeFileSync(join(workspace ?? "", "train.mjs"), training);
    process.kill(killed, "SIGKILL");
    const change = { summary: "Adds the training.", how_tested: "By running it.", answers: [] };
    const refused = await there.submit(work, change);
    expect(refused.status).not.toBe(0);
    expect(refused.text).toMatch(/The workspace of this session is on /);
    await until(
      "it is seen that nobody drives it",
      async () => (await there.story(1)).issue.driver?.is_alive === false,
    );
    expect((await second.rigor("issue", "show", "1")).stdout).toMatch(/driven by +nobody: .* did/);

    // Given up from the other machine, it goes on there.
    expect((await second.rigor("session", "stop", work.id, "-m", "The laptop is gone.")).status).toBe(0);
    const gate = await there.gate("session-failed");
    expect((await second.rigor("answer", String(gate.number), "retry")).status).toBe(0);
    const again = await there.work("implementer");
    const anew = (await there.detail(again)).workspace ?? "";
    expect(anew).not.toBe(workspace);
    expect(existsSync(join(anew, "experiments/tiny.yaml"))).toBe(true);
    expect(existsSync(join(anew, "train.mjs"))).toBe(false);
    writeFileSync(join(anew, "train.mjs"), training);
    const taken = await there.submit(again, change);
    expect(taken.status, taken.text).toBe(0);
    await there.work("code-reviewer");

    // What it has left on the first machine goes when the issue ends on the second one.
    await up(first);
    expect(existsSync(workspace ?? "")).toBe(true);
    expect((await second.rigor("issue", "cancel", "1", "-m", "Somebody did it.")).status).toBe(0);
    await until("no workspace on any machine", () => !existsSync(workspace ?? "") && !existsSync(anew));
    await expectWholeLog();
  });

  test.skipIf(claudeCode === null)(
    "an investigation stays on its machine, which is named; it can be ended from others, with and without its daemon [shared.investigations]",
    { timeout: 900_000 },
    async () => {
      const model = await AnthropicServer.start((): Reply => ({ silent: true }));
      try {
        for (const lab of [first, second]) {
          Object.assign(lab.environment, {
            PATH: `${dirname(claudeCode ?? "")}:${lab.environment["PATH"]}`,
            ANTHROPIC_BASE_URL: model.url,
            ANTHROPIC_API_KEY: "sk-ant-key-of-the-user-0123456789",
          });
        }
        const args = [join(import.meta.dirname, "measuring-server.ts"), "--stdio"];
        first.write({ "rigor.yaml": "agents: { sessions: 2 }\n" });
        first.commit({ "tools.json": JSON.stringify({ mcpServers: { bench: { command: process.execPath, args } } }) });
        const killed = await up(first);
        await up(second);
        const show = (number: number) => second.json<InvestigationView>("investigation", "show", String(number));
        for (const number of [1, 2]) {
          expect((await first.rigor("investigate", "Why?", "--tools", "tools.json", "--detach")).status).toBe(0);
          await until("its agent is at work", async () => (await show(number)).session.state === "running");
        }
        expect((await show(1)).session.machine).not.toBeNull();
        expect((await second.rigor("investigation", "show", "1")).stdout).toMatch(/machine +\S/);

        expect((await second.rigor("investigation", "stop", "1", "-m", "Enough.")).status).toBe(0);
        const ended = await show(1);
        expect(ended.investigation).toMatchObject({ state: "ended", outcome: "stopped", evidence: "Enough." });
        await until("its pages", () => existsSync(join(ended.investigation.directory, "summary.md")));

        process.kill(killed, "SIGKILL");
        const { directory } = (await show(2)).investigation;
        await until("it is ended without its daemon", async () => {
          await second.rigor("investigation", "stop", "2", "-m", "It is lost.");
          return (await show(2)).investigation.state === "ended";
        });
        expect((await show(2)).investigation.evidence).toMatch(/It is lost\. Its daemon on .* is not heard of/);
        expect(existsSync(join(directory, "summary.md"))).toBe(false);
        await up(first);
        await until("its pages", () => existsSync(join(directory, "summary.md")));
        expect(readFileSync(join(directory, "summary.md"), "utf8")).toContain("There is no answer: stopped");
        await until("nothing of it is left", () => processesBelow(directory).length === 0);
        await expectWholeLog();
      } finally {
        await model.close();
      }
    },
  );
});
