import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { InvestigationView } from "../../api/contract/views/investigations.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Lab } from "../daemon/connection.ts";
import type { Context } from "../context.ts";
import { detached } from "../output/exit-status.ts";
import { isConnectionFailure } from "../output/failure.ts";
import type { Invocation } from "../invocation.ts";
import { printable } from "../output/text.ts";
import { endLines, hangingText, logLines } from "../views/investigation.ts";

const askEveryMs = 500;
const mostAtOnce = 50;
/** How often in a row a daemon may die before it is given up. */
const mostDeaths = 10;

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const question = await questionOf(invocation);
  const tools = invocation.text("tools");
  if (tools === undefined) throw invocation.usageError("Name the file of its tool servers: --tools mcp.json");
  const lab = await context.lab();
  const count = invocation.number("n") ?? 1;
  if (count < 1 || count > mostAtOnce) throw invocation.usageError(`--n takes a number from 1 to ${mostAtOnce}.`);
  const model = invocation.text("model");
  const turns = invocation.number("maxTurns");
  const compute = invocation.text("compute");
  const { investigations } = await lab.client.investigations.start({
    project: process.cwd(),
    question,
    tools: resolve(tools),
    count,
    ...(model === undefined ? {} : { model }),
    ...(turns === undefined ? {} : { max_turns: turns }),
    ...(compute === undefined ? {} : { compute }),
  });
  const numbers = investigations.map(({ number }) => number);
  if (invocation.flag("detach")) {
    await context.answer({ investigations }, () => numbers.map((number) => `Investigation ${number} was started.`));
    return 0;
  }
  for (const { number, directory } of investigations) {
    context.note(`Investigation ${number} was started. Its files: ${directory}`);
  }
  const interrupt = (): never => {
    const [first] = numbers;
    const which = numbers.length === 1 ? `show ${first}` : "";
    context.note(`No longer watching; it goes on. See: ${`rigor investigation ${which}`.trim()}`);
    process.exit(detached);
  };
  process.on("SIGINT", interrupt);
  const ended = await Promise.all(numbers.map((number) => follow(context, lab, number, numbers.length > 1)));
  process.off("SIGINT", interrupt);
  await context.answer({ investigations: ended }, (safe) =>
    safe.investigations.flatMap((one) => endLines(one.investigation)),
  );
  return ended.every(({ investigation }) => investigation.outcome === "answered") ? 0 : 1;
}

/** A text, or `@FILE`. */
async function questionOf(invocation: Invocation): Promise<string> {
  const word = invocation.required(0);
  if (!word.startsWith("@")) return word;
  const file = word.slice(1);
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new RigorError("not-found", `${file} cannot be read.`, { next: "After @ comes the name of a file.", cause });
  }
}

/** Prints the research log as it grows until the investigation has ended. */
async function follow(context: Context, lab: Lab, number: number, many: boolean): Promise<InvestigationView> {
  const begin = many ? `${number}: ` : "";
  for (let shown = 0, deaths = 0, said = "", hung = ""; ; await sleep(askEveryMs)) {
    const view = await lab.client.investigations.get({ number }).catch((error: unknown) => {
      // A daemon that dies while it answers is started again by the next question.
      if (!isConnectionFailure(error) || ++deaths > mostDeaths) throw error;
      return null;
    });
    if (view === null) continue;
    deaths = 0;
    if (!context.json) {
      for (const entry of printable(view).log.slice(shown)) {
        for (const line of logLines(entry)) context.note(`${begin}${line}`.trimEnd());
      }
    }
    const { number: which, waits_for } = view.investigation;
    if (waits_for !== null && waits_for !== said) context.note(`Investigation ${which} waits: ${waits_for}.`);
    said = waits_for ?? said;
    const hangs = printable(view).hanging.map(hangingText).join("; ");
    if (hangs !== hung) context.note(`Investigation ${which} has no answer: ${hangs}.`);
    hung = hangs;
    shown = view.log.length;
    if (view.investigation.state === "ended") return view;
  }
}
