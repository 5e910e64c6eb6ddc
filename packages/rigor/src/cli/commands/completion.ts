import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { readTemplate } from "../templates.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const shell = invocation.required(0);
  const script = await readTemplate(`completion/rigor.${shell}`);
  await context.write(context.json ? `${JSON.stringify({ shell, script }, null, 2)}\n` : script);
  return 0;
}
