import fc from "fast-check";
import { expect, test } from "vitest";
import { uniformGenerator } from "../random.ts";
import type { Model } from "../superposition/src/model.ts";
import { pruneAtRandom, pruneByMagnitude } from "./src/prune.ts";

const models = fc
  .array(
    fc.double({ min: -5, max: 5, noNaN: true }).filter((weight) => weight !== 0),
    { minLength: 1, maxLength: 40 },
  )
  .map((weights): Model => ({
    features: weights.length,
    hidden: 1,
    weights: Float64Array.from(weights),
    bias: new Float64Array(weights.length),
  }));
const shares = fc.double({ min: 0, max: 1, noNaN: true });

const kept = ({ weights }: Model): number[] => [...weights].filter((weight) => weight !== 0);

test("both ways keep the same number of weights, as they were [example.pruning]", () => {
  fc.assert(
    fc.property(models, shares, fc.integer(), (model, share, seed) => {
      for (const pruned of [
        pruneByMagnitude(model, share),
        pruneAtRandom(model, share, uniformGenerator(`test ${seed}`)),
      ]) {
        expect(kept(pruned)).toHaveLength(Math.round(share * model.weights.length));
        pruned.weights.forEach((weight, index) => expect([0, model.weights[index]]).toContain(weight));
      }
    }),
  );
});

test("magnitude keeps none that is smaller than one it removes [example.pruning]", () => {
  fc.assert(
    fc.property(models, shares, (model, share) => {
      const pruned = pruneByMagnitude(model, share);
      const removed = [...model.weights].filter((_, index) => pruned.weights[index] === 0).map(Math.abs);
      const smallest = Math.min(Number.POSITIVE_INFINITY, ...kept(pruned).map(Math.abs));
      expect(Math.max(0, ...removed)).toBeLessThanOrEqual(smallest);
    }),
  );
});
