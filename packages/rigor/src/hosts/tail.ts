import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { isMissing } from "./system-errors.ts";

const nothing = new Uint8Array(0);

/**
 * Reads a growing file from an offset: at most `limit` bytes, exactly as they lie there. A missing file, an offset
 * at or behind the end, and what is no ordinary file give nothing; a pipe is never waited for. Text that is cut within a
 * character stays whole when the pieces are joined.
 */
export function readFrom(path: string, offset: number, limit: number): Uint8Array {
  const descriptor = openIfThere(path);
  if (descriptor === null) return nothing;
  try {
    const status = fstatSync(descriptor);
    const wanted = Math.min(limit, status.size - offset);
    if (wanted <= 0 || !status.isFile()) return nothing;
    const bytes = new Uint8Array(wanted);
    let filled = 0;
    while (filled < wanted) {
      const length = readSync(descriptor, bytes, filled, wanted - filled, offset + filled);
      if (length === 0) break;
      filled += length;
    }
    return bytes.subarray(0, filled);
  } finally {
    closeSync(descriptor);
  }
}

/** The last bytes of a file as text, beginning with a whole line where the file is longer. */
export function readLastText(path: string, limit: number): string {
  const descriptor = openIfThere(path);
  if (descriptor === null) return "";
  let size: number;
  try {
    size = fstatSync(descriptor).size;
  } finally {
    closeSync(descriptor);
  }
  const text = new TextDecoder().decode(readFrom(path, Math.max(0, size - limit), limit));
  return size <= limit ? text : text.slice(text.indexOf("\n") + 1);
}

function openIfThere(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
