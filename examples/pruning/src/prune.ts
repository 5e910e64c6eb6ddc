import { shuffled, type Uniform } from "../../random.ts";
import type { Model } from "../../superposition/src/model.ts";

/** The model with only those weights that stand first in an order; all others are zero. */
function keep(model: Model, order: readonly number[], share: number): Model {
  const kept = new Set(order.slice(0, Math.round(share * model.weights.length)));
  return { ...model, weights: model.weights.map((weight, index) => (kept.has(index) ? weight : 0)) };
}

const indexes = ({ weights }: Model): number[] => Array.from(weights, (_, index) => index);

/** Keeps the weights of the largest magnitude. @param share of the weights that stay, from 0 to 1 */
export function pruneByMagnitude(model: Model, share: number): Model {
  const size = (index: number): number => Math.abs(model.weights[index] as number);
  const order = indexes(model).toSorted((a, b) => size(b) - size(a));
  return keep(model, order, share);
}

/** Keeps weights drawn at random. @param share of the weights that stay, from 0 to 1 */
export function pruneAtRandom(model: Model, share: number, uniform: Uniform): Model {
  return keep(model, shuffled(indexes(model), uniform), share);
}
