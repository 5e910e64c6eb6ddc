import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const experiment = invocation.word(0);
  const after = invocation.number("after");
  if (after !== undefined && after < 0) throw invocation.usageError("--after must be at least 0.");
  const { client } = await context.lab();
  const events = await client.events.stream({
    ...(experiment === undefined ? {} : { experiment }),
    ...(after === undefined ? {} : { after }),
  });
  for await (const event of events) await context.write(`${JSON.stringify(event)}\n`);
  return 0;
}
