import { expect, test } from "vitest";
import { plannedRuns } from "../domain/design.ts";
import { countedMeasurements, placeText, stagePlaces } from "./places.ts";

const everything = { arms: null, tasks: null, pass: { all_succeed: true, metrics: [] } };
const planned = plannedRuns({
  arms: {
    base: { role: "baseline", parameters: {}, needs: [], metrics: null, artifacts: null },
    ours: { role: "ours", parameters: {}, needs: [], metrics: null, artifacts: null },
  },
  tasks: { sst2: { parameters: {} } },
  parameters: { lr: { values: [0.1] } },
  seeds: [0, 1, 2],
  stages: [
    { ...everything, name: "pilot", seeds: [0] },
    { ...everything, name: "full", seeds: [1, 2] },
  ],
});

test("only what the final stage asks for counts, a pilot's own seeds do not [F53]", () => {
  const places = stagePlaces(planned, 1);
  expect(places.map(({ arm, seed }) => `${arm} ${seed}`)).toEqual(["base 1", "base 2", "ours 1", "ours 2"]);
  const measurements = planned.map(({ cell: { arm, task, grid }, seed }) => {
    return { run_id: `${arm}${seed}`, arm, task, grid, seed, metric: "accuracy", value: seed };
  });
  const counted = countedMeasurements("accuracy", places, [...measurements, ...measurements]);
  expect(counted.map(({ run_id }) => run_id)).toEqual(["base1", "base2", "ours1", "ours2"]);
});

test("a place reads as task, grid and seed", () => {
  expect(placeText({ task: "sst2", grid: { lr: 0.1 }, seed: 3 })).toBe("sst2, lr=0.1, seed 3");
});
