import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { shuffled, uniformGenerator } from "../random.ts";
import { parseDocument, parseGenres, splitDocuments, type Document, type Split } from "./src/corpus.ts";
import { countTrigrams, END, START, UNKNOWN, Vocabulary } from "./src/counts.ts";
import { select, testPerplexity } from "./src/evaluate.ts";
import { absoluteDiscounting, additive, families, kneserNey, perplexity } from "./src/models.ts";

const documentOf = (text: string): Document => ({
  id: "x",
  sentences: text.split("\n").map((line) => line.split(" ")),
});

/** Small texts over few words, so that contexts are seen often, seldom and never. */
const sentences = fc.array(fc.array(fc.constantFrom("a", "b", "c", "d", "e"), { minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 12,
});

describe("probabilities", () => {
  test.each(Object.entries(families))("of %s sum to one after every context", (_, family) => {
    fc.assert(
      fc.property(sentences, fc.constantFrom(...family.candidates), (train, value) => {
        const vocabulary = new Vocabulary(train);
        const model = family.model(countTrigrams(vocabulary.encode(train), vocabulary.limit), vocabulary.size, value);
        const words = Array.from({ length: vocabulary.limit }, (_, word) => word);
        for (const u of words) {
          for (const v of words) {
            const probabilities = words.filter((word) => word !== START).map((w) => model(u, v, w));
            expect(Math.min(...probabilities)).toBeGreaterThanOrEqual(0);
            expect(probabilities.reduce((sum, p) => sum + p)).toBeCloseTo(1, 10);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  // "a b" twice, "b b" once: the vocabulary is {a, b, </s>, <unk>}, so a prediction has 4 outcomes.
  const text = [
    ["a", "b"],
    ["a", "b"],
    ["b", "b"],
  ];
  const vocabulary = new Vocabulary(text);
  const counts = countTrigrams(vocabulary.encode(text), vocabulary.limit);
  const [a, b] = vocabulary.encode([["a", "b"]])[0] as [number, number];

  test("are those worked out by hand", () => {
    // c(<s> a b) = 2 of 2
    expect(additive(counts, 4, 0.5)(START, a, b)).toBeCloseTo((2 + 0.5) / (2 + 0.5 * 4), 12);

    // Unigrams: a 2, b 4, </s> 3 of 9; with D = 0.5 three types give up 1.5.
    const unigram = (4 - 0.5) / 9 + (1.5 / 9) * (1 / 4);
    const bigram = (2 - 0.5) / 2 + (0.5 / 2) * unigram; // after a: b twice, one type
    expect(absoluteDiscounting(counts, 4, 0.5)(START, a, b)).toBeCloseTo((2 - 0.5) / 2 + (0.5 / 2) * bigram, 12);

    // Continuations: before b stand a, <s> and b; before a <s>; before </s> b: 3 + 1 + 1 = 5.
    const unigramSeen = (3 - 0.5) / 5 + (1.5 / 5) * (1 / 4);
    const bigramSeen = (1 - 0.5) / 1 + (0.5 / 1) * unigramSeen; // before "a b" stands <s> only
    expect(kneserNey(counts, 4, 0.5)(START, a, b)).toBeCloseTo((2 - 0.5) / 2 + (0.5 / 2) * bigramSeen, 12);
  });

  test("of an unseen context are those of the next lower order", () => {
    const model = absoluteDiscounting(counts, 4, 0.5);
    const unigram = (3 - 0.5) / 9 + (1.5 / 9) * (1 / 4);
    expect(model(a, UNKNOWN, END)).toBeCloseTo(unigram, 12);
  });

  test("that are uniform over four outcomes have perplexity four", () => {
    expect(perplexity(() => 1 / 4, vocabulary.encode(text))).toBeCloseTo(4, 12);
  });
});

describe("vocabulary", () => {
  test("has the words seen twice in training; all others are one unknown word", () => {
    const vocabulary = new Vocabulary([["a", "a", "b"]]);
    expect(vocabulary.size).toBe(3); // a, the end of a sentence, the unknown word
    expect(vocabulary.encode([["b", "never"]])).toEqual([[UNKNOWN, UNKNOWN, END]]);
    expect(vocabulary.encode([["a"]])[0]).not.toContain(UNKNOWN);
  });
});

describe("corpus", () => {
  test("loses its tags, also of words with a slash", () => {
    expect(parseDocument("\n\n\tThe/at 1/2/cd ,/, \n\tEnd/nn\n")).toEqual([["the", "1/2", ","], ["end"]]);
  });

  test("lists the documents of each genre", () => {
    expect(parseGenres("ca01 news\nca02 news\ncr01 humor\n")).toEqual(
      new Map([
        ["news", ["ca01", "ca02"]],
        ["humor", ["cr01"]],
      ]),
    );
  });

  test("is split into three parts that share no document and lose none [F57]", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 80 }), fc.integer(), (size, seed) => {
        const documents = Array.from({ length: size }, (_, index) => ({ id: `${index}`, sentences: [] }));
        const { train, validation, test: tested } = splitDocuments(documents, "genre", seed);
        const ids = [train, validation, tested].flatMap((part) => part.map((document) => document.id));
        expect(Math.min(train.length, validation.length, tested.length)).toBeGreaterThanOrEqual(1);
        expect(ids.toSorted()).toEqual(documents.map((document) => document.id).toSorted());
      }),
    );
  });

  test("is split by genre and seed alone, so that every arm sees the same parts [F50]", () => {
    const documents = Array.from({ length: 20 }, (_, index) => ({ id: `${index}`, sentences: [] }));
    expect(splitDocuments(documents, "news", 1)).toEqual(splitDocuments(documents, "news", 1));
    expect(splitDocuments(documents, "news", 1)).not.toEqual(splitDocuments(documents, "news", 2));
    expect(splitDocuments(documents, "news", 1)).not.toEqual(splitDocuments(documents, "lore", 1));
  });
});

describe("selection", () => {
  const split = splitDocuments(inventedGenre(), "invented", 0);

  test.each(Object.entries(families))("of %s takes the lowest perplexity on the validation part", (_, family) => {
    const { chosen, tried } = select(family, split);
    expect(tried.map((each) => each.value)).toEqual(family.candidates);
    expect(chosen.validationPerplexity).toBe(Math.min(...tried.map((each) => each.validationPerplexity)));
  });

  test.each(Object.entries(families))("of %s never reads the test part [F57]", (_, family) => {
    const guarded: Split = {
      ...split,
      get test(): never {
        throw new Error("the test part was read");
      },
    };
    expect(() => guarded.test).toThrow("was read");
    expect(select(family, guarded).chosen).toEqual(select(family, split).chosen);
  });

  test.each(["add-k", "absolute-discounting", "kneser-ney"])("of %s finds better than the first value", (name) => {
    const { chosen, tried } = select(families[name] ?? expect.fail(name), split);
    expect(chosen.validationPerplexity).toBeLessThan(
      tried[0]?.validationPerplexity ?? expect.fail("nothing was tried"),
    );
  });

  test("the arms that are tuned try equally many values", () => {
    const tuned = Object.entries(families).filter(([name]) => name !== "add-one");
    expect(new Set(tuned.map(([, family]) => family.candidates.length)).size).toBe(1);
  });

  test("the same seed gives the same perplexity", () => {
    const measure = () => {
      const { train, validation, test: tested } = splitDocuments(inventedGenre(), "invented", 3);
      return testPerplexity(select(families["kneser-ney"] ?? expect.fail(), { train, validation }), tested);
    };
    expect(measure()).toBe(measure());
  });

  test("Kneser-Ney is best and add-one worst on a genre with fixed phrases [example.smoothing]", () => {
    const measured = ["kneser-ney", "absolute-discounting", "add-k", "add-one"].map((name) =>
      testPerplexity(select(families[name] ?? expect.fail(name), split), split.test),
    );
    expect(measured).toEqual(measured.toSorted((a, b) => a - b));
    expect(new Set(measured).size).toBe(4);
  });
});

/**
 * Text with the property that Kneser-Ney uses: some frequent words stand after one word only ("san francisco"), so
 * their frequency says little about them after other words. Words are drawn by Zipf's law.
 */
function inventedGenre(): Document[] {
  const uniform = uniformGenerator("an invented genre");
  const words = shuffled(
    Array.from({ length: 300 }, (_, index) => `w${index}`),
    uniform,
  );
  const zipf = () => words[Math.min(words.length - 1, Math.floor(words.length ** uniform()) - 1)] as string;
  const sentence = () =>
    Array.from({ length: 4 + Math.floor(uniform() * 8) }, zipf).flatMap((word, index, all) => {
      const number = Number(word.slice(1));
      if (number % 3 === 0) return [word, `after-${number}`];
      return index > 0 && uniform() < 0.3 ? [`${all[index - 1]}s`, word] : [word];
    });
  return Array.from({ length: 30 }, () =>
    documentOf(Array.from({ length: 40 }, () => sentence().join(" ")).join("\n")),
  );
}
