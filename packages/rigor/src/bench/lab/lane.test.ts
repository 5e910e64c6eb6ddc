import { expect, onTestFinished, test, vi } from "vitest";
import type { SchedulerFacts } from "../../compute/schedulers/scheduler.ts";
import { RigorError } from "../../domain/errors.ts";
import { slurmCompute } from "../../domain/files/compute-schema.ts";
import { TestBench } from "../bench.testing.ts";
import { Lane } from "./lane.ts";
import { Lanes } from "./lanes.ts";

const scheduler = {
  facts: () => Promise.reject<SchedulerFacts>(new Error("nobody asks it")),
  limitCalls: () => undefined,
  calls: () => ({ per_minute: 60, last_minute: 0, waiting: { cancel: 0, submit: 0, look: 0 }, jobs: 0 }),
  leave: () => undefined,
};

/** A lane, and a way to take one turn and to learn when the next is due. */
async function startLane(isCluster: boolean) {
  const { executor, stager, dial, configuration } = (await TestBench.open()).lab.lanes.here;
  const lane = new Lane("x", configuration, { executor, stager, dial, scheduler: isCluster ? scheduler : null });
  // Time stands still.
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const turn = async (work: () => void = () => undefined) => {
    lane.begin(
      async () => work(),
      () => undefined,
    );
    expect(lane.dueIn("news")).toBe(Number.POSITIVE_INFINITY);
    await lane.settle();
    return (["news", "work", "look"] as const).map((urgency) => lane.dueIn(urgency));
  };
  return { lane, turn };
}

test("a machine is looked at soon after something began or ended, and then less and less often [compute.soon]", async () => {
  const { lane, turn } = await startLane(false);
  expect(await turn()).toEqual([50, 500, 200]);
  const waits = [await turn(() => lane.stir())];
  for (let index = 0; index < 6; index++) waits.push(await turn());
  expect(waits.map(([, , look]) => look)).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000]);
});

test("a cluster where nothing changes is looked at ever less often, by a tenth of that time, and soon again after a change [compute.soon]", async () => {
  const { lane, turn } = await startLane(true);
  const stirred = await turn(() => lane.stir());
  expect(stirred).toEqual([500, 500, 2_000]);
  let unchangedMs = 2_000;
  for (let looks = 0; looks < 40; looks++) {
    const [news, work, look = 0] = await turn();
    expect([news, work]).toEqual([500, 500]);
    expect(look).toBeCloseTo(Math.min(15_000, 2_000 + unchangedMs / 10));
    unchangedMs += look;
  }
  // Whoever has something done there need not wait for the look that is due late.
  lane.stir();
  expect(lane.dueIn("look")).toBe(2_000);
  expect(await turn()).toEqual(stirred);
  for (let looks = 0; looks < 40; looks++) await turn();
  lane.doubt();
  expect(lane.dueIn("look")).toBe(2_000);
});

test("what gives no answer is left alone for a while [compute.soon]", async () => {
  const { turn } = await startLane(true);
  const silent = () => {
    throw new RigorError("unreachable", "It gives no answer.");
  };
  expect(await turn(silent)).toEqual([10_000, 10_000, 10_000]);
});

test("a limit of calls that was changed in rigor.yaml holds without a new daemon [compute.calls-per-minute]", async () => {
  const { store, lanes } = (await TestBench.open()).lab;
  const { executor, stager, dial } = lanes.here;
  const limitCalls = vi.fn<(callsPerMinute: number) => undefined>();
  const others = new Lanes(store, () => ({ executor, stager, dial, scheduler: { ...scheduler, limitCalls } }));
  const cluster = (calls: number) => slurmCompute.parse({ kind: "slurm", calls_per_minute: calls });
  const lane = await others.open(cluster(60));
  expect(await others.open(cluster(6))).toBe(lane);
  expect(limitCalls).toHaveBeenLastCalledWith(6);
});
