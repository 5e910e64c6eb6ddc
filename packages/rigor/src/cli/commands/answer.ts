import type { GateView } from "../../api/contract/views/issues.ts";
import { decide } from "../steps/gates.ts";
import type { Execute } from "../specification.ts";

export const execute: Execute = (context, invocation) =>
  decide(context, invocation, (gate) => {
    const [first, ...more] = invocation.words().slice(1);
    if (first === undefined) throw invocation.usageError(howToAnswer(gate));
    const isChoice = more.length === 0 && gate.options.some(({ choice }) => choice === first);
    if (asksQuestions(gate) && !isChoice) return { choice: "answer", answers: [first, ...more] };
    if (more.length > 0) throw invocation.usageError(`${howToAnswer(gate)} Words of your own go with -m.`);
    return { choice: first };
  });

const asksQuestions = ({ options }: GateView): boolean => options.some(({ choice }) => choice === "answer");

/** A gate is never decided by leaving words out. */
function howToAnswer(gate: GateView): string {
  if (asksQuestions(gate)) return `Give an answer to each question of gate ${gate.number}; "" takes the proposed one.`;
  return `Say which: ${gate.options.map(({ choice }) => choice).join(", ")}.`;
}
