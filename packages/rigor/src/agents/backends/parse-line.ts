import type { z } from "zod";
import type { Reading } from "./account.ts";

/** Understands a line of JSON of an agent's protocol; any other line is told as unreadable. */
export function understand<T>(line: string, schema: z.ZodType<T>, read: (seen: T) => Reading): Reading {
  const parsed = schema.safeParse(parseJson(line));
  if (parsed.success) return read(parsed.data);
  return { entries: [{ kind: "unreadable", text: line.slice(0, 2_000) }], progress: false };
}

/** A line of JSON; undefined where it is none. */
export function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
