/** Calls of a scheduler's commands, noted by what stands before them on PATH. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A script that notes each call of a program, and makes it. @param real path of the program */
export const noting = (program: string, real: string, notes: string): string =>
  `#!/bin/sh\nread -r up _ </proc/uptime\necho "$up ${program} $*" >>'${notes}'\nexec '${real}' "$@"\n`;

/** Makes a folder for PATH in which programs note their calls. @param bin where the programs are */
export function notingFolder(place: string, programs: readonly string[], bin: string, notes: string): string {
  const folder = join(place, "noting");
  mkdirSync(folder);
  for (const name of programs) writeFileSync(join(folder, name), noting(name, join(bin, name), notes), { mode: 0o755 });
  return folder;
}

export interface NotedCall {
  /** Seconds since the machine was started. */
  at: number;
  /** Program and arguments. */
  text: string;
}

export function readCalls(notes: string): NotedCall[] {
  if (!existsSync(notes)) return [];
  const lines = readFileSync(notes, "utf8").trimEnd().split("\n");
  return lines.map((line) => {
    const [, at, text = ""] = /^(\S+) (.*)$/.exec(line) ?? [];
    return { at: Number(at), text };
  });
}

export const countOf = (calls: readonly NotedCall[], what: RegExp): number =>
  calls.filter(({ text }) => what.test(text)).length;

/** The most calls that lie within 60 s, wherever these begin. */
export function mostInAMinute(calls: readonly NotedCall[]): number {
  const times = calls.map(({ at }) => at).toSorted((a, b) => a - b);
  const within = times.map((from, index) => times.slice(index).filter((at) => at - from < 60).length);
  return Math.max(0, ...within);
}
