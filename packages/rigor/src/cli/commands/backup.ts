import { resolve } from "node:path";
import type { Context } from "../context.ts";
import { bytes } from "../output/format.ts";
import type { Invocation } from "../invocation.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const { client } = await context.lab();
  const copy = await client.system.backup({ file: resolve(invocation.required(0)) });
  await context.answer(copy, (answer) => [`Copied the database to ${answer.file} (${bytes(answer.bytes)}).`]);
  return 0;
}
