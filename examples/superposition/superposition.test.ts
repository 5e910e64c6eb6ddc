import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { uniformGenerator } from "../random.ts";
import {
  featureMass,
  featuresRepresented,
  gradientOf,
  lossOf,
  reconstruct,
  squaredNorms,
  type Model,
} from "./src/model.ts";
import { draw, importanceOf, initialModel, inputFrom, train, type Training } from "./src/train.ts";

const training: Training = {
  features: 5,
  hidden: 2,
  featureProbability: 1,
  importanceDecay: 0.9,
  steps: 1500,
  batch: 128,
  learningRate: 0.02,
};

describe("model", () => {
  const orthogonal: Model = {
    features: 3,
    hidden: 2,
    weights: Float64Array.of(1, 0, 0, 1, 0, 0), // features 0 and 1 have a hidden unit each, feature 2 none
    bias: Float64Array.of(0, 0, 0.5),
  };

  test("reads features out that have a hidden unit, and the bias of others", () => {
    expect([...reconstruct(orthogonal, Float64Array.of(0.25, 0.75, 1))]).toEqual([0.25, 0.75, 0.5]);
  });

  test("never reads out less than zero", () => {
    const antipodal = { features: 2, hidden: 1, weights: Float64Array.of(1, -1), bias: new Float64Array(2) };
    expect([...reconstruct(antipodal, Float64Array.of(0.5, 0))]).toEqual([0.5, 0]);
  });

  test("has the loss of its errors, weighed by importance", () => {
    const inputs = [Float64Array.of(0, 0, 1), Float64Array.of(0, 0, 0.5)];
    expect(lossOf(orthogonal, inputs, Float64Array.of(1, 1, 0.6))).toBeCloseTo((0.6 * 0.25) / (2 * 3), 12);
  });

  test("counts represented features by norm and by mass", () => {
    expect(squaredNorms(orthogonal)).toEqual([1, 1, 0]);
    expect(featuresRepresented(orthogonal)).toBe(2);
    expect(featureMass(orthogonal)).toBe(2);
  });

  test("has the gradient that finite differences give", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom(0.2, 1),
        fc.integer(),
        (features, hidden, featureProbability, seed) => {
          const shape = { ...training, features, hidden, featureProbability };
          const uniform = uniformGenerator(`gradient ${seed}`);
          const model = initialModel(shape, uniform);
          model.bias.forEach((_, i) => (model.bias[i] = uniform() - 0.3));
          const inputs = Array.from({ length: 7 }, () => inputFrom(draw(features, uniform), featureProbability));
          const importance = importanceOf(shape);
          fc.pre(isAwayFromKinks(model, inputs));

          const gradient = gradientOf(model, inputs, importance);
          expect(gradient.loss).toBeCloseTo(lossOf(model, inputs, importance), 12);
          for (const name of ["weights", "bias"] as const) {
            gradient[name].forEach((slope, i) => {
              const lossAt = (offset: number) => {
                const moved = { ...model, [name]: model[name].map((value, j) => (i === j ? value + offset : value)) };
                return lossOf(moved, inputs, importance);
              };
              expect(Math.abs(slope - (lossAt(1e-5) - lossAt(-1e-5)) / 2e-5)).toBeLessThan(1e-7);
            });
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("inputs", () => {
  test("of sparse and dense arms are the same draws under another threshold [F50]", () => {
    const one = draw(1000, uniformGenerator("x"));
    expect(draw(1000, uniformGenerator("x"))).toEqual(one);
    const [dense, sparse] = [inputFrom(one, 1), inputFrom(one, 0.05)];
    expect(dense).toEqual(one.values);
    sparse.forEach((value, i) => expect([0, dense[i]]).toContain(value));
    const present = sparse.filter((value) => value > 0).length;
    expect(present).toBeGreaterThan(25);
    expect(present).toBeLessThan(80);
  });
});

describe("training", () => {
  const trained = (featureProbability: number, seed: number) =>
    train({ ...training, featureProbability }, uniformGenerator(`seed ${seed}`), () => undefined);

  test("with the same seed gives the same model, with another seed another", () => {
    expect(trained(0.05, 1)).toEqual(trained(0.05, 1));
    expect(trained(0.05, 1).weights).not.toEqual(trained(0.05, 2).weights);
  });

  test("lowers the loss", () => {
    const losses: number[] = [];
    train(training, uniformGenerator("losses"), (_, loss) => losses.push(loss));
    expect(losses).toHaveLength(training.steps);
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? expect.fail("no loss")) / 2);
  });

  test("represents two features if inputs are dense: the most important ones", () => {
    const model = trained(1, 0);
    expect(featuresRepresented(model)).toBe(2);
    expect(squaredNorms(model).map(Math.round)).toEqual([1, 1, 0, 0, 0]);
  });

  test.each([0, 1, 2])(
    "represents at least four features if inputs are sparse, seed %i [example.superposition]",
    (seed) => {
      const [dense, sparse] = [trained(1, seed), trained(0.05, seed)];
      expect(featuresRepresented(sparse)).toBeGreaterThanOrEqual(4);
      expect(featuresRepresented(dense)).toBe(2);
      expect(featureMass(sparse) - featureMass(dense)).toBeGreaterThan(1);
    },
  );
});

/** Finite differences say nothing where ReLU bends; the outputs there are zero on one side only. */
function isAwayFromKinks(model: Model, inputs: readonly Float64Array[]): boolean {
  const lifted = (offset: number) => ({ ...model, bias: model.bias.map((value) => value + offset) });
  return inputs.every((input) => {
    const [low, high] = [reconstruct(lifted(-1e-3), input), reconstruct(lifted(1e-3), input)];
    return high.every((value, i) => value === 0 || (low[i] ?? 0) > 0);
  });
}
