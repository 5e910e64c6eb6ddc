import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import type { Client } from "../../api/contract/contract.ts";
import { RigorError } from "../../domain/errors.ts";

type Json = Parameters<Client["sessions"]["submit"]>[0]["content"];

/**
 * What a person hands in, from YAML or JSON. A text `@PATH` stands for the content of that file, relative to the one that
 * names it.
 *
 * @throws RigorError `not-found`, `file-invalid`
 */
export async function readSubmission(file: string): Promise<Json> {
  const text = await read(file);
  let content: unknown;
  try {
    content = parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new RigorError("file-invalid", `${file} cannot be read: ${message}`, { cause: error });
  }
  return withFiles(content, dirname(file));
}

async function withFiles(value: Json, directory: string): Promise<Json> {
  if (typeof value === "string") {
    return /^@\S+$/.test(value) ? await read(resolve(directory, value.slice(1))) : value;
  }
  if (Array.isArray(value)) return Promise.all(value.map((item: Json) => withFiles(item, directory)));
  if (typeof value !== "object" || value === null) return value;
  const members = await Promise.all(
    Object.entries(value).map(async ([name, member]) => [name, await withFiles(member, directory)] as const),
  );
  return Object.fromEntries(members);
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new RigorError("not-found", `There is no file ${file} that can be read.`, { cause: error });
  }
}
