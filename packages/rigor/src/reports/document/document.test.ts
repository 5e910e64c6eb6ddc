import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { documentHash, renderDocument } from "./document.ts";
import { parsed } from "./dom.testing.ts";
import { documentWith, facts } from "./document.testing.ts";
import { comparisonFigure, metricFigure } from "./figure-data.ts";
import { figureFile, figurePanels } from "./figure.ts";

const known = facts();
const results = "::decision\n\n::table\n\n::figure{comparison=1}";

async function markdownOf(sentence: string, of = known): Promise<string> {
  return (await renderDocument(documentWith({ Limits: sentence }), of)).markdown;
}

describe("values", () => {
  test.each([
    [":value[mean accuracy]{arm=ours task=sst2}", "0.934 ± 0.005 (n=5)[^runs-"],
    [":value[mean]{arm=ours task=sst2}", "0.934 ± 0.005 (n=5)[^runs-"],
    [":value[accuracy]{arm=ours task=sst2 seed=3}", "0.939[^runs-"],
    [":value[median accuracy]{arm=ours task=mnli}", "0.644[^runs-"],
    [":value[min accuracy]{arm=ours task=mnli}", "0.637[^runs-"],
    [":value[max accuracy]{arm=ours task=mnli}", "0.655[^runs-"],
    [":value[sd accuracy]{arm=base task=mnli}", "0.006348[^runs-"],
    [":value[n accuracy]{arm=ours task=sst2}", "5[^runs-"],
    [":value[interval accuracy]{arm=ours task=sst2}", "0.9283 to 0.9389 (95 % t interval)[^runs-"],
    [":runs", "20 of 20 planned runs[^runs-"],
    [":runs[invalid]", "0[^runs-"],
    [":comparison[verdict]", "supported[^runs-"],
    [":comparison[p]{number=1}", "p = 0.000397[^runs-"],
    [":comparison[n]", "10 pairs[^runs-"],
    [':constant[3e-4]{source="paper X, Table 2"}', "3e-4 (from paper X, Table 2)"],
  ])("%s is %s [document.values] [document.constants]", async (directive, shown) => {
    expect(await markdownOf(`Here ${directive}.`)).toContain(`Here ${shown}`);
  });

  test("of a decision say on which task each comparison was made [document.values]", async () => {
    const of = facts({ comparisons: [{ task: "sst2" }, { task: "mnli" }] });
    const { markdown } = await renderDocument(documentWith({ Results: `${results}\n\n::figure{comparison=2}` }), of);
    expect(markdown).toContain("- **supported** on sst2: ours against base on accuracy: effect 0.118");
    expect(markdown).toContain("- **supported** on mnli: ours against base on accuracy: effect 0.0346");
    const whole = await renderDocument(documentWith({}), known);
    expect(whole.markdown).toContain("- **supported**: ours against base on accuracy: effect ");
  });

  test("have their unit, and say how many seeds of how many", async () => {
    const of = facts({ unit: "nats", goal: "minimize", planned: 6 });
    expect(await markdownOf("Here :value[mean]{arm=ours task=sst2}.", of)).toContain(
      "Here 0.934 ± 0.005 nats (n=5 of 6)",
    );
  });

  test("lead to each run that they are of, in Markdown and in HTML [document.values]", async () => {
    const source = documentWith({ Results: `${results}\n\nOurs: :value[mean accuracy]{arm=ours task=mnli}.` });
    const { markdown, html } = await renderDocument(source, known);
    const runs = known.runs.filter((run) => run.arm === "ours" && run.task === "mnli");
    const [, note = ""] = /Ours: 0\.645\S* ± \S* \(n=5\)\[\^(runs-\d+)\]/.exec(markdown) ?? [];
    const footnote = markdown.split("\n").find((line) => line.startsWith(`[^${note}]: `)) ?? "";
    for (const { run_id, result } of runs) {
      expect(footnote).toContain(`${result?.metrics["accuracy"]} (\`${run_id.slice(0, 10)}\`)`);
    }
    const page = parsed(html);
    const link = [...page.querySelectorAll("a.value")].find((one) => one.textContent.startsWith("0.645"));
    const entry = page.querySelector(link?.getAttribute("href") ?? "none");
    const targets = [...(entry?.querySelectorAll("a") ?? [])].map((one) => one.getAttribute("href"));
    expect(targets).toEqual(runs.map(({ run_id }) => `#run-${run_id}`));
    for (const target of targets) expect(page.querySelector(target ?? "none")?.closest("tr")).not.toBeNull();
  });

  test("every number of the rendered text comes from a directive or from the design [F55]", async () => {
    const text = fc.stringMatching(/^[a-zA-Z ,*_]{1,30}$/);
    const directive = fc.constantFrom(
      ":value[mean accuracy]{arm=ours task=sst2}",
      ":value[accuracy]{arm=base task=mnli seed=2}",
      ":comparison{number=1}",
      ":runs",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(text, directive), { minLength: 1, maxLength: 4 }), async (parts) => {
        const source = documentWith({ Limits: `Words${parts.map(([words, one]) => `${words} ${one}`).join(" ")}` });
        const { html } = await renderDocument(source, known, { draft: true });
        const page = parsed(html);
        const limits = page.querySelector("#section-7")?.nextElementSibling;
        for (const link of limits?.querySelectorAll("a.value, code.unresolved") ?? []) link.remove();
        expect(limits?.textContent ?? "none").not.toMatch(/\d/);
      }),
      { numRuns: 30 },
    );
  });
});

describe("a document with errors", () => {
  const wrong = documentWith({ Limits: "It is 93.4 and :value[mean]{arm=nobody task=sst2}." });

  test("is not rendered", async () => {
    await expect(renderDocument(wrong, known)).rejects.toThrow("39:7: error: 93.4 looks like a measurement");
  });

  test("is rendered as a draft, with what cannot be resolved as it was typed", async () => {
    const { markdown, problems } = await renderDocument(wrong, known, { draft: true });
    expect(markdown).toContain("and `:value[mean]{arm=nobody task=sst2}`.");
    expect(problems).toHaveLength(2);
  });
});

describe("the hash", () => {
  const source = documentWith();

  test("changes with the text, with a value, with a run that no longer counts, and with the cap [document.hash]", () => {
    const hash = documentHash(source, known);
    expect(documentHash(source, facts())).toBe(hash);
    const [first, ...others] = known.runs;
    const without = [{ ...first, state: "invalid" as const, result: null }, ...others] as typeof known.runs;
    const changed = [
      documentHash(`${source}\n`, known),
      documentHash(source, facts({ planned: 6 })),
      documentHash(source, { ...known, runs: without }),
      documentHash(source, { ...known, confidence: { cap: "low", reasons: ["an open concern"] } }),
    ];
    expect(new Set([hash, ...changed]).size).toBe(5);
  });

  test("does not change with remarks about the present", () => {
    expect(documentHash(source, { ...known, notes: ["The code has changed since."] })).toBe(
      documentHash(source, known),
    );
  });
});

describe("figures", () => {
  const [comparison] = known.decision?.comparisons ?? [];
  const figure =
    comparison === undefined ? metricFigure(known.tables[0] as never) : comparisonFigure(comparison, 1, known);

  test("show every seed as a point, pairs joined, means with intervals, unit and goal [document.figures]", () => {
    const panels = figurePanels(figure).map((svg) => parsed(svg));
    expect(panels).toHaveLength(2);
    for (const panel of panels) {
      const points = [...panel.querySelectorAll("g[aria-label=dot] circle")];
      expect(points).toHaveLength(2 * 5 + 2);
      expect(points.map((point) => point.textContent)).toContain(
        "ours, seed 3: " + (panel === panels[0] ? 0.939 : 0.644),
      );
      expect(panel.querySelectorAll("g[aria-label=line] path")).toHaveLength(5);
      expect(panel.querySelectorAll("g[aria-label=rule] line")).toHaveLength(2);
      expect(panel.textContent).toContain("accuracy (higher is better)");
    }
    const lower = facts({ goal: "minimize", unit: "nats" });
    expect(figureFile(metricFigure(lower.tables[0] as never))).toContain("accuracy in nats (lower is better)");
  });

  test("say in words what they show, and name their role [document.figures]", () => {
    const svg = figureFile(figure);
    expect(svg).toContain('role="img"');
    expect(svg).toContain("sst2: base has mean 0.8152");
    expect(parsed(svg).querySelector("title")?.textContent).toBe(figure.title);
  });

  test("have the same bytes for the same facts [document.figures]", () => {
    expect(figureFile(figure)).toBe(figureFile(structuredClone(figure)));
  });
});

describe("what an author or a name says", () => {
  const payloads = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "<svg/onload=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt&colon;alert(1))",
    "![x](http://evil/x.png)",
    "<a href='javascript:alert(1)'>a</a>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "<!--<script>-->",
    "`<script>`",
    "```html\n<script>alert(1)</script>\n```",
    ":value[<img src=x onerror=alert(1)>]{arm=<script>}",
    "::write[<script>alert(1)</script>]",
    ':constant[<b>1</b>]{source="<script>alert(1)</script>"}',
    '::confidence{level=low reason="<script>alert(1)</script>"}',
    "[^a]\n\n[^a]: <script>alert(1)</script>",
    "<https://example.org/<script>>",
    "| <script> |\n| - |\n| <img onerror=x> |",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u2028<script>\u2029",
  ];
  const allowed = new Set(
    "html head meta title style body main footer h1 h2 h3 h4 h5 h6 p ul ol li a strong em del code pre blockquote table thead tbody tr th td div figure figcaption svg g text tspan path line circle rect desc section sup input hr br span".split(
      " ",
    ),
  );
  const payload = fc.oneof(
    fc.constantFrom(...payloads),
    fc.string({ unit: "binary", maxLength: 40 }),
    fc
      .array(
        fc.constantFrom(...payloads, "<", ">", '"', "'", "&", "\n", "\n\n", "`", "[", "](", ")", "{", "}", ":", "a"),
        { maxLength: 8 },
      )
      .map((parts) => parts.join("")),
  );
  const name = payload.map(
    (text) =>
      text
        .replace(/\p{Cc}/gu, " ")
        .trim()
        .slice(0, 60) || "arm",
  );

  function expectHarmless(html: string): void {
    const page = parsed(html);
    for (const element of page.querySelectorAll("*")) {
      expect(allowed).toContain(element.localName);
      for (const attribute of element.attributes) {
        expect(attribute.name).not.toMatch(/^on|^style$|^src|^srcset|^formaction|^xlink/i);
        if (attribute.name === "href") expect(attribute.value).toMatch(/^(?:#|https?:\/\/|mailto:)/i);
      }
    }
    expect(page.querySelectorAll("meta")).toHaveLength(4);
    expect(page.querySelectorAll("body > *")).toHaveLength(2);
  }

  test("never becomes an element, an attribute or an address that runs [F37] [document.no-html]", async () => {
    await fc.assert(
      fc.asyncProperty(payload, payload, name, name, async (one, other, arm, task) => {
        const of = facts({
          values: { base: { [task]: [0.1, 0.2, 0.3] }, [arm]: { [task]: [0.2, 0.3, 0.5] } },
          metric: arm,
          unit: task,
          question: other,
        });
        const source = documentWith({ Limits: one, Takeaways: `Words ${other}`, Results: results }, arm);
        const { html, markdown, figures } = await renderDocument(source, of, { draft: true });
        expectHarmless(html);
        for (const { svg } of figures) expectHarmlessPicture(svg);
        // What reads the Markdown next finds no HTML in it.
        const again = documentWith({ Limits: markdown.replace(/^#.*$/gm, "") });
        expectHarmless((await renderDocument(again, of, { draft: true })).html);
        expect(await rawHtmlIn(markdown)).toEqual([]);
      }),
      { numRuns: 60, examples: payloads.map((text) => [text, text, text, "t"]) },
    );
  }, 240_000);

  function expectHarmlessPicture(svg: string): void {
    const picture = parsed(svg);
    for (const element of picture.querySelectorAll("*")) expect(allowed).toContain(element.localName);
  }

  async function rawHtmlIn(markdown: string): Promise<string[]> {
    const { parseMarkdown } = await import("./parse.ts");
    const { nodesIn } = await import("./check.ts");
    return nodesIn(parseMarkdown(markdown).root).flatMap((node) => (node.type === "html" ? [node.value] : []));
  }
});
