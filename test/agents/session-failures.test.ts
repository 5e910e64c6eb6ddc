/** Sessions of agents that cannot work: they end in a named state, and a person is told what to do. */
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { GateView } from "../../packages/rigor/src/api/contract/views/issues.ts";
import { canMount, SmallDisk } from "../chaos/mount.ts";
import { processesBelow } from "../chaos/processes.ts";
import { until, UserLab } from "../e2e/lab.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import type { Reply, Script } from "./model-server.ts";
import { Persons } from "./persons.ts";
import { claudeCode } from "./programs.ts";
import { call, scriptedRoles } from "./scripted-roles.ts";
import { clarification } from "./tiny-issue.ts";

const labs: UserLab[] = [];
const models: AnthropicServer[] = [];
const disks: SmallDisk[] = [];
afterEach(async () => {
  for (const disk of disks.splice(0)) disk.remove();
  for (const lab of labs.splice(0)) await lab.close();
  for (const model of models.splice(0)) await model.close();
});

/** A clarifier whose service may fail for seconds only. */
const impatient = readFileSync("packages/rigor/templates/roles/clarifier.md", "utf8").replace(
  /silence_seconds: \d+/,
  "silence_seconds: 40",
);

/** A clarifier that its own limits do not end. */
const tireless = readFileSync("packages/rigor/templates/roles/clarifier.md", "utf8").replace(
  /turns: \d+/,
  "turns: 10000",
);

/**
 * A lab whose agents are Claude Code, which speaks to a model that says what a script tells it to.
 *
 * @param prepare what is done to the lab before its issue is filed
 */
async function makeLab(
  script: Script,
  path = dirname(claudeCode ?? ""),
  prepare: (lab: UserLab) => void | Promise<void> = () => undefined,
) {
  const model = await AnthropicServer.start(script);
  models.push(model);
  const lab = new UserLab().init();
  labs.push(lab);
  Object.assign(lab.environment, {
    PATH: `${path}:${lab.environment["PATH"]}`,
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: "sk-ant-key-of-the-user-0123456789",
  });
  lab.commit({ "rigor.yaml": "agents: { sessions: 3 }\n", "README.md": "# A repository of somebody\n" });
  await prepare(lab);
  const persons = new Persons(lab, {}, () => null);
  expect((await lab.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
  return { lab, persons, model };
}

/** What the inbox says about the one gate that waits, on one line. */
const inboxOf = async (lab: UserLab): Promise<string> => (await lab.rigor("inbox")).text.replaceAll(/\s+/g, " ");

/** The remedy was found: the same work is tried again, and the issue goes on. */
async function goesOn(lab: UserLab, persons: Persons, gate: GateView, model: AnthropicServer): Promise<void> {
  model.follow(scriptedRoles({ objects: false }));
  expect((await lab.rigor("answer", String(gate.number), "retry")).status).toBe(0);
  await persons.gate("plan-approval");
  const { sessions, issue } = await persons.story(1);
  expect(issue.state).toBe("plan-review");
  expect(sessions.findLast(({ role }) => role === "clarifier")?.outcome).toBe("finished");
}

describe.skipIf(claudeCode === null)("a session that cannot work", () => {
  test(
    "because its credentials are refused is not tried again; a person may do its work [session.failures] [F35]",
    { timeout: 900_000 },
    async () => {
      const { lab, persons } = await makeLab([{ status: 401, type: "authentication_error", message: "invalid key" }]);
      const gate = await persons.gate("session-failed");
      const story = await persons.story(1);
      expect(story.issue.state).toBe("blocked");
      expect(story.sessions).toMatchObject([{ outcome: "credentials" }]);
      expect(gate.why).toContain("ANTHROPIC_API_KEY");
      expect(gate.why).toMatch(/^401 \S+[.] .*`rigor down` and `rigor up`/);
      expect((await lab.rigor("issue", "show", "1")).text).toContain("ANTHROPIC_API_KEY");
      expect((await lab.rigor("answer", String(gate.number), "human")).status).toBe(0);
      await persons.does("clarifier", clarification);
      const later = await persons.workUntil(
        "the planner",
        ({ issue, gates }) => issue.state === "blocked" && gates.length > 1,
      );
      // Only this work was given to a person.
      expect(later.gates[1]).toMatchObject({
        name: "session-failed",
        question: expect.stringContaining("planner") as string,
      });
    },
  );

  test(
    "because its credentials were refused goes on when they are accepted [session.failures] [F35]",
    { timeout: 900_000 },
    async () => {
      const { lab, persons, model } = await makeLab([
        { status: 401, type: "authentication_error", message: "invalid key" },
      ]);
      const gate = await persons.gate("session-failed");
      expect(await inboxOf(lab)).toContain("Issue 1: Does the larger step learn faster?");
      await goesOn(lab, persons, gate, model);
    },
  );

  test(
    "because the budget of its issue is used up is set aside, and begins anew when a person raises that [gate.caps]",
    { timeout: 900_000 },
    async () => {
      const endless = (): Reply => ({
        text: "I look again.",
        calls: [call("search_lab", { words: "step" })],
        delay: 0.2,
      });
      const { lab, persons, model } = await makeLab(endless, undefined, (one) =>
        one.write({
          ".rigor/roles/clarifier.md": tireless,
          "rigor.yaml": "agents: { budget: { issue: { turns: 50 } } }\n",
        }),
      );
      const gate = await persons.gate("budget-used");
      expect(gate.question).toMatch(/have used \d+ of 50 turns/);
      const { sessions } = await persons.story(1);
      expect(sessions).toMatchObject([{ role: "clarifier", outcome: "set-aside" }]);
      expect(sessions[0]?.evidence).toMatch(/^Agents have used \d+ of 50 turns of this issue's budget/);
      model.follow(scriptedRoles({ objects: false }));
      expect((await lab.rigor("answer", String(gate.number), "raise")).status).toBe(0);
      await persons.gate("plan-approval");
    },
  );

  test.each<{ what: string; reply: Reply; outcome: string; said: string; next: string }>([
    {
      what: "is overloaded without end",
      reply: { status: 529, type: "overloaded_error", message: "Overloaded" },
      outcome: "overloaded",
      said: "the model's service was overloaded, and it is tried again at [-0-9 :]+ UTC$",
      next: "Start it again when the model's service works.",
    },
    {
      what: "sends what nobody can read",
      reply: { broken: "garbage" },
      outcome: "malformed-stream",
      said: "what the model's service sent could not be read, and it is tried again at [-0-9 :]+ UTC; look for a proxy",
      next: "look for a proxy before the model's service",
    },
  ])(
    "because its model $what says so after its limits, and goes on later [session.failures] [F35]",
    { timeout: 900_000 },
    async ({ reply, outcome, said, next }) => {
      const { lab, persons, model } = await makeLab([reply], undefined, (one) =>
        one.write({ ".rigor/roles/clarifier.md": impatient, "rigor.yaml": "agents: { failures: 2 }\n" }),
      );
      const waits = await persons.until("a pause", async () => {
        const { issue } = await persons.story(1);
        return issue.waits_for.includes("tried again") ? issue.waits_for : undefined;
      });
      expect(waits).toMatch(new RegExp(`^the clarifier waits: ${said}`));
      const gate = await persons.gate("session-failed");
      const { sessions, issue } = await persons.story(1);
      expect(issue.state).toBe("blocked");
      expect(sessions.map((one) => one.outcome)).toEqual([outcome, outcome]);
      const [first, second] = sessions;
      expect(Date.parse(second?.started_at ?? "") - Date.parse(first?.ended_at ?? "")).toBeGreaterThan(59_000);
      expect(sessions.every(({ usage }) => usage.seconds < 300)).toBe(true);
      expect(gate.question).toBe("The clarifier failed 2 times. What now?");
      expect(await inboxOf(lab)).toContain(next);
      await goesOn(lab, persons, gate, model);
    },
  );

  test(
    "because its issue is put on hold or cancelled ends at once, and the lab goes on [issue.hold] [session.stop] [F35]",
    { timeout: 900_000 },
    async () => {
      const { lab, persons } = await makeLab([{ silent: true }]);
      const working = (count: number) =>
        persons.until(`clarifier ${count}`, async () => {
          const { sessions } = await persons.story(1);
          return sessions.filter(({ state }) => state === "running").length === 1 && sessions.length === count
            ? sessions
            : undefined;
        });
      const ended = () =>
        persons.until("an end of its session", async () => {
          const story = await persons.story(1);
          return story.sessions.every(({ state }) => state === "ended") ? story : undefined;
        });
      await working(1);
      expect((await lab.rigor("issue", "hold", "1", "-m", "Not now.")).status).toBe(0);
      const held = await ended();
      expect(held.issue).toMatchObject({ state: "on-hold", waits_for: "it is on hold: Not now." });
      expect(held.sessions.map(({ outcome }) => outcome)).toEqual(["set-aside"]);
      expect((await lab.rigor("issue", "resume", "1")).status).toBe(0);
      await working(2);
      expect((await lab.rigor("issue", "cancel", "1", "-m", "Somebody did it.")).status).toBe(0);
      const cancelled = await ended();
      expect(cancelled.issue.state).toBe("cancelled");
      expect(cancelled.sessions.map(({ outcome }) => outcome)).toEqual(["set-aside", "set-aside"]);
      expect((await lab.rigor("status")).status).toBe(0);
      await until("no process of a session", () => processesBelow(join(lab.home, "sessions")).length === 0);
    },
  );

  test.skipIf(!canMount())(
    "because its disk is full says so, and goes on when there is room [session.failures] [session.disk]",
    { timeout: 900_000 },
    async () => {
      const { lab, persons, model } = await makeLab([{ silent: true }], undefined, async (one) => {
        expect((await one.rigor("up")).status).toBe(0);
        const place = join(one.home, "sessions");
        mkdirSync(place, { recursive: true });
        disks.push(new SmallDisk("60m", place));
      });
      await persons.until("the clarifier at work", () => Promise.resolve(model.requests[0]));
      const [disk] = disks;
      disk?.fill();
      const gate = await persons.gate("session-failed");
      const { sessions } = await persons.story(1);
      expect(sessions.map(({ outcome }) => outcome)).toEqual(["disk-full", "disk-full", "disk-full"]);
      expect(await inboxOf(lab)).toContain("Free some space");
      disk?.clear();
      await goesOn(lab, persons, gate, model);
    },
  );

  test(
    "because what it hands in is not taken says that it delivered nothing, and why [session.hand-in] [session.failures]",
    { timeout: 900_000 },
    async () => {
      const half = { ...clarification, questions: "none" };
      const { lab, persons } = await makeLab(
        [{ text: "Done.", calls: [call("submit_clarification", half)] }, { text: "I cannot do better." }],
        undefined,
        (one) => one.write({ "rigor.yaml": "agents: { failures: 1 }\n" }),
      );
      const gate = await persons.gate("session-failed");
      const [session] = (await persons.story(1)).sessions;
      expect(session).toMatchObject({ outcome: "nothing-handed-in", handed_in: null });
      const why = /^It ended without handing in anything; its last try was refused: .*\bquestions\b/s;
      expect(session?.evidence).toMatch(why);
      expect(gate.why).toMatch(why);
      expect(gate.why).toContain(`rigor session follow ${session?.id.slice(0, 8)}`);
      const shown = await lab.rigor("session", "show", session?.id ?? "");
      expect(shown.text).toMatch(/^\s*handed in\s+nothing$/m);
      expect(shown.text).toContain("its last try was refused");
    },
  );

  test("shows while it works what it has used so far [session.hand-in]", { timeout: 900_000 }, async () => {
    const { lab, persons } = await makeLab([{ calls: [call("search_lab", { words: "step" })] }, { silent: true }]);
    const session = await persons.until("a turn", async () =>
      (await persons.story(1)).sessions.find(({ usage }) => usage.turns > 0),
    );
    expect(session.state).toBe("running");
    const shown = await lab.rigor("session", "show", session.id);
    expect(shown.text).toMatch(/^\s*handed in\s+nothing so far$/m);
    expect(shown.text).toMatch(/^\s*used\s+1 turn, \d+ tokens, .* so far$/m);
  });

  test("because a person stopped it is not begun again unasked [session.failures]", { timeout: 900_000 }, async () => {
    const { lab, persons } = await makeLab([{ silent: true }]);
    const session = await persons.until("the clarifier at work", async () =>
      (await persons.story(1)).sessions.find(({ state }) => state === "running"),
    );
    expect((await lab.rigor("session", "stop", session.id, "-m", "It is on the wrong track.")).status).toBe(0);
    const gate = await persons.gate("session-failed");
    expect(gate.question).toBe("The clarifier was stopped. What now?");
    expect(gate.why).toContain("It is on the wrong track.");
    expect((await persons.story(1)).sessions).toHaveLength(1);
  });
});

describe("a session whose program is not there", () => {
  test(
    "fails as often as rigor.yaml says, and then a person is asked [session.failures]",
    { timeout: 900_000 },
    async () => {
      const { lab, persons } = await makeLab([{ text: "I am not asked." }], "/nonexistent");
      const gate = await persons.gate("session-failed");
      const story = await persons.story(1);
      expect(story.sessions).toHaveLength(3);
      expect(story.sessions.every(({ outcome }) => outcome === "failed")).toBe(true);
      expect(gate.why).toContain("claude is not installed.");
      expect(gate.why).toContain("npm install");
      expect((await lab.rigor("issue", "show", "1")).text).toContain("claude");
    },
  );
});

test.skipIf(!canMount())(
  "a data directory without room is told wherever somebody looks, in the same words [status.disk]",
  { timeout: 300_000 },
  async () => {
    const lab = new UserLab().init();
    labs.push(lab);
    lab.commit({ "rigor.yaml": "agents: { backend: human }\n" });
    mkdirSync(lab.home, { mode: 0o700 });
    const disk = new SmallDisk("100m", lab.home);
    disks.push(disk);
    expect((await lab.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
    await new Persons(lab).work("clarifier");
    const told = /the disk is full: \d+ MB are free, 67 MB are needed in \S+home/;
    const places = [["status"], ["doctor"], ["inbox"], ["issue", "show", "1"]];
    const saying = async () => {
      const answers = await Promise.all(places.map(async (words) => ({ words, ...(await lab.rigor(...words)) })));
      return answers.filter(({ text }) => told.test(text)).map(({ words }) => words);
    };
    expect(await saying()).toEqual([]);
    disk.fill();
    await until("all to say so", async () => (await saying()).length === places.length, 120_000);
    const sentence = (text: string) => /^No run starts here: .*$/m.exec(text)?.[0].replace(/\d+ MB are free/, "");
    const said = await Promise.all(["status", "inbox"].map(async (word) => sentence((await lab.rigor(word)).text)));
    expect(said).toEqual([expect.stringContaining("Free some space there"), said[0]]);
    disk.clear();
    await until("none to say so", async () => (await saying()).length === 0, 120_000);
    expect((await lab.rigor("down")).status).toBe(0);
  },
);
