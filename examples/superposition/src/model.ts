/**
 * The toy model of superposition (Elhage et al. 2022, "Toy Models of Superposition", sections "Experiment setup" and
 * "Basic results"): n features are squeezed through m < n hidden units and read out again,
 *
 *     h = W x,  x' = ReLU(W^T h + b),
 *
 * with the loss that weighs the squared error of feature i by its importance I_i, averaged over inputs and features.
 */
export interface Model {
  features: number;
  hidden: number;
  /** W by columns: entry k of column i is at `i * hidden + k`. Column i is the direction of feature i. */
  weights: Float64Array;
  bias: Float64Array;
}

export interface Gradient {
  loss: number;
  weights: Float64Array;
  bias: Float64Array;
}

/** x' for one input. */
export function reconstruct(model: Model, input: Float64Array): Float64Array {
  const { hidden, weights, bias } = model;
  const state = encode(model, input);
  return bias.map((offset, i) => {
    let sum = offset;
    for (let k = 0; k < hidden; k += 1) sum += at(weights, i * hidden + k) * at(state, k);
    return Math.max(0, sum);
  });
}

/** The mean over inputs and features of I_i (x_i - x'_i)^2. */
export function lossOf(model: Model, inputs: readonly Float64Array[], importance: Float64Array): number {
  let sum = 0;
  for (const input of inputs) {
    const output = reconstruct(model, input);
    output.forEach((value, i) => (sum += at(importance, i) * (value - at(input, i)) ** 2));
  }
  return sum / (inputs.length * model.features);
}

/** The loss and its derivatives by every weight and bias. W is used twice, so each weight has two terms. */
export function gradientOf(model: Model, inputs: readonly Float64Array[], importance: Float64Array): Gradient {
  const { features, hidden, weights } = model;
  const gradient = { loss: 0, weights: new Float64Array(weights.length), bias: new Float64Array(features) };
  const scale = 1 / (inputs.length * features);
  for (const input of inputs) {
    const state = encode(model, input);
    const output = reconstruct(model, input);
    const byState = new Float64Array(hidden);
    for (let i = 0; i < features; i += 1) {
      const error = at(output, i) - at(input, i);
      gradient.loss += scale * at(importance, i) * error ** 2;
      if (at(output, i) === 0) continue; // ReLU is flat here
      const slope = 2 * scale * at(importance, i) * error;
      add(gradient.bias, i, slope);
      for (let k = 0; k < hidden; k += 1) {
        add(gradient.weights, i * hidden + k, slope * at(state, k));
        add(byState, k, slope * at(weights, i * hidden + k));
      }
    }
    for (let j = 0; j < features; j += 1) {
      if (at(input, j) === 0) continue;
      for (let k = 0; k < hidden; k += 1) add(gradient.weights, j * hidden + k, at(byState, k) * at(input, j));
    }
  }
  return gradient;
}

/** ||W_i||^2 for each feature: about 1 if the feature is represented, about 0 if it is not. */
export function squaredNorms({ features, hidden, weights }: Model): number[] {
  return Array.from({ length: features }, (_, i) =>
    weights.subarray(i * hidden, (i + 1) * hidden).reduce((sum, weight) => sum + weight ** 2, 0),
  );
}

/** A feature counts as represented if ||W_i|| is above one half, midway between the two values that it takes. */
export function featuresRepresented(model: Model): number {
  return squaredNorms(model).filter((square) => Math.sqrt(square) > 0.5).length;
}

/** ||W||_F^2, the sum of all ||W_i||^2: how the paper counts features without a threshold ("The geometry of superposition"). */
export function featureMass(model: Model): number {
  return squaredNorms(model).reduce((sum, square) => sum + square, 0);
}

function encode({ features, hidden, weights }: Model, input: Float64Array): Float64Array {
  const state = new Float64Array(hidden);
  for (let j = 0; j < features; j += 1) {
    const value = at(input, j);
    if (value === 0) continue;
    for (let k = 0; k < hidden; k += 1) add(state, k, at(weights, j * hidden + k) * value);
  }
  return state;
}

/** The loops above stay inside the arrays; the compiler cannot know. */
function at(array: Float64Array, index: number): number {
  return array[index] as number;
}

function add(array: Float64Array, index: number, value: number): void {
  array[index] = at(array, index) + value;
}
