import { gateNumber } from "../steps/gates.ts";
import { lookOf } from "../views/look.ts";
import type { Execute } from "../specification.ts";
import { gateLines, inboxLines } from "../views/gate.ts";

export const execute: Execute = async (context, invocation) => {
  const { client } = await context.lab();
  if (invocation.word(0) !== undefined) {
    const gate = await client.gates.get({ number: gateNumber(invocation) });
    await context.answer(gate, (safe) => gateLines(safe, lookOf(context)));
    return 0;
  }
  const inbox = await client.gates.list(invocation.flag("everywhere") ? {} : { project: process.cwd() });
  await context.answer(inbox, (safe) => inboxLines(safe, lookOf(context)));
  return 0;
};
