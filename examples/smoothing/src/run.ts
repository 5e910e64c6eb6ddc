import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashInputs, openRun } from "../../../packages/rigor/helpers/rigor.ts";
import { readGenre, splitDocuments, type Document } from "./corpus.ts";
import { select, testPerplexity } from "./evaluate.ts";
import { families } from "./models.ts";

const run = openRun();
const genre = run.text("genre", "romance");
const familyName = run.text("smoothing", "kneser-ney");
const family = families[familyName];
if (family === undefined) throw new Error(`no smoothing "${familyName}", only ${Object.keys(families).join(", ")}`);

const split = splitDocuments(readGenre(genre), genre, run.seed);
const inputsHash = hashInputs({
  train: contentOf(split.train),
  validation: contentOf(split.validation),
  test: contentOf(split.test),
});

const selection = select(family, split);
const { value, validationPerplexity } = selection.chosen;
console.log(
  `${genre}, seed ${run.seed}, ${familyName}: ${family.parameter} = ${value}, ${selection.vocabulary.size} words`,
);

selection.tried.forEach((tried, step) => run.log(step, { validation_perplexity: tried.validationPerplexity }));
writeFileSync(
  join(run.output, "selection.json"),
  JSON.stringify({
    parameter: family.parameter,
    chosen: value,
    tried: selection.tried.map((tried) => ({ value: tried.value, validation_perplexity: tried.validationPerplexity })),
    vocabulary_size: selection.vocabulary.size,
    documents: { train: idsOf(split.train), validation: idsOf(split.validation), test: idsOf(split.test) },
  }),
);

const perplexity = testPerplexity(selection, split.test);
console.log(`perplexity ${perplexity.toFixed(2)} (validation ${validationPerplexity.toFixed(2)})`);
run.report({ perplexity, validation_perplexity: validationPerplexity }, inputsHash);

function contentOf(documents: readonly Document[]) {
  return documents.map(({ id, sentences }) => [id, sentences.map((words) => words.join(" ")).join("\n")]);
}

function idsOf(documents: readonly Document[]) {
  return documents.map((document) => document.id);
}
