import type { TranscriptRecord } from "./entry.ts";

/** What programs say when they may not read or write a file: of the shell's tools, Node and Python. */
const refusals = /No such file or directory|Permission denied|Read-only file system|Operation not permitted/i;
const path = /(?<![\w.~/-])\/[^\s\p{Cc}'"`:;,()<>|&]+/gu;
/** Characters of a line in which that is looked for. */
const longest = 2_000;
/** Files of one session that are told; a session that asks for more is looking for a hole. */
const mostFiles = 20;

export interface FileSight {
  /** Directories that are the session's own: what it does not find there is not there. */
  own: readonly string[];
  /** Whether something is at a path of this machine, outside of any sandbox. */
  isThere: (path: string) => boolean;
}

/**
 * Reads and writes that were refused to a session, as far as what its tools printed tells: a sandbox does not say what
 * it kept from a command, and a command need not print it. That a file was not found counts only where it is there: then
 * it was kept invisible.
 */
export function refusedFiles(records: readonly TranscriptRecord[], sight: FileSight): { tool: string; why: string }[] {
  const found = new Map<string, string>();
  for (const { entry } of records) {
    if (entry.kind !== "tool-result") continue;
    for (const line of entry.text.split("\n")) {
      const told = line.slice(0, longest);
      const [words] = refusals.exec(told) ?? [];
      if (words === undefined) continue;
      const named = [...told.matchAll(path)].map(([file]) => file);
      for (const file of named) {
        if (isRefusal(file, words, sight)) found.set(file, whyOf(file, words));
      }
      // Without a whole path it is a file of the directory that the command was in.
      if (named.length === 0 && /^read-only/i.test(words)) found.set(told.trim(), told.trim());
    }
  }
  const told = [...found.values()].slice(0, mostFiles).map((why) => ({ tool: "a file, as its output tells", why }));
  const more = found.size - told.length;
  return more > 0
    ? [...told, { tool: "a file, as its output tells", why: `It was refused ${more} more files.` }]
    : told;
}

const whyOf = (file: string, words: string): string =>
  isInvisible(words) ? `${file} is there, and was not shown.` : `${file}: ${words}.`;

const isInvisible = (words: string): boolean => /^no such/i.test(words);

function isRefusal(file: string, words: string, { own, isThere }: FileSight): boolean {
  if (!isInvisible(words)) return true;
  const isOwn = own.some((directory) => file === directory || file.startsWith(`${directory}/`));
  return !isOwn && isThere(file);
}
