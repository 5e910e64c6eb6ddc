import { join } from "node:path";
import { expect, test } from "vitest";
import { entriesOf, filesWith, until, type Place } from "./backend.testing.ts";

/** Sessions that go on after their process has gone. */
export function resumeTests(place: Place): void {
  const { agent } = place;

  test("goes on where its killed process stood, within the same limits [session.resume] [session.usage]", async () => {
    place.follow([
      { calls: [{ tool: "append_log", input: { text: "first" } }], usage: { input: 1000, output: 50 } },
      { silent: true },
    ]);
    const order = place.order({ brief: "Log two things." });
    const killed = await agent.backend().start(order);
    await until("the model is asked again", () => place.model.requests.length > 1);
    await until(
      "the agent has noted its call",
      () => filesWith(join(order.directory, "home"), "noted: first").length > 0,
    );
    process.kill(killed.process?.pid ?? 0, "SIGKILL");
    const first = await killed.ended;
    expect(first).toMatchObject({ outcome: "killed", usage: { turns: 1 } });

    place.follow([
      { calls: [{ tool: "append_log", input: { text: "second" } }], usage: { input: 2000, output: 60 } },
      { text: "Both are logged.", usage: { input: 3000, output: 70 } },
    ]);
    const resumed = await agent.backend().start({ ...order, resume: true });
    const end = await resumed.ended;
    expect(end.outcome).toBe("finished");
    expect(place.lab.calls.map(({ input }) => input)).toEqual([{ text: "first" }, { text: "second" }]);
    const asked = place.model.requests.at(-1);
    expect(asked?.prompt).toContain("Log two things.");
    const results = ["noted: first", "noted: second"].map((one): unknown => expect.stringContaining(one));
    expect(asked?.results.map(({ text }) => text)).toEqual(results);
    expect(end.usage.turns).toBe(3);
    if (agent.exempt.usage === undefined) {
      expect(first.usage).toMatchObject({ inputTokens: 1000, outputTokens: 50 });
      expect(end.usage).toMatchObject({ inputTokens: 6000, outputTokens: 180 });
    }
    expect(end.usage.seconds).toBeGreaterThan(first.usage.seconds);
    expect((await entriesOf(order, "start")).map((start) => start.resumed)).toEqual([false, true]);
  });

  test("counts the turns of earlier processes against its limit [session.resume] [session.limits]", async () => {
    const again = { calls: [{ tool: "append_log", input: { text: "again" } }], delay: 3 };
    place.follow([again, again, { silent: true }]);
    const order = place.order({ limits: { turns: 3 } });
    const killed = await agent.backend().start(order);
    await until("the model is asked again", () => place.model.requests.length > 2);
    process.kill(killed.process?.pid ?? 0, "SIGKILL");
    expect((await killed.ended).usage.turns).toBe(2);

    place.follow([again]);
    expect((await (await agent.backend().start({ ...order, resume: true })).ended).outcome).toBe("turn-limit");
    expect(place.lab.calls.length).toBeLessThanOrEqual(5);
  });

  test("begins anew where no process of it has come to anything [session.resume]", async () => {
    const order = place.order({ brief: "Say something.", resume: true });
    expect((await (await agent.backend().start(order)).ended).outcome).toBe("finished");
    expect(place.model.requests[0]?.prompt).toContain("Say something.");
  });
}
