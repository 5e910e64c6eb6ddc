import { expect, test } from "vitest";
import { explanationSchema } from "./explanation.ts";

const seen = { kind: "observation", statement: "It is 9 at 3.", source: "measure 3" };
const predicted = (held: boolean) => ({
  kind: "prediction",
  predicted: "16 at 4",
  found: held ? "16" : "11",
  held,
  source: "measure 4",
});
const changed = { kind: "intervention", changed: "x", effect: "It rose.", control: null, source: "measure 4" };

const explanation = (confidence: number, ...evidence: object[]) => ({
  behaviour: "It grows.",
  explanation: "It is a square.",
  components: [],
  evidence: [seen, ...evidence],
  confidence,
  alternatives: [],
  limits: [],
});

test.each([
  ["what was only seen", explanation(0.7), true],
  ["more than that for what was only seen", explanation(0.71), false],
  ["an intervention", explanation(0.9, changed), true],
  ["a prediction that held", explanation(0.9, predicted(true)), true],
  ["a prediction that did not hold", explanation(0.9, predicted(false)), false],
])("how sure an explanation may be: %s [investigate.evidence]", (_, given, taken) => {
  const read = explanationSchema.safeParse(given);
  expect(read.success).toBe(taken);
  if (!taken) expect(JSON.stringify(read.error?.issues)).toContain("a prediction that was made before");
});
