/** The daemon is killed again and again while issues go their way. */
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import type { IssueView } from "../../packages/rigor/src/api/contract/views/issues.ts";
import { seededRandom } from "../../packages/rigor/src/statistics/random.ts";
import { openSqliteStore } from "../../packages/rigor/src/store/open.ts";
import { compareWithLog } from "../../packages/rigor/src/store/rebuild.ts";
import { killIfThere, processesBelow } from "../chaos/processes.ts";
import { isAlive } from "../../packages/rigor/src/cli/daemon/processes.ts";
import { until, UserLab } from "../e2e/lab.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import { Persons } from "./persons.ts";
import { claudeCode } from "./programs.ts";
import { scriptedRoles } from "./scripted-roles.ts";
import { expectSmoothStory } from "./smooth-story.ts";

const seed = Number(process.env["RIGOR_CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

const labs: UserLab[] = [];
afterEach(async () => {
  for (const lab of labs.splice(0)) await lab.close();
});

function makeLab(settings: string): UserLab {
  const lab = new UserLab().init();
  labs.push(lab);
  lab.commit({ "rigor.yaml": settings, "README.md": "# A repository of somebody\n" });
  return lab;
}

/** Kills whatever daemon there is, at random times, until it is told that it is enough. */
class Killer {
  kills = 0;
  #enough = false;
  readonly #done: Promise<void>;

  constructor(lab: UserLab, random: () => number, longest: number, most: number) {
    this.#done = this.#kill(lab, random, longest, most);
  }

  async #kill(lab: UserLab, random: () => number, longest: number, most: number): Promise<void> {
    while (!this.#enough && this.kills < most) {
      await sleep(200 + random() * longest);
      const pid = lab.daemonPid();
      if (this.#enough || pid === null || !isAlive(pid) || isSpared(lab)) continue;
      if (!killIfThere(pid)) continue;
      this.kills += 1;
      // A daemon is revived by the next command; killing it before it was ready would prove nothing.
      await until("another daemon", () => this.#enough || lab.daemonPid() !== pid, 120_000);
    }
  }

  async stop(): Promise<void> {
    this.#enough = true;
    await this.#done;
  }
}

/** A session that is interrupted a fourth time has failed, and then a person is asked. */
function isSpared(lab: UserLab): boolean {
  const database = new DatabaseSync(join(lab.home, "rigor.sqlite"), { readOnly: true, timeout: 30_000 });
  try {
    const query = "select count(*) as count from sessions where state <> 'ended' and restarts >= 3";
    return database.prepare(query).get()?.["count"] !== 0;
  } finally {
    database.close();
  }
}

async function expectSmooth(lab: UserLab, story: IssueView): Promise<void> {
  expectSmoothStory(story);
  const runs = await lab.runs("tiny");
  expect(runs.map(({ state }) => state)).toEqual(Array.from({ length: 10 }, () => "done"));
  expect((await lab.rigor("down")).status).toBe(0);
  const store = await openSqliteStore(`${lab.home}/rigor.sqlite`);
  try {
    expect(await compareWithLog(store)).toEqual([]);
  } finally {
    await store.close();
  }
}

describe("an issue whose daemon is killed", () => {
  test(
    `goes on where it stood, and does no step twice (seed ${seed}) [issue.resume] [issue.one-conductor] [F02]`,
    { timeout: 900_000 },
    async () => {
      const lab = makeLab("agents: { backend: human }\n");
      expect((await lab.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
      const killer = new Killer(lab, seededRandom(seed), 3_000, 25);
      const persons = new Persons(lab);
      const story = await persons.workUntil("the end", ({ issue }) => issue.state === "done", { minutes: 13 });
      await killer.stop();
      expect(killer.kills).toBeGreaterThan(4);
      await expectSmooth(lab, story);
    },
  );

  test.skipIf(claudeCode === null)(
    `goes on with agents, which go on where they stood and leave no process behind (seed ${seed}) [issue.resume] [F41]`,
    { timeout: 900_000 },
    async () => {
      const model = await AnthropicServer.start(scriptedRoles({ objects: false }));
      const lab = makeLab("agents: { sessions: 3 }\n");
      try {
        Object.assign(lab.environment, {
          PATH: `${dirname(claudeCode ?? "")}:${lab.environment["PATH"]}`,
          ANTHROPIC_BASE_URL: model.url,
          ANTHROPIC_API_KEY: "sk-ant-key-of-the-user-0123456789",
        });
        expect((await lab.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
        const killer = new Killer(lab, seededRandom(seed), 15_000, 8);
        const persons = new Persons(lab);
        const story = await persons.workUntil("the end", ({ issue }) => issue.state === "done", { minutes: 13 });
        await killer.stop();
        expect(killer.kills).toBeGreaterThan(1);
        expect(
          story.sessions.filter(({ outcome }) => outcome === "finished").every((one) => one.handed_in !== null),
        ).toBe(true);
        expect(story.timeline.some(({ kind }) => kind === "session.interrupted")).toBe(true);
        await expectSmooth(lab, story);
        await until("no process of a session", () => processesBelow(`${lab.home}/sessions`).length === 0);
      } finally {
        await model.close();
      }
    },
  );
});
