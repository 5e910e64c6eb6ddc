import { describe, expect, test } from "vitest";
import { Human } from "../../packages/rigor/src/agents/backends/human/human.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import { entriesOf, usePlace } from "./backend.testing.ts";
import { agents } from "./agents.testing.ts";

/**
 * Of what the suite asks of back ends, this applies to a person: an end that is told truly, a transcript, a stop, going
 * on after a restart. A person has no process, model, tools, service or credentials, and no limits.
 */
describe("a person as a back end", () => {
  const place = usePlace({ ...agents["claude-code"], serve: (script) => AnthropicServer.start(script) });

  test("works until the work is handed in [session.transcript] [session.truth]", async () => {
    const human = new Human();
    const order = place.order({ limits: { minutes: 0, turns: 0 }, brief: "Look at it with lab-token-8d2f6c1b." });
    const session = await human.start(order);
    expect(session.process).toBeNull();
    await human.handIn(order.id, "A review was handed in.");
    const end = { outcome: "finished", evidence: "A review was handed in.", next: null } as const;
    expect(await session.ended).toMatchObject({ ...end, refused: [], usage: { turns: 0, cost: null } });
    expect(await entriesOf(order, "brief")).toEqual([{ kind: "brief", text: "Look at it with [secret]." }]);
    expect(await entriesOf(order, "end")).toEqual([{ kind: "end", ...end }]);
    await expect(human.handIn(order.id, "Once more.")).rejects.toThrow("waits for a person");
  });

  test("can be stopped [session.stop]", async () => {
    const human = new Human();
    const order = place.order();
    const session = await human.start(order);
    await session.stop("The issue was cancelled.");
    expect(await session.ended).toMatchObject({ outcome: "stopped", evidence: "The issue was cancelled." });
    expect(await entriesOf(order, "end")).toHaveLength(1);
  });

  test("goes on after a restart of the daemon [session.resume]", async () => {
    const order = place.order();
    await new Human().start(order);
    const next = new Human();
    expect(await next.settle()).toBeNull();
    const session = await next.start({ ...order, resume: true });
    await next.handIn(order.id, "Done.");
    expect(await session.ended).toMatchObject({ outcome: "finished" });
    expect((await entriesOf(order, "start")).map(({ resumed }) => resumed)).toEqual([false, true]);
  });
});
