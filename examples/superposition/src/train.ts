import type { Uniform } from "../../random.ts";
import { gradientOf, type Model } from "./model.ts";

export interface Training {
  features: number;
  hidden: number;
  /** Chance that a feature is present in an input: 1 is dense, small is sparse. */
  featureProbability: number;
  /** Feature i has importance `decay ** i`. */
  importanceDecay: number;
  steps: number;
  batch: number;
  learningRate: number;
}

/** Where an input may be used: which features it has if they are present with a given chance, and their values. */
interface Draw {
  presence: Float64Array;
  values: Float64Array;
}

/**
 * Random numbers for one input. They do not depend on the feature probability, so arms with the same seed differ in
 * nothing but the threshold that is put to them.
 */
export function draw(features: number, uniform: Uniform): Draw {
  const presence = Float64Array.from({ length: features }, uniform);
  return { presence, values: Float64Array.from({ length: features }, uniform) };
}

/** Feature i has its value with the given chance, else zero. Values are uniform in [0, 1). */
export function inputFrom({ presence, values }: Draw, featureProbability: number): Float64Array {
  return values.map((value, i) => ((presence[i] as number) < featureProbability ? value : 0));
}

export function importanceOf({ features, importanceDecay }: Training): Float64Array {
  return Float64Array.from({ length: features }, (_, i) => importanceDecay ** i);
}

/** Weights by Glorot and Bengio's normal rule, biases zero. */
export function initialModel({ features, hidden }: Training, uniform: Uniform): Model {
  const deviation = Math.sqrt(2 / (features + hidden));
  const weights = Float64Array.from({ length: features * hidden }, () => deviation * normal(uniform));
  return { features, hidden, weights, bias: new Float64Array(features) };
}

/**
 * Trains by Adam (Kingma and Ba 2015, algorithm 1) on new inputs in every step, with a learning rate that falls to zero
 * along a half cosine.
 *
 * @param observe is told the loss of each step's batch before the update.
 */
export function train(training: Training, uniform: Uniform, observe: (step: number, loss: number) => void): Model {
  const model = initialModel(training, uniform);
  const importance = importanceOf(training);
  const [updateWeights, updateBias] = [adam(model.weights), adam(model.bias)];
  for (let step = 0; step < training.steps; step += 1) {
    const inputs = Array.from({ length: training.batch }, () =>
      inputFrom(draw(training.features, uniform), training.featureProbability),
    );
    const gradient = gradientOf(model, inputs, importance);
    observe(step, gradient.loss);
    const rate = (training.learningRate * (1 + Math.cos((Math.PI * step) / training.steps))) / 2;
    updateWeights(gradient.weights, rate);
    updateBias(gradient.bias, rate);
  }
  return model;
}

/** The update of one parameter vector in place, with the two moments it needs. */
function adam(parameters: Float64Array): (gradient: Float64Array, rate: number) => void {
  const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8];
  const [first, second] = [new Float64Array(parameters.length), new Float64Array(parameters.length)];
  let step = 0;
  return (gradient, rate) => {
    step += 1;
    const [correction1, correction2] = [1 - beta1 ** step, 1 - beta2 ** step];
    gradient.forEach((slope, i) => {
      const mean = beta1 * (first[i] as number) + (1 - beta1) * slope;
      const square = beta2 * (second[i] as number) + (1 - beta2) * slope ** 2;
      [first[i], second[i]] = [mean, square];
      parameters[i] =
        (parameters[i] as number) - (rate * (mean / correction1)) / (Math.sqrt(square / correction2) + epsilon);
    });
  };
}

/** Box and Muller's transform of two uniform numbers. */
function normal(uniform: Uniform): number {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
