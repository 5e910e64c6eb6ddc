import { forEachTrigram, type Counts, type Text, type TrigramCounts } from "./counts.ts";

/** p(w | u v) of a trigram model. */
export type Model = (u: number, v: number, w: number) => number;

/** A family of models with one parameter, and the values among which it is chosen. */
export interface Family {
  /** What the parameter is: `k` or `discount`. */
  parameter: string;
  candidates: readonly number[];
  /** @param size how many outcomes a prediction has */
  model(counts: TrigramCounts, size: number, value: number): Model;
}

/** 10^-6, 10^-5.75, ..., 1 */
const SMALL_COUNTS = Array.from({ length: 25 }, (_, index) => 10 ** (-6 + index / 4));
/** 0.04, 0.08, ..., 0.96, 1: as many as there are small counts, so that no arm is tuned harder than another. */
const DISCOUNTS = Array.from({ length: 25 }, (_, index) => (index + 1) / 25);

export const families: Readonly<Record<string, Family>> = {
  "add-one": { parameter: "k", candidates: [1], model: additive },
  "add-k": { parameter: "k", candidates: SMALL_COUNTS, model: additive },
  "absolute-discounting": { parameter: "discount", candidates: DISCOUNTS, model: absoluteDiscounting },
  "kneser-ney": { parameter: "discount", candidates: DISCOUNTS, model: kneserNey },
};

/**
 * Additive smoothing: p(w | u v) = (c(u v w) + k) / (c(u v .) + k |V|); add-one is k = 1.
 *
 * Lidstone 1920; Chen and Goodman 1999, section 2.1.
 */
export function additive(counts: TrigramCounts, size: number, k: number): Model {
  return (u, v, w) => {
    const context = u * counts.limit + v;
    return (counts.trigrams.of(context, w) + k) / (counts.trigrams.total(context) + k * size);
  };
}

/**
 * Absolute discounting, interpolated: each order gives up a discount D for every word seen after the context, and
 * spreads what it gained by the next lower order; the lowest order is uniform.
 *
 * p(w | h) = max(c(h w) - D, 0) / c(h .) + D N1+(h .) / c(h .) p(w | h'), where h' is h without its first word.
 *
 * Ney, Essen and Kneser 1994; Chen and Goodman 1999, section 2.6. One D for all orders, tuned, where they have one for
 * each.
 */
export function absoluteDiscounting(counts: TrigramCounts, size: number, discount: number): Model {
  return interpolated(counts, counts.bigrams, counts.unigrams, size, discount);
}

/**
 * Kneser-Ney smoothing, interpolated, not the modified one of three discounts: as absolute discounting, but the lower
 * orders count in how many different contexts a word was seen, N1+(. v w) and N1+(. w), and not how often.
 *
 * Kneser and Ney 1995; Chen and Goodman 1999, section 2.7, in the interpolated form of section 3. One D for all orders,
 * tuned. The two `START` before a sentence are words like others, so N1+(. START w) is 1 for each w that begins a
 * sentence.
 */
export function kneserNey(counts: TrigramCounts, size: number, discount: number): Model {
  return interpolated(counts, counts.bigramContinuations, counts.unigramContinuations, size, discount);
}

function interpolated(counts: TrigramCounts, bigrams: Counts, unigrams: Counts, size: number, discount: number): Model {
  const discounted = (order: Counts, context: number, w: number, lower: number) => {
    const total = order.total(context);
    if (total === 0) return lower;
    return (Math.max(order.of(context, w) - discount, 0) + discount * order.types(context) * lower) / total;
  };
  return (u, v, w) => {
    const unigram = discounted(unigrams, 0, w, 1 / size);
    const bigram = discounted(bigrams, v, w, unigram);
    return discounted(counts.trigrams, u * counts.limit + v, w, bigram);
  };
}

/** exp of the mean of -ln p over all predicted words of a text, the ends of sentences among them. */
export function perplexity(model: Model, text: Text): number {
  let [sum, words] = [0, 0];
  forEachTrigram(text, (u, v, w) => {
    sum -= Math.log(model(u, v, w));
    words += 1;
  });
  return Math.exp(sum / words);
}
