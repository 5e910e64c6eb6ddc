import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Client } from "../../api/contract/contract.ts";
import type { DocumentVersionView } from "../../api/contract/views/documents.ts";
import type { GateView } from "../../api/contract/views/issues.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { describeFailure } from "../output/failure.ts";
import { saveText } from "../output/save.ts";
import { quoted } from "../output/shell.ts";
import { chosen, gateNumber } from "../steps/gates.ts";
import { discard, editText } from "../steps/editor.ts";
import { editedLines } from "../views/document.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const { client } = await context.lab();
  const gate = await client.gates.get({ number: gateNumber(invocation) });
  refuseClosed(gate);
  chosen(gate, ["edit"]);
  const [file, output] = [invocation.text("file"), invocation.text("output")];
  if (file !== undefined && output !== undefined) throw invocation.usageError("Give --output or --file, not both.");
  if (output !== undefined) await takeOut(context, client, gate, output, invocation.flag("force"));
  else if (file !== undefined) await handIn(context, client, gate, await read(file), invocation);
  else await edit(context, client, gate, invocation);
  return 0;
}

function refuseClosed({ number, state, choice, reason }: GateView): void {
  if (state === "open") return;
  const what = state === "decided" ? `was decided: ${choice}` : `was withdrawn: ${reason}`;
  throw new RigorError("not-possible", `Gate ${number} ${what.replace(/[.]?$/, ".")}`, {
    next: "See what waits: rigor inbox",
  });
}

const placeOf = ({ project, issue }: GateView) => ({ project, number: issue });

async function takeOut(context: Context, client: Client, gate: GateView, output: string, replace: boolean) {
  const { number, source } = await client.issues.document(placeOf(gate));
  const file = resolve(output);
  await saveText(file, source, replace);
  await context.answer({ gate: gate.number, document: number, file }, (answer) => [
    `Wrote ${answer.file}. Change it, then: rigor edit ${gate.number} --file ${quoted(output)}`,
    `What is wrong with it, before that: rigor document check ${quoted(output)}`,
  ]);
}

async function edit(context: Context, client: Client, gate: GateView, invocation: Invocation): Promise<void> {
  const { number, source } = await client.issues.document(placeOf(gate));
  const instead = `Take it out with rigor edit ${gate.number} -o FILE, and hand it in with --file FILE.`;
  const draft = await editText(context.environment, `issue-${gate.issue}.md`, source, instead);
  if (draft.text === source) {
    await discard(draft);
    await context.answer({ gate: gate.number, document: number, changes: null }, () => [
      `Document ${number} of issue ${gate.issue} is as it was, and gate ${gate.number} is open.`,
    ]);
    return;
  }
  try {
    await handIn(context, client, gate, draft.text, invocation);
  } catch (error) {
    throw withDraft(error, gate, draft.file);
  }
  await discard(draft);
}

/** Nobody's words are lost because they were not taken. */
function withDraft(error: unknown, gate: GateView, file: string): RigorError {
  const { code, message, next } = describeFailure(error, { logFile: "daemon.log" });
  const kept = `What you wrote is in ${file}; to hand it in: rigor edit ${gate.number} --file ${quoted(file)}`;
  return new RigorError(code, message, { next: next === null ? kept : `${next}\n${kept}`, cause: error });
}

/** The edited document, and the gate that asks about it. */
async function handIn(
  context: Context,
  client: Client,
  { number, project, issue }: GateView,
  document: string,
  invocation: Invocation,
): Promise<void> {
  const reason = invocation.text("message");
  const why = reason === undefined ? {} : { reason };
  const gate = await client.gates.answer({ number, choice: "edit", document, ...why });
  const made: DocumentVersionView = await client.issues.document({ project, number: issue });
  const { gates } = await client.gates.list({ project });
  const next = gates.find((one) => one.issue === issue)?.number ?? null;
  await context.answer({ gate, document: made, next_gate: next }, (answer) =>
    editedLines(answer.document, issue, answer.next_gate, context.terminal.style),
  );
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new RigorError("not-found", `${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
