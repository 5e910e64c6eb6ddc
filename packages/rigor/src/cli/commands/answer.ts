import type { GateView } from "../../api/contract/views/issues.ts";
import { decide } from "../steps/gates.ts";
import type { Execute } from "../specification.ts";

export const execute: Execute = (context, invocation) =>
  decide(context, invocation, (gate) => {
    const texts = invocation.words().slice(1);
    if (texts.length === 0) throw invocation.usageError(howToAnswer(gate));
    const asksQuestions = gate.options.some(({ choice }) => choice === "answer");
    const [first = ""] = texts;
    if (asksQuestions && !gate.options.some(({ choice }) => choice === first))
      return { choice: "answer", answers: texts };
    return { choice: first };
  });

/** A gate is never decided by leaving words out. */
function howToAnswer({ number, options }: GateView): string {
  if (options.some(({ choice }) => choice === "answer")) {
    return `Give an answer to each question of gate ${number}; "" takes the proposed one.`;
  }
  return `Say which: ${options.map(({ choice }) => choice).join(", ")}.`;
}
