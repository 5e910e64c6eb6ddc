import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../api/contract/contract.ts";
import type { LogChunk } from "../../api/contract/views/runs.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Context } from "../context.ts";
import { shortId } from "../output/format.ts";
import type { Invocation } from "../invocation.ts";

const pollMs = 300;

type Stream = LogChunk["stream"];

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const reference = invocation.required(0).toLowerCase();
  const follow = invocation.flag("follow");
  const stream: Stream = invocation.flag("stderr") ? "stderr" : "stdout";
  const chosen = invocation.number("attempt");
  if (chosen !== undefined && chosen < 1) throw invocation.usageError("--attempt counts from 1.");
  const { client } = await context.lab();

  let attempt = chosen ?? (await lastAttempt(client, reference));
  if (attempt === null && !follow) {
    throw new RigorError("not-possible", `Run ${shortId(reference)} has not started yet, so it has no log.`, {
      next: `\`rigor logs ${reference} -f\` waits for it.`,
    });
  }
  if (attempt === null) context.note("The run has not started yet; waiting.");
  attempt ??= await nextAttempt(client, reference, 0);
  while (attempt !== null) {
    await printAttempt({ context, client, reference, stream, attempt, follow });
    if (!follow || chosen !== undefined) return 0;
    attempt = await nextAttempt(client, reference, attempt);
    if (attempt !== null) context.note(`--- attempt ${attempt} ---`);
  }
  return 0;
}

async function lastAttempt(client: Client, reference: string): Promise<number | null> {
  const run = await client.runs.get({ reference });
  return run.attempt_list.at(-1)?.number ?? null;
}

/** Waits for an attempt after this one; null when there will be none. */
async function nextAttempt(client: Client, reference: string, after: number): Promise<number | null> {
  for (;;) {
    const run = await client.runs.get({ reference });
    const next = run.attempt_list.find(({ number }) => number > after);
    if (next !== undefined) return next.number;
    if (run.state !== "pending" && run.state !== "active") return null;
    await sleep(pollMs);
  }
}

interface Print {
  context: Context;
  client: Client;
  reference: string;
  stream: Stream;
  attempt: number;
  follow: boolean;
}

/** Writes bytes as they are: up to what is there now, or to the end of the attempt. */
async function printAttempt({ context, client, reference, stream, attempt, follow }: Print): Promise<void> {
  let offset = 0;
  for (;;) {
    const chunk = await client.runs.log({ reference, attempt, stream, offset });
    const grew = chunk.next_offset > offset;
    const isLast = chunk.ended || (!grew && !follow);
    // Programs are told of the end even where nothing was written.
    if (context.json && (grew || isLast)) await context.write(`${JSON.stringify(chunk)}\n`);
    else if (grew) await context.write(Buffer.from(chunk.base64, "base64"));
    offset = chunk.next_offset;
    if (isLast) return;
    if (!grew) await sleep(pollMs);
  }
}
