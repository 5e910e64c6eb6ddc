import type { Document, Sentence, Split } from "./corpus.ts";
import { countTrigrams, Vocabulary } from "./counts.ts";
import { perplexity, type Family, type Model } from "./models.ts";

/** A model whose parameter is chosen. */
export interface Selection {
  model: Model;
  vocabulary: Vocabulary;
  /** Every value that was tried, in order. */
  tried: { value: number; validationPerplexity: number }[];
  chosen: { value: number; validationPerplexity: number };
}

/**
 * Counts the training part and chooses the parameter on the validation part. The test part is not an argument: it
 * cannot be read here.
 */
export function select(family: Family, parts: Pick<Split, "train" | "validation">): Selection {
  const train = sentencesOf(parts.train);
  const vocabulary = new Vocabulary(train);
  const counts = countTrigrams(vocabulary.encode(train), vocabulary.limit);
  const validation = vocabulary.encode(sentencesOf(parts.validation));
  const modelAt = (value: number) => family.model(counts, vocabulary.size, value);

  const tried = family.candidates.map((value) => ({
    value,
    validationPerplexity: perplexity(modelAt(value), validation),
  }));
  const chosen = tried.reduce((best, next) => (next.validationPerplexity < best.validationPerplexity ? next : best));
  return { model: modelAt(chosen.value), vocabulary, tried, chosen };
}

/** The one use of the test part: the perplexity of a model that is chosen already. */
export function testPerplexity(selection: Selection, test: readonly Document[]): number {
  return perplexity(selection.model, selection.vocabulary.encode(sentencesOf(test)));
}

function sentencesOf(documents: readonly Document[]): Sentence[] {
  return documents.flatMap((document) => document.sentences);
}
