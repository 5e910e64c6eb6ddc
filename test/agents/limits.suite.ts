import { expect, test } from "vitest";
import { entriesOf, until, type Place, testUnless } from "./backend.testing.ts";

/** Models are slower than scripts: what has happened is seen before the next thing does. */
const again = { text: "Once more.", calls: [{ tool: "append_log", input: { text: "again" } }], delay: 3 };

/** What ends a session that does not end by itself. */
export function limitTests(place: Place): void {
  const { agent } = place;

  test("ends at its limit of turns [session.limits]", async () => {
    place.follow([again]);
    const end = await (await agent.backend().start(place.order({ limits: { turns: 3 } }))).ended;
    expect(end.outcome).toBe("turn-limit");
    expect(end.next).toMatch(/turns/);
    expect(place.lab.calls.length).toBeGreaterThan(1);
    expect(place.model.requests.length).toBeLessThanOrEqual(5);
  });

  testUnless(agent.exempt["cost-limit"])("ends at its limit of cost [session.limits]", async () => {
    place.follow([{ ...again, usage: { input: 100_000, output: 5_000 } }]);
    const order = place.order({ limits: { cost: 1 } });
    const end = await (await agent.backend().start(order)).ended;
    expect(end.outcome).toBe("cost-limit");
    expect(end.usage.cost).toBeGreaterThan(0.5);
    expect(end.usage.cost).toBeLessThan(3);
  });

  testUnless(agent.exempt["token-limit"])("ends at its limit of tokens [session.limits]", async () => {
    place.follow([{ ...again, usage: { input: 10_000, output: 500 } }]);
    const end = await (await agent.backend().start(place.order({ limits: { tokens: 30_000, turns: 1000 } }))).ended;
    expect(end.outcome).toBe("token-limit");
    expect(end.usage.inputTokens).toBeGreaterThan(20_000);
  });

  test("ends at its time limit [session.limits]", async () => {
    place.follow([{ silent: true }]);
    const end = await (await agent.backend().start(place.order({ limits: { minutes: 0.05 } }))).ended;
    expect(end.outcome).toBe("time-limit");
    expect(end.usage.seconds).toBeGreaterThanOrEqual(3);
  });

  test("ends when nothing is heard of it [session.silence] [F35]", async () => {
    place.follow([{ silent: true }]);
    const end = await (await agent.backend().start(place.order({ limits: { silenceSeconds: 3 } }))).ended;
    expect(end).toMatchObject({ outcome: "silent" });
  });

  test("outlives a service that fails for a while [session.service]", async () => {
    place.follow([{ status: 529, type: "overloaded_error" }, { text: "Done." }]);
    const order = place.order();
    expect((await (await agent.backend().start(order)).ended).outcome).toBe("finished");
    if (agent.exempt.retries === undefined) {
      expect(await entriesOf(order, "retry")).toMatchObject([{ status: 529 }]);
    }
  });

  test("ends when the service fails without end [session.service] [F35]", async () => {
    place.follow([{ status: 529, type: "overloaded_error" }]);
    const end = await (await agent.backend().start(place.order({ limits: { silenceSeconds: 40 } }))).ended;
    expect(end.outcome).toBe("overloaded");
    expect(end.evidence).toMatch(/529|[Oo]verloaded/);
  });

  testUnless(agent.exempt.credentials)(
    "ends soon when its credentials are refused, and says what to do [session.credentials] [F35]",
    async () => {
      place.follow([{ status: 401, type: "authentication_error", message: "invalid x-api-key" }]);
      // Neither its time nor its silence ends it.
      const end = await (await agent.backend().start(place.order())).ended;
      expect(end.outcome).toBe("credentials");
      expect(end.next).toMatch(/API_KEY/);
    },
  );

  test("ends when it is stopped [session.stop]", async () => {
    place.follow([{ silent: true }]);
    const session = await agent.backend().start(place.order());
    await until("the model is asked", () => place.model.requests.length > 0);
    await session.stop("The issue was cancelled.");
    expect(await session.ended).toMatchObject({ outcome: "stopped", evidence: "The issue was cancelled.", next: null });
  });
}
