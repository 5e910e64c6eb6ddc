import { mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Client } from "../../api/contract/contract.ts";
import type { DocumentProblemView } from "../../api/contract/views/documents.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Context } from "../context.ts";
import { plural } from "../output/format.ts";
import type { Invocation } from "../invocation.ts";
import { saveText } from "../output/save.ts";
import { changeLines } from "../views/document.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const action = invocation.required(0);
  if (action === "draft") return await draft(context, invocation);
  if (action === "show") return await show(context, invocation, "document");
  if (action === "diff") return await show(context, invocation, "changes");
  return action === "check" ? await check(context, invocation) : await render(context, invocation);
}

async function draft(context: Context, invocation: Invocation): Promise<number> {
  const { client } = await context.lab();
  const drafted = await client.documents.draft({ reference: invocation.required(1) });
  const output = invocation.text("output");
  if (output === undefined) {
    await context.write(context.json ? `${JSON.stringify(drafted, null, 2)}\n` : drafted.source);
    return 0;
  }
  const file = resolve(output);
  await saveText(file, drafted.source, invocation.flag("force"));
  await context.answer({ experiment: drafted.experiment, file }, (answer) => [
    `Wrote ${answer.file}. Fill in what is marked with ::write, then: rigor document check ${output}`,
  ]);
  return 0;
}

/** The result document of an issue, with its numbers, or what it changed. */
async function show(context: Context, invocation: Invocation, what: "document" | "changes"): Promise<number> {
  const place = placeOf(invocation.required(1));
  if (place === null) throw invocation.usageError("Name the number of an issue; `rigor issue` lists them.");
  const { client } = await context.lab();
  const found = await client.issues.document(place);
  await context.answer(found, (safe) =>
    what === "changes" ? changeLines(safe, place.number, context.terminal.style) : safe.markdown.trimEnd().split("\n"),
  );
  return 0;
}

/** `3` is the newest document of issue 3, `3@1` its first; null for what names no issue. */
function placeOf(word: string): { project: string; number: number; version?: number } | null {
  const [, number, version] = /^([1-9]\d*)(?:@([1-9]\d*))?$/.exec(word) ?? [];
  if (number === undefined) return null;
  const place = { project: process.cwd(), number: Number(number) };
  return version === undefined ? place : { ...place, version: Number(version) };
}

async function check(context: Context, invocation: Invocation): Promise<number> {
  const { client } = await context.lab();
  const file = invocation.required(1);
  const checked = await client.documents.check({ source: await read(client, file) });
  await context.answer(checked, ({ experiment, problems }) => [
    ...problems.flatMap((problem) => problemLines(file, problem)),
    `${file}: ${countsText(problems)}, by the values of ${experiment}.`,
  ]);
  return errorsOf(checked.problems).length === 0 ? 0 : 2;
}

async function render(context: Context, invocation: Invocation): Promise<number> {
  const file = invocation.required(1);
  const output = invocation.text("output");
  if (output === undefined) throw invocation.usageError("Name a directory with --output.");
  const { client } = await context.lab();
  const source = await read(client, file);
  const isDraft = invocation.flag("draft");
  const { problems } = await client.documents.check({ source });
  const errors = errorsOf(problems);
  if (errors.length > 0 && !isDraft) {
    throw new RigorError("file-invalid", errors.flatMap((one) => problemLines(file, one)).join("\n"), {
      next: `Mend ${plural(errors.length, "error")}; --draft renders it as it is.`,
    });
  }
  const { markdown, html, figures, hash, experiment } = await client.documents.render({ source, draft: isDraft });
  const directory = resolve(output);
  await mkdir(directory, { recursive: true });
  const files = [
    { name: "document.md", text: markdown },
    { name: "document.html", text: html },
    ...figures.map(({ name, svg }) => ({ name, text: svg })),
  ];
  for (const { name, text } of files) await saveText(join(directory, name), text, invocation.flag("force"));
  const written = { experiment, hash, problems, files: files.map(({ name }) => join(directory, name)) };
  await context.answer(written, (answer) => [
    ...answer.files.map((one) => `Wrote ${one}.`),
    `Numbers of ${answer.experiment}; ${countsText(answer.problems)}; hash ${answer.hash}.`,
  ]);
  return 0;
}

/** A file, or the document of the issue of this number. */
async function read(client: Client, file: string): Promise<string> {
  const place = placeOf(file);
  if (place !== null) return (await client.issues.document(place)).source;
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new RigorError("file-invalid", `${file} cannot be read: ${(error as Error).message}`, {
      next: "Name a document; `rigor document draft EXPERIMENT -o FILE` begins one.",
      cause: error,
    });
  }
}

const errorsOf = (problems: readonly DocumentProblemView[]) => problems.filter(({ severity }) => severity === "error");

/** `FILE:7:3: error: ...`, then what to do. */
function problemLines(file: string, { line, column, severity, message, next }: DocumentProblemView): string[] {
  return [`${file}:${line}:${column}: ${severity}: ${message}`, `  ${next}`];
}

function countsText(problems: readonly DocumentProblemView[]): string {
  const errors = errorsOf(problems).length;
  return `${plural(errors, "error")}, ${plural(problems.length - errors, "warning")}`;
}
