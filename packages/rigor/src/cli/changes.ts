import type { Context } from "./context.ts";
import type { Client } from "../api/contract/contract.ts";

export type Changed = Awaited<ReturnType<Client["runs"]["cancel"]>>;

/** Says what a command changed. */
export async function reportChange<T extends Changed>(context: Context, changed: T): Promise<number> {
  await context.answer(changed, ({ message }) => [message]);
  return 0;
}

/** An optional message as the API takes it. */
export function because(message: string | undefined): { message?: string } {
  return message === undefined ? {} : { message };
}
