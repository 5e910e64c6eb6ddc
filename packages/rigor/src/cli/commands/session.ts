import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../api/contract/contract.ts";
import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { lookOf } from "../views/look.ts";
import { readSubmission } from "../steps/submission-file.ts";
import { printable } from "../output/text.ts";
import { entryLines, sessionLines, sessionTable } from "../views/session.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const { client } = await context.lab();
  const action = invocation.word(0) ?? "list";
  if (action === "list") {
    const issue = invocation.number("issue");
    const input = { project: process.cwd(), all: invocation.flag("all"), ...(issue === undefined ? {} : { issue }) };
    await context.answer(await client.sessions.list(input), ({ sessions }) =>
      sessions.length === 0
        ? ["Nobody is at work. `--all` lists those that have ended."]
        : sessionTable(sessions, lookOf(context)),
    );
    return 0;
  }
  const id = invocation.word(1);
  if (id === undefined) throw invocation.usageError("Name a session; `rigor session` lists them.");
  return perform(context, client, action, id, invocation);
}

async function perform(
  context: Context,
  client: Client,
  action: string,
  id: string,
  invocation: Invocation,
): Promise<number> {
  switch (action) {
    case "form": {
      const { form, session } = await client.sessions.get({ id });
      if (form === null) throw invocation.usageError(`Session ${session.id} is not a person's to do.`);
      await context.answer({ form }, () => form.trimEnd().split("\n"));
      return 0;
    }
    case "submit": {
      const file = invocation.word(2);
      if (file === undefined) throw invocation.usageError("Name the file to hand in.");
      const { content, inFiles } = await readSubmission(file);
      const answer = await client.sessions.submit({ id, content }).catch((error: unknown) => {
        throw inFiles(error);
      });
      await context.answer(answer, ({ message }) => [message, "What waits for you: rigor inbox"]);
      return 0;
    }
    case "stop": {
      const reason = invocation.text("message");
      await context.answer(await client.sessions.stop({ id, ...(reason === undefined ? {} : { reason }) }), (session) =>
        sessionTable([session], lookOf(context)),
      );
      return 0;
    }
    case "follow":
      return follow(context, client, id);
    default:
      await context.answer(await client.sessions.get({ id }), (detail) => sessionLines(detail, lookOf(context)));
      return 0;
  }
}

const askEveryMs = 500;

/** Prints what happens until the session has ended. */
async function follow(context: Context, client: Client, id: string): Promise<number> {
  for (let after = 0; ;) {
    const { entries, next, ended } = await client.sessions.transcript({ id, after });
    if (context.json) for (const entry of entries) await context.write(`${JSON.stringify(entry)}\n`);
    else await context.lines(entries.flatMap((entry) => entryLines(printable(entry))));
    if (ended && entries.length === 0) return 0;
    after = next;
    if (entries.length === 0) await sleep(askEveryMs);
  }
}
