import { open } from "node:fs/promises";
import { closeSync, openSync, writeSync } from "node:fs";

/** Bytes that are taken for a process's last words before it starts, so that it has them on a full disk too. */
const reserve = 16 * 1024;

/** Bytes at the end, and lines of them, in which the last words are looked for. */
const tail = 64 * 1024;
const mostLines = 20;

/**
 * Makes the file for a process's standard error.
 *
 * @returns its descriptor, at the beginning of room that is already taken
 * @throws an error of the file system, also where the disk has no such room
 */
export function openErrors(path: string): number {
  const room = openSync(path, "wx", 0o600);
  try {
    writeSync(room, Buffer.alloc(reserve, "\n"));
  } finally {
    closeSync(room);
  }
  // Written to at its own position, not at the end, which is that of the room.
  return openSync(path, "r+");
}

/** The last lines of a process's standard error that say something, each without space around it. */
export async function lastErrors(path: string): Promise<string[]> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(size, tail));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, size - buffer.length);
    const lines = buffer.toString("utf8", 0, bytesRead).replaceAll("\0", "").split("\n");
    return lines.flatMap((line) => (line.trim() === "" ? [] : [line.trim()])).slice(-mostLines);
  } finally {
    await file.close();
  }
}
