import { isSignificant } from "./comparisons.ts";
import type { Directive } from "./directives.ts";
import type { DocumentFacts } from "./facts.ts";
import { problem, warning, type DocumentProblem, type Place } from "./problems.ts";
import { directiveMark, placeAt, type Prose } from "./prose.ts";

/** A word that says more than an experiment can. */
interface StrongWord {
  words: RegExp;
  why: string;
  instead: string;
}

const strongWords: readonly StrongWord[] = [
  {
    words: /\b(?:proves?|proved|proven|proof)\b/gi,
    why: "an experiment supports a statement for what was tested",
    instead: "Write `supports`, or `is consistent with`.",
  },
  {
    words: /\b(?:always|never|invariably|without exception|in all cases|every time)\b/gi,
    why: "only the tasks and seeds of the plan were run",
    instead: "Say on which tasks and seeds: `on all five tasks`.",
  },
  {
    words: /\bguarantee(?:s|d)?\b/gi,
    why: "nothing that was not run is known",
    instead: "Say what was seen, and on what.",
  },
  {
    words: /\b(?:state[- ]of[- ]the[- ]art|sota)\b/gi,
    why: "the arms were compared with each other only",
    instead: "Name the arm that it was compared with.",
  },
  {
    words:
      /\b(?:undoubtedly|undeniabl[ey]|unquestionabl[ey]|indisputabl[ey]|conclusive(?:ly)?|definitive(?:ly)?|beyond doubt|certainly|clearly|obviously)\b/gi,
    why: "the confidence of a result is decided by its numbers",
    instead: "Leave it out.",
  },
  {
    words:
      /\b(?:groundbreaking|revolutionary|unprecedented|dramatic(?:ally)?|remarkabl[ey]|vastly|drastically|massive(?:ly)?|perfect(?:ly)?)\b/gi,
    why: "it gives no size",
    instead: "Give the size: `:comparison[effect]`.",
  },
];

const significance = /\b(?:statistically\s+)?significan(?:t|tly|ce)\b/gi;
const vagueSizes = /\b(?:twice|doubl(?:es|ed)|tripl(?:es|ed)|halv(?:es|ed)|orders? of magnitude)\b/gi;
const comparatives =
  /\b(?:outperform(?:s|ed)?|surpass(?:es|ed)?|beats?|exceeds?|superior to|better than|worse than|(?:higher|lower|faster|larger|smaller) than|improv(?:es|ed)|wins?|(?:the|is) best)\b/gi;
const negation =
  /\b(?:not|no|nor|neither|never|cannot|can't|doesn't|didn't|isn't|wasn't|hardly|without)\b[^.;]{0,40}$/i;

/** Words that are too strong, and claims that the decision does not carry. For parts of a document that claim something. */
export function claimProblems(prose: Prose, facts: DocumentFacts): DocumentProblem[] {
  return sentencesOf(prose).flatMap((sentence) => [
    ...strongWords.flatMap(({ words, why, instead }) =>
      affirmed(words, sentence).map(({ word, place }) =>
        problem("word-strong", place, `\`${word}\`: ${why}.`, instead),
      ),
    ),
    ...significanceProblems(sentence, facts),
    ...affirmed(vagueSizes, sentence).map(({ word, place }) =>
      warning("size-vague", place, `\`${word}\` is a size in words.`, "Give the numbers: `:value` or `:comparison`."),
    ),
    ...(sentence.text.includes(directiveMark) ? [] : affirmed(comparatives, sentence)).map(({ word, place }) =>
      unsupported(word, place, facts),
    ),
  ]);
}

interface Sentence {
  text: string;
  directives: readonly Directive[];
  placeAt: (at: number) => Place;
}

interface Found {
  word: string;
  place: Place;
  negated: boolean;
}

function wordsIn(expression: RegExp, { text, placeAt }: Sentence): Found[] {
  return [...text.matchAll(expression)].map((match) => ({
    word: match[0],
    place: placeAt(match.index),
    negated: negation.test(text.slice(Math.max(0, match.index - 60), match.index)),
  }));
}

const affirmed = (expression: RegExp, sentence: Sentence): Found[] =>
  wordsIn(expression, sentence).filter(({ negated }) => !negated);

/** A difference is significant where a test says so, and not significant where one was made. */
function significanceProblems(sentence: Sentence, facts: DocumentFacts): DocumentProblem[] {
  const compared = sentence.directives.filter(({ name }) => name === "comparison");
  const significant = compared.some(({ attributes }) => tested(attributes["number"], facts));
  return wordsIn(significance, sentence)
    .filter(({ negated }) => (negated ? compared.length === 0 : !significant))
    .map(({ word, place, negated }) =>
      problem(
        "word-significant",
        place,
        negated
          ? `\`${word}\` without the comparison that was tested, in the same sentence.`
          : `\`${word}\` without a comparison that was significant, in the same sentence.`,
        "Add `:comparison[p]{number=N}`, or leave the word out.",
      ),
    );
}

function tested(number: string | undefined, { decision }: DocumentFacts): boolean {
  const comparison = decision?.comparisons[Number(number ?? "1") - 1];
  return comparison !== undefined && isSignificant(comparison);
}

function unsupported(word: string, place: Place, { decision }: DocumentFacts): DocumentProblem {
  const next = "Say it with its numbers: `:comparison{number=N}` in the same sentence.";
  if (decision !== null && decision.outcome === "supported") {
    return warning("claim-bare", place, `\`${word}\` without a number.`, next);
  }
  const outcome = decision === null ? "without a decision rule" : `whose outcome is ${decision.outcome}`;
  return problem("claim-unsupported", place, `\`${word}\` is claimed of an experiment ${outcome}.`, next);
}

function sentencesOf({ text, places, directives }: Prose): Sentence[] {
  // A question claims nothing.
  const all = [...text.matchAll(/(?:[^.!?;]|[.!?;](?!\s|$))+/g)].filter(
    ({ 0: sentence, index }) => text[index + sentence.length] !== "?",
  );
  return all.map(({ 0: sentence, index: start }) => ({
    text: sentence,
    directives: [...directives].filter(([at]) => at >= start && at < start + sentence.length).map(([, one]) => one),
    placeAt: (at) => placeAt(places, start + at),
  }));
}
