import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { lookOf } from "../views/look.ts";
import { endLines, investigationLines, investigationTable } from "../views/investigation.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const { client } = await context.lab();
  const action = invocation.word(0) ?? "list";
  if (action === "list") {
    const found = await client.investigations.list({ project: process.cwd(), all: invocation.flag("all") });
    await context.answer(found, ({ investigations }) =>
      investigations.length === 0
        ? ["No investigation is running. `--all` lists those that have ended."]
        : investigationTable(investigations, lookOf(context)),
    );
    return 0;
  }
  const number = Number(invocation.word(1));
  if (!Number.isInteger(number) || number < 1) {
    throw invocation.usageError("Name the number of an investigation; `rigor investigation` lists them.");
  }
  if (action === "stop") {
    const reason = invocation.text("message");
    const stopped = await client.investigations.stop({ number, ...(reason === undefined ? {} : { reason }) });
    await context.answer(stopped, endLines);
    return 0;
  }
  await context.answer(await client.investigations.get({ number }), (view) =>
    investigationLines(view, lookOf(context)),
  );
  return 0;
}
