import type { Sentence } from "./corpus.ts";

/** A text as numbers of words; every sentence ends with `END`. */
export type Text = readonly (readonly number[])[];

/** Stands before a sentence, twice; is never predicted. */
export const START = 0;
/** Ends a sentence; is predicted like a word. */
export const END = 1;
/** Stands for every word outside the vocabulary; is predicted like a word. */
export const UNKNOWN = 2;
const FIRST_WORD = 3;

/** What can be predicted: the words seen at least twice in training, the end of a sentence, and the unknown word. */
export class Vocabulary {
  readonly #numbers = new Map<string, number>();

  /** Words seen once become unknown, so that the unknown word has counts like any other. */
  constructor(train: readonly Sentence[]) {
    const counts = new Map<string, number>();
    for (const word of train.flat()) counts.set(word, (counts.get(word) ?? 0) + 1);
    for (const [word, count] of counts) if (count >= 2) this.#numbers.set(word, FIRST_WORD + this.#numbers.size);
  }

  /** One more than the largest number in use. */
  get limit(): number {
    return FIRST_WORD + this.#numbers.size;
  }

  /** How many outcomes a prediction has: all but `START`. */
  get size(): number {
    return this.limit - 1;
  }

  encode(sentences: readonly Sentence[]): Text {
    return sentences.map((sentence) => [...sentence.map((word) => this.#numbers.get(word) ?? UNKNOWN), END]);
  }
}

/** Counts of words after contexts: a row is a context, which has a number. */
export class Counts {
  readonly #cells = new Map<number, number>();
  readonly #totals = new Map<number, number>();
  readonly #types = new Map<number, number>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds one. Returns whether this word is new after this context. */
  add(context: number, word: number): boolean {
    const cell = context * this.#limit + word;
    const before = this.#cells.get(cell) ?? 0;
    this.#cells.set(cell, before + 1);
    increment(this.#totals, context);
    if (before === 0) increment(this.#types, context);
    return before === 0;
  }

  /** c(context word) */
  of(context: number, word: number): number {
    return this.#cells.get(context * this.#limit + word) ?? 0;
  }

  /** The sum of c(context w) over all w. */
  total(context: number): number {
    return this.#totals.get(context) ?? 0;
  }

  /** N1+(context .): how many different words follow the context. */
  types(context: number): number {
    return this.#types.get(context) ?? 0;
  }
}

/** Counts of the orders one to three. A context of two words u v has the number `u * limit + v`; the empty one is 0. */
export interface TrigramCounts {
  limit: number;
  trigrams: Counts;
  bigrams: Counts;
  unigrams: Counts;
  /** N1+(. v w): how many different words stand before v w. */
  bigramContinuations: Counts;
  /** N1+(. w): how many different words stand before w. */
  unigramContinuations: Counts;
}

export function countTrigrams(text: Text, limit: number): TrigramCounts {
  const [trigrams, bigrams, unigrams] = [new Counts(limit), new Counts(limit), new Counts(limit)];
  const [bigramContinuations, unigramContinuations] = [new Counts(limit), new Counts(limit)];
  forEachTrigram(text, (u, v, w) => {
    if (trigrams.add(u * limit + v, w)) bigramContinuations.add(v, w);
    if (bigrams.add(v, w)) unigramContinuations.add(0, w);
    unigrams.add(0, w);
  });
  return { limit, trigrams, bigrams, unigrams, bigramContinuations, unigramContinuations };
}

/** Visits every predicted word w of a text with the two words u v before it. */
export function forEachTrigram(text: Text, visit: (u: number, v: number, w: number) => void): void {
  for (const sentence of text) {
    let [u, v] = [START, START];
    for (const w of sentence) {
      visit(u, v, w);
      [u, v] = [v, w];
    }
  }
}

function increment(map: Map<number, number>, key: number): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
