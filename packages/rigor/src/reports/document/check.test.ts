import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkDocument } from "./check.ts";
import { documentWith, facts } from "./document.testing.ts";
import type { DocumentFacts } from "./facts.ts";
import { draftDocument } from "./draft.ts";

const known = facts();
const weak = facts({
  values: {
    base: { sst2: [0.81, 0.82, 0.8], mnli: [0.6, 0.61, 0.62] },
    ours: { sst2: [0.8, 0.83, 0.81], mnli: [0.6, 0.62, 0.6] },
  },
});

/** `rule: what was found` of each problem. */
function found(source: string, of: DocumentFacts = known): string[] {
  return checkDocument(source, of).map(({ rule, message }) => `${rule}: ${message}`);
}

/** Rules broken by a sentence in a section. */
function rules(
  sentence: string,
  { section = "Takeaways", of = known }: { section?: string; of?: DocumentFacts } = {},
): string[] {
  const others = new Set(checkDocument(documentWith(), of).map(({ rule }) => rule));
  const usual = section === "Takeaways" ? "Ours is ahead: :comparison[effect]{number=1}." : "";
  const all = checkDocument(documentWith({ [section]: `${usual}\n\n${sentence}` }), of).map(({ rule }) => rule);
  return all.filter((rule) => !others.has(rule));
}

test("a document with all sections and directives has no problems", () => {
  expect(checkDocument(documentWith(), known)).toEqual([]);
});

describe("the head", () => {
  test.each([
    ["", "head: The document names no experiment."],
    ["---\nexperiment: warmup\n---\n", "head: `warmup` is no NAME@VERSION."],
    ["---\nexperiment: other@1\n---\n", "head: The document is of other@1, the values are of warmup@2."],
    ["---\nexperiment: warmup@2\nauthor: me\n---\n", "head: The head has an unknown key `author`."],
  ])("%j", (head, problem) => {
    expect(found(head + documentWith().replace(/^---[^]*?---\n/, ""))).toEqual([problem]);
  });
});

describe("sections", () => {
  test("that are missing, unknown, double, empty or out of order are errors with their line [document.sections]", () => {
    const source = documentWith()
      .replace("## Why\n\nNobody had compared them on these tasks.\n", "")
      .replace("## Limits", "## Limit")
      .replace("## Question", "## Method\n\nFirst.\n\n## Question")
      .replace("Other schedules.", "");
    expect(checkDocument(source, known).map(({ line, message }) => `${line}: ${message}`)).toEqual([
      "11: `Question` stands after `Method`.",
      "16: The section `Method` stands twice.",
      "38: There is no section `Limit`; did you mean `Limits`?",
      "42: The section `Next steps` is empty.",
      "49: The section `Why` is missing.",
      "49: The section `Limits` is missing.",
    ]);
  });

  test("Results shows decision, primary table and each figure; Confidence and Reproduce what is recorded", () => {
    const bare = documentWith({ Results: "Nothing.", Confidence: "Low.", Reproduce: "Run it." });
    expect(found(bare)).toEqual([
      "directive-missing: `Results` does not show the decision.",
      "directive-missing: `Results` does not show the table of accuracy.",
      "directive-missing: `Results` does not show the figure of comparison 1 (ours against base on accuracy).",
      "directive-missing: `Confidence` does not show how far to trust it.",
      "directive-missing: `Reproduce` does not show how to do it again.",
    ]);
  });
});

describe("directives", () => {
  test.each([
    [":valeu[mean accuracy]{arm=ours task=sst2}", "There is no directive `valeu`; did you mean `value`?"],
    [":value[mean accuracy]{arm=our task=sst2}", "There is no arm `our`; did you mean `ours`?"],
    [":value[mean accuracy]{arm=ours task=sst}", "There is no task `sst`; did you mean `sst2`?"],
    [":value[mean acuracy]{arm=ours task=sst2}", "There is no metric `acuracy`; did you mean `accuracy`?"],
    [":value[men]{arm=ours task=sst2}", "`men` names no statistic and no metric; did you mean `mean`?"],
    [":value[mean]{arm=ours}", "The directive does not say which task it means."],
    [":value[mean]{arm=ours task=sst2 lr=1}", "There is no attribute `lr`."],
    [":value[accuracy]{arm=ours task=sst2 seed=9}", "ours on sst2 has no valid value for seed 9."],
    [":value[mean]{arm=ours task=sst2 seed=1}", "One seed has no mean."],
    [":comparison[size]{number=1}", "A comparison has no `size`."],
    [":comparison{number=2}", "There is no comparison 2."],
    [":comparison{nubmer=1}", "`comparison` has no attribute `nubmer`; did you mean `number`?"],
    [":runs[lost]", "There is no count of runs `lost`."],
    ["::table{metric=loss}", "There is no metric `loss`."],
    [":decision", "`decision` stands on a line of its own, with two colons."],
    [":value[**mean**]{arm=ours task=sst2}", "The text of `value` holds markup."],
  ])("%s [document.unknown-name]", (directive, message) => {
    const problems = checkDocument(documentWith({ Limits: directive }), known);
    expect(problems.map((one) => [one.line, one.column, one.message])).toEqual([[39, 1, message]]);
    expect(problems[0]?.next).not.toBe("");
  });

  test("a colon in a sentence is no directive", () => {
    expect(found(documentWith({ Limits: "The ratio base:ours, at 10:30, on note:this." }))).toEqual([]);
  });
});

describe("a number typed by hand", () => {
  test.each([
    "It reached 93.4.",
    "It reached 93.4 %.",
    "It reached **93**.4.",
    "It reached 9**3.4**.",
    "It reached &#57;3.4.",
    "It reached ９３.４.",
    "It reached 9\u200B3\u200B.4.",
    "It reached 93\\.4.",
    "It reached .934.",
    "It reached 3.4e-2.",
    "It reached 3 x 10^-2.",
    "It reached 12,345 tokens.",
    "It took 37 steps.",
    "It is 5 points ahead.",
    "It is 3x faster.",
    "It is 20 percent lower.",
    "It is 3 % lower.",
    "An accuracy of 3.",
    "The accuracy was 0.05.",
    "It reached `0.934`.",
    "```\naccuracy 0.934\n```",
    "| a |\n| - |\n| 0.934 |",
    "[0.934](https://example.org)",
    '[here](https://example.org "0.934")',
    "> 0.934",
    "- 0.934",
    "### 0.934",
    "Note.[^a]\n\n[^a]: 0.934",
    "It reached ninety-three percent.",
    "It reached zero point nine.",
    "It is ten times better.",
    "It reached ½.",
    "It reached ٩٣٫٤.",
    "It reached 9:value[n accuracy]{arm=ours task=sst2}.",
    "It reached :value[n accuracy]{arm=ours task=sst2}3.",
  ])("%j is refused [F55] [document.typed-numbers]", (sentence) => {
    expect(rules(sentence, { section: "Limits" })).toContain("number-typed");
  });

  test.each([
    "With 5 seeds on 2 tasks and 20 runs.",
    "Seeds 0, 1, 2, 3 and 4; see Section 3 and Table 12.",
    "A warm-up of 500 steps, and 0 without.",
    "An alpha of 0.05, so 95 % intervals; that is 5 %.",
    "On sst2 and mnli, with GPT-4, BM25, a top-5 list and an 8-bit cache.",
    "In 2017, on 2026-11-21 at 18:30, or 3 March 2025.",
    "With Python 3.12, version 2.1, v1.5 and 1.2.3.",
    "See [12], arXiv:1706.03762, doi:10.1000/182 and https://example.org/2024/7.5.",
    "1. first\n2. second",
    "The first 2 of three parts; the 2nd is 3D.",
    "At commit c0ffee12, for issue #14, a 25-year-old finding.",
    'Others used :constant[3e-4]{source="paper X, Table 2"}.',
    "Ours has :value[mean accuracy]{arm=ours task=sst2}.",
    "Run `python train.py --task sst2 --seed 3`.",
  ])("%j is allowed [document.typed-numbers]", (sentence) => {
    expect(rules(sentence, { section: "Limits" })).toEqual([]);
  });

  test("is told the directive that gives it, by its digits [document.typed-numbers]", () => {
    const told = (number: string) => checkDocument(documentWith({ Limits: `It reached ${number}.` }), known)[0]?.next;
    expect(told("0.9336")).toContain("`:value[mean accuracy]{arm=ours task=sst2}`");
    expect(told("93.4 %")).toContain("`:value[mean accuracy]{arm=ours task=sst2}`");
    expect(told("0.939")).toContain("`:value[max accuracy]{arm=ours task=sst2}`");
    expect(told("0.936")).toContain("`:value[accuracy]{arm=ours task=sst2 seed=1}`");
    expect(told("0.4321")).toContain(":constant[0.4321]");
  });

  test("is found at its line and column", () => {
    const [problem] = checkDocument(documentWith({ Limits: "Two tasks,\nand *about* 93.4 in all." }), known);
    expect([problem?.line, problem?.column]).toEqual([40, 13]);
  });

  test("without a source a constant is an error [document.constants]", () => {
    expect(found(documentWith({ Limits: ":constant[3e-4]" }))).toEqual(["directive: The constant 3e-4 has no source."]);
  });
});

test("what is said beside the confidence is checked like any other text", () => {
  const of = (reason: string) => rules(`::confidence{level=low reason="${reason}"}`, { section: "Confidence" });
  expect(of("all seeds agree")).toEqual([]);
  expect(of("it reached 0.934")).toEqual(["number-typed"]);
  expect(of("it is proven")).toEqual(["word-strong"]);
});

test("a constant that is also what was measured here is pointed out [document.constants]", () => {
  const problems = checkDocument(documentWith({ Limits: ':constant[0.934]{source="paper X"}' }), known);
  expect(problems.map(({ severity, rule }) => `${severity} ${rule}`)).toEqual(["warning constant-measured"]);
  expect(problems[0]?.next).toContain(":value[mean accuracy]{arm=ours task=sst2}");
});

describe("claims", () => {
  test.each([
    ["This proves it.", "word-strong"],
    ["Ours always wins.", "word-strong"],
    ["Ours is state-of-the-art.", "word-strong"],
    ["Ours is significantly ahead.", "word-significant"],
    ["Ours is not significantly ahead.", "word-significant"],
    ["The error was halved.", "size-vague"],
    ["Ours outperforms base.", "claim-bare"],
  ])("%j breaks %s [document.strong-words]", (sentence, rule) => {
    expect(rules(sentence)).toContain(rule);
  });

  test.each([
    "This does not prove it.",
    "Ours is significantly ahead: :comparison[p]{number=1}.",
    "Ours is better than base by :comparison[effect]{number=1}.",
    "Ours is not better than base on every task.",
  ])("%j is allowed [document.strong-words]", (sentence) => {
    expect(rules(sentence)).toEqual([]);
  });

  test("no difference is significant that no test found, and no arm is better in a document without a decision for it [F55]", () => {
    expect(rules("Ours is significantly ahead: :comparison[p]{number=1}.", { of: weak })).toEqual(["word-significant"]);
    expect(rules("Ours is not significantly ahead: :comparison[p]{number=1}.", { of: weak })).toEqual([]);
    const problems = checkDocument(documentWith({ Takeaways: "Ours outperforms base." }), weak);
    expect(problems.filter(({ severity }) => severity === "error").map(({ rule }) => rule)).toEqual([
      "claim-unsupported",
    ]);
  });

  test("what is said of the method may be strong", () => {
    expect(rules("The model never sees test labels.", { section: "Method" })).toEqual([]);
  });
});

describe("confidence", () => {
  test("is at most what the evidence allows; a person may state less, never more [document.confidence-capped]", () => {
    const stated = (level: string, of = known) =>
      found(documentWith({ Confidence: `::confidence{level=${level}}` }), of);
    expect(stated("high")).toEqual([
      "directive: Confidence is stated as high; the evidence allows at most moderate: no run was reproduced.",
    ]);
    expect(stated("moderate")).toEqual([]);
    expect(stated("low")).toEqual([]);
    expect(stated("medium")).toEqual(["directive: There is no level `medium`."]);
    expect(stated("high", { ...known, confidence: { cap: "high", reasons: [] } })).toEqual([]);
    expect(
      stated("moderate", { ...known, confidence: { cap: "low", reasons: ["2 seeds, moderate needs 3"] } }),
    ).toHaveLength(1);
  });
});

describe("markup", () => {
  test.each([
    ["<b>bold</b>", "html"],
    ["<!-- ignore what was said -->", "html"],
    ["![picture](https://example.org/x.png)", "image"],
    ["[a](javascript:alert)", "address"],
    ["[a][b]\n\n[b]: data:text/html,x", "address"],
    [":::note\nText.\n:::", "directive"],
    ["Note.[^runs-1]\n\n[^runs-1]: Text.", "footnote"],
  ])("%j is refused [F37]", (text, rule) => {
    expect(rules(text, { section: "Limits" })).toContain(rule);
  });
});

describe("a draft", () => {
  const name = fc.oneof(
    fc.constantFrom(
      "1. a",
      "- a",
      "+",
      "<b>",
      "a_b_",
      "_a_",
      "a]b",
      'a"b',
      "a&amp;b",
      "a:b[c]{d=e}",
      "50 %",
      "½",
      "`a`",
      "a|b",
      "#a",
      "www.a.b",
    ),
    fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
      // The mark U+FFFC stands for a directive, whoever wrote it.
      .filter((one) => !/\p{Cc}|\p{N}\s?[x×%‰]|\uFFFC/iu.test(one.normalize("NFKD").replaceAll(/\p{M}/gu, ""))),
  );

  test("is in order whatever the design calls things [document.draft]", () => {
    fc.assert(
      fc.property(name, name, name, name, fc.boolean(), (ours, task, metric, question, decided) => {
        fc.pre([ours, task, metric].every((one) => one.trim() === one && one !== ""));
        const values = { [`${ours} `.trim()]: { [task]: [0.1, 0.2, 0.3] }, baseline: { [task]: [0.2, 0.3, 0.5] } };
        fc.pre(Object.keys(values).length === 2 && !/^\d+$/.test(ours + task + metric));
        const of = facts({ values, metric, question, ...(decided ? {} : { comparisons: [] }) });
        const left = checkDocument(draftDocument(of), of).filter(
          ({ rule, severity }) => rule !== "unwritten" && severity === "error",
        );
        expect(left).toEqual([]);
      }),
      { numRuns: 150 },
    );
  }, 120_000);

  test("holds what the experiment file says without marks that nobody needs [document.draft]", () => {
    const question = "Does kneser_ney win: with n < 10 & m? Now! Or *not* :so";
    expect(draftDocument(facts({ question }))).toContain(
      "# Does kneser_ney win: with n < 10 & m? Now! Or \\*not\\* \\:so\n",
    );
  });

  test("lacks only what is marked to be written [document.draft]", () => {
    for (const of of [known, weak, facts({ comparisons: [] }), facts({ question: "Is 50 % *enough* | <b>?" })]) {
      const problems = checkDocument(draftDocument(of), of);
      expect(problems.filter(({ rule }) => rule !== "unwritten")).toEqual([]);
      expect(problems.length).toBeGreaterThan(4);
      const filled = draftDocument(of).replace(/^::write\[.*$/gm, "As planned.");
      expect(checkDocument(filled, of)).toEqual([]);
    }
  });
});

test("whatever stands in a document, checking it ends, with places inside it", () => {
  const long = `${documentWith()}\n${"[".repeat(50_000)}`;
  for (const source of ["", "---", "\u0000", long, documentWith().repeat(30), "x".repeat(300_000)]) {
    const problems = checkDocument(source, known);
    const lines = source.split("\n").length;
    for (const { line, column } of problems) {
      expect(line).toBeGreaterThanOrEqual(1);
      expect(column).toBeGreaterThanOrEqual(1);
      expect(line).toBeLessThanOrEqual(Math.max(2, lines));
    }
  }
});
