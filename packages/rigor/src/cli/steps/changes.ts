import type { Client } from "../../api/contract/contract.ts";
import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { resolve } from "./reference.ts";

type Changed = Awaited<ReturnType<Client["runs"]["cancel"]>>;

/** What the API wants to know of a change to a run or an experiment. */
interface Change {
  reference: string;
  message?: string;
}

/** How a change is asked for, for either kind of thing that the reference may name. */
interface Changes {
  run: (client: Client, change: Change) => Promise<Changed>;
  experiment: (client: Client, change: Change) => Promise<Changed>;
}

/** Finds what the first word names, changes it, and says what changed. */
export async function changeNamed(context: Context, invocation: Invocation, changes: Changes): Promise<number> {
  const { client } = await context.lab();
  const found = await resolve(client, invocation.required(0));
  const reference = found.kind === "run" ? found.run.id : found.experiment.id;
  const message = invocation.text("message");
  const change = { reference, ...(message === undefined ? {} : { message }) };
  await context.answer(await changes[found.kind](client, change), ({ message }) => [message]);
  return 0;
}
