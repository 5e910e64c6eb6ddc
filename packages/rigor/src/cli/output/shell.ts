import { escapeControls } from "./text.ts";

/** A word as a POSIX shell takes it. */
export function quoted(word: string): string {
  const shown = escapeControls(word);
  return /^[\w./@:=+-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", String.raw`'\''`)}'`;
}
