import type { GateView } from "../../api/contract/views/issues.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { lookOf } from "../views/look.ts";
import { commandOf, decidedLines } from "../views/gate.ts";

/** The number of a gate on the command line. */
export function gateNumber(invocation: Invocation): number {
  const number = Number(invocation.required(0));
  if (Number.isInteger(number) && number > 0) return number;
  throw invocation.usageError("Name the number of a gate; `rigor inbox` lists them.");
}

/** The first of some choices that a gate has. @throws RigorError `usage` if it has none of them */
export function chosen(gate: GateView, choices: readonly string[]): string {
  const found = choices.find((choice) => gate.options.some((option) => option.choice === choice));
  if (found !== undefined) return found;
  const possible = gate.options.map((one) => `${commandOf(gate, one)}: ${one.effect}`);
  throw new RigorError("usage", `Gate ${gate.number} cannot be answered with ${choices[0]}.`, {
    next: possible.join("\n"),
  });
}

/** Decides a gate and says what follows. */
export async function decide(
  context: Context,
  invocation: Invocation,
  choose: (gate: GateView) => { choice: string; answers?: string[] },
): Promise<number> {
  const { client } = await context.lab();
  const number = gateNumber(invocation);
  const gate = await client.gates.get({ number });
  const reason = invocation.text("message");
  const answer = { number, ...choose(gate), ...(reason === undefined ? {} : { reason }) };
  await context.answer(await client.gates.answer(answer), (decided) => decidedLines(decided, lookOf(context)));
  return 0;
}
