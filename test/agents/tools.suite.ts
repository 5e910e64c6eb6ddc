import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { entriesOf, labToken, type Place, testUnless } from "./backend.testing.ts";

/** What an agent can do, and what it is refused. */
export function toolTests(place: Place): void {
  const { agent } = place;

  test("does a task with a tool of the lab, and its transcript says how [session.transcript] [session.usage]", async () => {
    place.follow([
      {
        thinking: "I should say so.",
        text: "I will note it.",
        calls: [{ tool: "append_log", input: { text: "hello" } }],
        usage: { input: 1000, output: 50 },
      },
      { text: "All is noted.", usage: { input: 500, cached: 700, output: 20 } },
    ]);
    const order = place.order({ brief: "# Note\n\nSay hello to the lab." });
    const end = await (await agent.backend().start(order)).ended;

    expect(end).toMatchObject({ outcome: "finished", next: null, refused: [] });
    expect(place.lab.calls).toEqual([{ tool: "append_log", input: { text: "hello" } }]);
    expect(place.model.requests[0]?.prompt).toContain("Say hello to the lab.");
    expect(end.usage).toMatchObject({ turns: 2, inputTokens: 2200, cachedTokens: 700, outputTokens: 70 });
    expect(end.usage.seconds).toBeGreaterThan(0);

    expect((await entriesOf(order, "text")).map(({ text }) => text)).toEqual(["I will note it.", "All is noted."]);
    expect((await entriesOf(order, "thinking")).map(({ text }) => text)).toEqual(["I should say so."]);
    const [call] = await entriesOf(order, "tool-call");
    expect(call).toMatchObject({ tool: "append_log", input: { text: "hello" } });
    const results = await entriesOf(order, "tool-result");
    expect(results).toEqual([{ kind: "tool-result", id: call?.id, text: "noted: hello", error: false }]);
    expect(await entriesOf(order, "brief")).toEqual([{ kind: "brief", text: order.brief }]);
    expect(await entriesOf(order, "end")).toMatchObject([{ outcome: "finished" }]);
  });

  test("is refused a tool that its role does not have, and goes on [session.tools] [F35] [F38]", async () => {
    place.follow([{ calls: [{ tool: "approve_gate", input: { text: "mine" } }] }, { text: "Then I leave it." }]);
    const order = place.order();
    const end = await (await agent.backend().start(order)).ended;

    expect(end.outcome).toBe("finished");
    expect(place.lab.calls).toEqual([]);
    expect(place.model.requests.at(-1)?.results).toHaveLength(1);
    if (agent.exempt.refusals === undefined) {
      expect(end.refused.map(({ tool }) => tool)).toEqual(["approve_gate"]);
      expect((await entriesOf(order, "refused")).map(({ tool }) => tool)).toEqual(["approve_gate"]);
    }
  });

  test("works in its workspace with tools of its own", async () => {
    const file = join(place.workspace, "note.txt");
    place.follow([
      { calls: [agent.write(file, "written by the agent\n")] },
      { calls: [agent.shell("cat note.txt; pwd")] },
      { text: "Done." },
    ]);
    const order = place.order();
    expect((await (await agent.backend().start(order)).ended).outcome).toBe("finished");
    expect(readFileSync(file, "utf8")).toBe("written by the agent\n");
    const shown = (await entriesOf(order, "tool-result")).at(-1)?.text;
    expect(shown).toContain("written by the agent");
    expect(shown).toContain(place.workspace);
  });

  testUnless(agent.exempt["missing-lab"])("does not run without the lab's tools [session.tools]", async () => {
    const order = place.order({
      tools: {
        lab: { url: place.lab.url, token: `${labToken}-of-another` },
        labTools: ["append_log"],
        native: [],
        servers: {},
      },
    });
    const end = await (await agent.backend().start(order)).ended;
    expect(end.outcome).toBe("failed");
    expect(end.evidence).toMatch(/lab/);
    expect(place.lab.refused).toBeGreaterThan(0);
  });

  test("is put in its sandbox [session.sandbox]", async () => {
    const mark = join(place.root, "wrapped");
    const order = place.order({ wrap: (command) => ["sh", "-c", 'touch "$0"; exec "$@"', mark, ...command] });
    expect((await (await agent.backend().start(order)).ended).outcome).toBe("finished");
    expect(existsSync(mark)).toBe(true);
  });
}
