import type { Context } from "../context.ts";
import { lookOf } from "../views/look.ts";
import { statusLines } from "../views/status.ts";

export async function execute(context: Context): Promise<number> {
  const { client } = await context.lab();
  await context.answer(await client.system.status(), (status) => statusLines(status, lookOf(context)));
  return 0;
}
