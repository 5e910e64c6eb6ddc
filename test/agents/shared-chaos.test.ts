/** Two machines that share a lab, several issues, agents and persons, while anything that can end is ended at random. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { seededRandom } from "../../packages/rigor/src/statistics/random.ts";
import { openPostgresStore } from "../../packages/rigor/src/store/open.ts";
import type { Store } from "../../packages/rigor/src/store/store.ts";
import { chaosSeed, planOf } from "../chaos/elsewhere.ts";
import { until } from "../e2e/lab.ts";
import { CuttableProxy } from "../support/cuttable-proxy.ts";
import { createTestDatabase, testServerUrl, type TestDatabase } from "../support/postgres.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import { IssueBoard } from "./board.ts";
import {
  expectOnceEach,
  expectOneAtATime,
  expectRunsOnce,
  expectWholeLog,
  sessionsIn,
} from "./issue-invariants.testing.ts";
import { claudeCode } from "./programs.ts";
import { scriptedRoles } from "./scripted-roles.ts";
import {
  agentRoles,
  happen,
  hunt,
  Machine,
  numberedWork,
  patience,
  runScript,
  type Happening,
} from "./shared-chaos.testing.ts";
import { expectSmoothWork } from "./smooth-story.ts";

const seed = chaosSeed();
const random = seededRandom(seed);

/** `RIGOR_CHAOS_SIZE=large` is for hours at night. */
const isLarge = process.env["RIGOR_CHAOS_SIZE"] === "large";
const numbers = isLarge ? [1, 2, 3, 4] : [1, 2];
const counts: Record<Happening, number> = isLarge
  ? { kill: 8, away: 3, stop: 2, cut: 4, agent: 8, run: 8 }
  : { kill: 3, away: 1, stop: 0, cut: 1, agent: 2, run: 2 };
const mostAgents = 3;

describe.skipIf(claudeCode === null || testServerUrl() === undefined)(
  "issues of machines to which anything may happen",
  () => {
    let database: TestDatabase;
    let store: Store;
    let place: string;
    let model: AnthropicServer;
    const machines: Machine[] = [];
    const story: string[] = [];

    beforeEach(async () => {
      place = mkdtempSync(join(tmpdir(), "rigor-journal-"));
      database = await createTestDatabase();
      store = await openPostgresStore(database.url);
      model = await AnthropicServer.start(scriptedRoles({ objects: false, workOf: numberedWork(place) }));
      const owner = new Machine().init();
      machines.push(owner, new Machine("repository", owner));
      for (const machine of machines) {
        machine.proxy = await CuttableProxy.open(database.url);
        Object.assign(machine.environment, {
          RIGOR_DATABASE_URL: machine.proxy.url,
          RIGOR_TAKEOVER: String(patience),
          PATH: `${dirname(claudeCode ?? "")}:${machine.environment["PATH"]}`,
          ANTHROPIC_BASE_URL: model.url,
          ANTHROPIC_API_KEY: "sk-ant-key-of-the-user-0123456789",
        });
      }
      const agents = agentRoles(isLarge ? 6 : 4, random);
      story.push(`agents: ${agents.join(", ")}`);
      owner.git("switch", "--quiet", "--create", "main");
      owner.commit({
        "rigor.yaml": JSON.stringify({
          agents: {
            backend: "human",
            sessions: mostAgents,
            promotion: "merge",
            roles: Object.fromEntries(agents.map((name) => [name, { backend: "claude-code" }])),
          },
        }),
        "run.sh": runScript,
      });
    });
    afterEach(async () => {
      process.stdout.write(`RIGOR_CHAOS_SEED=${seed}\n${story.join("\n")}\n`);
      if (process.env["RIGOR_CHAOS_KEEP"] === "1") await keep();
      else for (const machine of machines.toReversed()) await machine.close();
      for (const { proxy } of machines) await proxy?.close();
      await model.close();
      await store.close();
      await database.drop();
      if (process.env["RIGOR_CHAOS_KEEP"] !== "1") rmSync(place, { recursive: true, force: true, maxRetries: 10 });
    });

    test(
      `do each step once, and leave nothing behind (seed ${seed}) [issue.chaos] [shared.issues] [issue.one-conductor] [issue.resume] [F41]`,
      { timeout: 1_800_000 },
      async () => {
        let isOver = false;
        const watching = watch(() => isOver);
        for (const number of numbers) {
          const filed = await machineOf(number).rigor(
            "issue",
            "new",
            `Does the larger step learn faster, the ${number}th time?`,
          );
          expect(filed.status, filed.text).toBe(0);
        }
        const persons = machines.map((machine) => machine.follow(numberedWork(place), () => isOver));
        const over = Promise.all([...persons, watching]);
        await Promise.race([Promise.all([chaos(), leaveMain()]), over]);
        isOver = true;
        await over;
        await expectRightEnd();
      },
    );

    function machineOf(number: number): Machine {
      const machine = machines[number % machines.length];
      if (machine === undefined) throw new Error("there are machines");
      return machine;
    }

    /** Leaves what can be looked at afterwards: the files of both machines, and the log. */
    async function keep(): Promise<void> {
      const log = (await store.eventsAfter(0, 1_000_000)).map((event) => JSON.stringify(event)).join("\n");
      writeFileSync(join(place, "events.jsonl"), log);
      for (const machine of machines) await machine.rigor("down");
      process.stdout.write(`kept: ${[place, ...machines.map(({ directory }) => directory)].join(" ")}\n`);
    }

    /** What holds at any moment holds while it runs. */
    async function watch(isOver: () => boolean): Promise<void> {
      while (!isOver()) {
        await expectOneAtATime(store, mostAgents);
        await sleep(500);
      }
    }

    async function chaos(): Promise<void> {
      const under: Promise<void>[] = [];
      let isOver = false;
      const tell = (told: string | null) => {
        if (told !== null) story.push(`${new Date().toISOString()} ${told}`);
      };
      for (const what of planOf(counts, random)) {
        await sleep((isLarge ? 1_000 : 500) + random() * (isLarge ? 9_000 : 4_000));
        if (await isDone()) break;
        if (what === "agent" || what === "run") {
          under.push(hunt(what, machines, random, () => isOver).then(tell));
          continue;
        }
        const free = machines.filter(({ isBusy }) => !isBusy);
        const machine = free[Math.floor(random() * free.length)];
        if (machine === undefined) continue;
        machine.isBusy = true;
        const happened = happen(what, machine, random).then((told) => {
          machine.isBusy = false;
          tell(told === null ? null : `machine ${machines.indexOf(machine) + 1}: ${told}`);
        });
        under.push(happened);
      }
      await until("the end of all issues", isDone, 1_200_000);
      isOver = true;
      await Promise.all(under);
    }

    async function isDone(): Promise<boolean> {
      const found = await store.db.selectFrom("issues").select("state").where("parent", "is", null).execute();
      return found.every(({ state }) => state === "done");
    }

    /** The user works elsewhere as soon as everything has begun from main, so that what is promoted is merged there. */
    async function leaveMain(): Promise<void> {
      const made = () => store.db.selectFrom("issue_checks").select("id").where("name", "=", "workspace").execute();
      await until("all workspaces", async () => (await made()).length === numbers.length, 600_000);
      machineOf(0).git("switch", "--quiet", "--create", "mine");
    }

    async function expectRightEnd(): Promise<void> {
      const owner = machineOf(0);
      // Whatever was given up meanwhile is found by the next daemon of its machine.
      for (const machine of machines) expect((await machine.rigor("up")).status).toBe(0);
      const board = new IssueBoard(owner);
      for (const number of numbers) expectSmoothWork(await board.story(number), `tiny-${number}@1`);
      await expectNothingLeft();
      for (const machine of machines) expect((await machine.rigor("down")).status).toBe(0);
      await expectWholeLog(store);
      expectOnceEach(await store.eventsAfter(0, 1_000_000));
      await expectRunsOnce(store, readFileSync(join(place, "journal"), "utf8").trimEnd().split("\n"));
      await expectCostsOnce();
      const merges = owner.git("log", "--merges", "--format=%s", "main").split("\n");
      expect(merges.map((subject) => subject.slice(0, 13)).toSorted()).toEqual(
        numbers.map((one) => `Merge issue ${one}`),
      );
      expect(owner.git("status", "--porcelain", "--branch")).toBe("## mine");
      expect(owner.git("fsck", "--no-dangling", "--no-progress")).toBe("");
    }

    async function expectNothingLeft(): Promise<void> {
      for (const machine of machines) {
        await until(
          "no process of a session or run",
          () => machine.processes("agents").length + machine.processes("runs").length === 0,
        );
        const workspaces = join(machine.home, "workspaces");
        const left = () =>
          existsSync(workspaces)
            ? readdirSync(workspaces)
                .flatMap((name) => readdirSync(join(workspaces, name)))
                .filter((name) => name !== "pool.git")
            : [];
        await until(`no workspace in ${workspaces}`, () => left().length === 0).catch(() => expect(left()).toEqual([]));
      }
    }

    /** Every answer of the model is counted in one session, at its price, however often its process was started anew. */
    async function expectCostsOnce(): Promise<void> {
      const sessions = (await sessionsIn(store)).filter(({ backend }) => backend !== "human");
      for (const { id, usage, restarts, outcome } of sessions) {
        const answered = model.requests.filter(({ body }) => body.includes(id)).length;
        expect(usage.turns, `turns of ${id}`).toBeLessThanOrEqual(answered);
        if (restarts === 0 && outcome === "finished") expect(usage.turns, `turns of ${id}`).toBe(answered);
        expect(usage.input_tokens).toBe(usage.turns * 100);
        // What an answer has cost is told at its end: one that was cut off with its process counts its input only.
        const cutOff = (usage.turns * 10 - usage.output_tokens) / 10;
        expect(cutOff, `answers of ${id} that were cut off`).toBeGreaterThanOrEqual(0);
        expect(cutOff, `answers of ${id} that were cut off`).toBeLessThanOrEqual(
          restarts + (outcome === "finished" ? 0 : 1),
        );
      }
    }
  },
);
