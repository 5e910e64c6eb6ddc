import { declaredNumbers, isDeclared, numberOf, type Declared } from "./declared-numbers.ts";
import { exampleOf, type Directive } from "./directives.ts";
import type { DocumentFacts } from "./facts.ts";
import { problem, warning, type DocumentProblem } from "./problems.ts";
import { directiveMark, placeAt, type Prose } from "./prose.ts";
import { suggestions, valueDirective, type TypedNumber } from "./recorded-numbers.ts";
import { cellsOf } from "./values.ts";

/** A number in the text, with what stands around it. */
interface Typed extends TypedNumber {
  before: string;
  after: string;
  /** Position in the prose. */
  at: number;
}

const numeral =
  /\d+\u2044\d+|(?<![\p{L}\p{N}.,])-?(?:\d{1,3}(?:[,\u202F\u00A0']\d{3})+|\d+)(?:\.\d+)?(?:\s?[x×*]\s?10\s?\^?\s?-?\d+|e[-+]?\d+)?|(?<![\p{L}\p{N}])-?\.\d+|\d+(?:[.,]\d+)?/giu;

/** Whole stretches of text in which digits are no measurement: addresses, dates, versions, citations. */
const stretches: readonly RegExp[] = [
  /\b[a-z][a-z+.-]*:\/\/[^\s<>]+/gi,
  /\b(?:doi:\s*)?10\.\d{4,9}\/[^\s<>]+/gi,
  /\barXiv:\s*\d{4}\.\d{4,5}(?:v\d+)?/gi,
  /\[\d+(?:\s*[,-]\s*\d+)*\]/g,
  /\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?/g,
  /\b\d{1,2}:\d{2}(?::\d{2})?\b/g,
  /\b(?:\d{1,2} )?(?:January|February|March|April|May|June|July|August|September|October|November|December)(?: \d{1,2},)?(?: \d{4}| \d{1,2})?\b/g,
  /\bv?\d+(?:\.\d+){2,}\b/g,
  /\bv\d+(?:\.\d+)?\b/g,
  /\b(?:version|Python|PyTorch|TensorFlow|JAX|NumPy|CUDA|cuDNN|Node(?:\.js)?|R|Julia|Ubuntu|Debian|GPT|Llama|LLaMA|Qwen|Gemma|Claude|Gemini|Mistral|Phi|Pythia|OLMo|T5|BERT)[- ]?v?\d+(?:\.\d+)?\b/g,
  // Commits and other hashes.
  /\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b/g,
];

/** A number after one of these counts or names a part: `Section 3`, `seeds 0, 1 and 2`. */
const references =
  /(?:#|\b(?:sections?|figures?|figs?\.?|tables?|equations?|eqs?\.?|appendix|chapters?|pages?|pp?\.|lines?|steps?|stages?|phases?|rounds?|epochs?|layers?|heads?|seeds?|runs?|issues?|comparisons?|experiments?|hypothes[ie]s|claims?|questions?|items?|points?|parts?|notes?|options?|levels?|no\.))\s*(?:\d+\s*(?:,|-|to|and|or|,\s*and)\s*)*$/i;

const unitsAfter = /^\s?(?:%|‰|percent(?:age)?\b|per cent\b|pp\b|points?\b|times\b|fold\b|-fold\b|x\b|×)/i;
/** Characters on each side of a number that say what it is. */
const nearby = 120;

/** Larger whole numbers are no everyday counts. */
const largestCount = 12;

/** What typed numbers are judged by. */
export interface NumberRules {
  declared: Declared;
  /** Names of metrics and their units. */
  metrics: RegExp | null;
  /** The directive that gives a number. */
  suggest: (typed: TypedNumber) => string | null;
  /** A directive of this experiment, to show how one is written. */
  example: string;
}

export function numberRules(facts: DocumentFacts): NumberRules {
  const [table] = facts.tables;
  const [cell] = table === undefined ? [] : cellsOf(table);
  return {
    declared: declaredNumbers(facts),
    metrics: metricPattern(facts),
    suggest: suggestions(facts),
    example:
      table === undefined || cell === undefined ? exampleOf("value") : valueDirective("mean", table.metric, cell),
  };
}

/** Numbers that were typed by hand and look like measurements. */
export function typedNumberProblems(prose: Prose, rules: NumberRules): DocumentProblem[] {
  const { declared, metrics, suggest, example } = rules;
  const text = masked(prose.text, declared);
  return [
    ...numbersIn(text)
      .filter((typed) => looksMeasured(typed, prose, declared, metrics))
      .map((typed) => typedProblem(typed, prose, suggest(typed), example)),
    ...wordProblems(prose, text, example),
  ];
}

/** A number that is said to come from elsewhere, and is also what was measured here. */
export function constantProblems({ name, label, place }: Directive, { suggest }: NumberRules): DocumentProblem[] {
  if (name !== "constant") return [];
  return numbersIn(label).flatMap((typed) => {
    const directive = typed.decimals === 0 ? null : suggest(typed);
    if (directive === null) return [];
    const found = `The constant ${typed.text} is also what was measured here.`;
    return [warning("constant-measured", place, found, `If it is that, write \`${directive}\`.`)];
  });
}

function numbersIn(text: string): Typed[] {
  return [...text.matchAll(numeral)].map((match) => {
    const [found] = match;
    const end = match.index + found.length;
    const after = text.slice(end, end + nearby);
    const mantissa = found.replace(/[\s,\u202F\u00A0'](?=\d{3})/g, "").replace(",", ".");
    const scaled = /^(.*?)\s?[x×*]\s?10\s?\^?\s?(-?\d+)$/i.exec(mantissa);
    const value = scaled === null ? numberOf(mantissa) : Number(`${scaled[1]}e${scaled[2]}`);
    return {
      text: found,
      value,
      decimals: /[.](\d+)$/.exec(mantissa)?.[1]?.length ?? 0,
      percent: /^\s?(?:%|percent|per cent)/i.test(after),
      before: text.slice(Math.max(0, match.index - nearby), match.index),
      after,
      at: match.index,
    };
  });
}

/** The text with everything that is no number of its own replaced, character by character. */
function masked(text: string, { names }: Declared): string {
  const blank = (found: string): string => "_".repeat(found.length);
  let masked = text;
  for (const name of names) masked = masked.replace(nameExpression(name), blank);
  for (const stretch of stretches) masked = masked.replace(stretch, blank);
  return masked;
}

function nameExpression(name: string): RegExp {
  const literal = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?<![\\p{L}\\p{N}.])${literal}(?![\\p{L}\\p{N}])(?!\\.\\d)`, "gu");
}

function looksMeasured(typed: Typed, { kind }: Prose, declared: Declared, metrics: RegExp | null): boolean {
  const { text, value, percent, before, after, decimals } = typed;
  // It would show as one number with what the directive gives.
  if (before.endsWith(directiveMark) || after.startsWith(directiveMark)) return true;
  const whole = Number.isInteger(value) && decimals === 0 && !/e/i.test(text);
  const ratio = unitsAfter.test(after);
  if (whole && namesSomething(typed, ratio)) return false;
  if (saidOfMetric(typed, metrics)) return true;
  const beside = besideMetric(typed, metrics);
  if (isDeclared(value, percent, declared) && !(whole ? ratio && !percent : beside)) return false;
  if (!whole || ratio) return true;
  if (/^\d{4}$/.test(text) && value >= 1900 && value < 2100) return false;
  return (kind === "text" && beside) || Math.abs(value) > largestCount || /^\p{L}/u.test(after);
}

/** `GPT-4`, `the 2nd`, `3D`, `Section 3` */
function namesSomething({ before, after }: Typed, ratio: boolean): boolean {
  if (/[\p{L}_]-?$/u.test(before) && !ratio) return true;
  return /^(?:(?:st|nd|rd|th|D|d)\b|-(?!fold)\p{L})/u.test(after) || references.test(before);
}

/** `accuracy of 0.9`, `accuracy: 0.9` */
function saidOfMetric({ before }: Typed, metrics: RegExp | null): boolean {
  if (metrics === null) return false;
  const link = "(?:\\W*\\b(?:of|is|was|are|were|at|to|by|from|reached|reaches|rose|rises|fell|falls|about|around)\\b)";
  return new RegExp(`(?<![\\p{L}\\p{N}])(?:${metrics.source})(?:${link}{1,3}|\\s*[=:~≈])[\\s=:~≈(]*$`, "iu").test(
    before,
  );
}

/** `0.9 accuracy`, `0.31 nats` */
function besideMetric({ after }: Typed, metrics: RegExp | null): boolean {
  return metrics !== null && new RegExp(`^[\\s-]*(?:${metrics.source})(?![\\p{L}\\p{N}])`, "iu").test(after);
}

function metricPattern({ tables }: DocumentFacts): RegExp | null {
  const words = tables.flatMap(({ metric, unit }) => [metric, ...(unit === null ? [] : [unit])]);
  const sources = words.map((word) =>
    word
      .split(/[\s_-]+/)
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join("[\\s_-]+"),
  );
  return sources.length === 0 ? null : new RegExp(sources.join("|"), "iu");
}

function typedProblem(typed: Typed, { places }: Prose, directive: string | null, example: string): DocumentProblem {
  const shown = `${typed.text}${/^\s?%/.exec(typed.after)?.[0] ?? ""}`;
  const next =
    directive === null
      ? `Write a directive such as \`${example}\`; if it was not measured here, \`:constant[${shown}]{source="..."}\`.`
      : `Write \`${directive}\`, which is resolved from the runs.`;
  return problem("number-typed", placeAt(places, typed.at), `${shown} looks like a measurement typed by hand.`, next);
}

const tens = "(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)";
const ones = "(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)";
const teens = "(?:thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen)";
const spelled = `(?:${tens}(?:[- ]${ones})?|${teens}|${ones}|(?:a |one )?hundred|(?:a |one )?thousand)`;

/** Measurements in words. */
const inWords: readonly RegExp[] = [
  new RegExp(`\\b${spelled}\\s+(?:percent(?:age)?\\b|per cent\\b|%|points?\\b|pp\\b)`, "gi"),
  new RegExp(`\\b${spelled}\\s+point\\s+${ones}\\b`, "gi"),
  new RegExp(
    `\\b${spelled}(?:[- ]?fold\\b(?!\\s+cross)|\\s+times\\s+(?:as|better|worse|faster|slower|lower|higher|more|less|fewer|smaller|larger))`,
    "gi",
  ),
];

function wordProblems({ places }: Prose, text: string, example: string): DocumentProblem[] {
  return inWords.flatMap((expression) =>
    [...text.matchAll(expression)].map((match) =>
      problem(
        "number-typed",
        placeAt(places, match.index),
        `\`${match[0]}\` is a measurement in words.`,
        `Write a directive such as \`${example}\`, or \`:constant[...]{source="..."}\`.`,
      ),
    ),
  );
}
