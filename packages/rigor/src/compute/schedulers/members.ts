import { type JobReport, memberKey } from "./scheduler.ts";

/** Characters that one call of a command gets, at most. */
const mostCharacters = 30_000;

/** The keys of all members of a batch. */
export const keysOf = ({ name, size }: { name: string; size: number }): string[] =>
  Array.from({ length: size }, (_, index) => memberKey({ batch: name, index }));

/** A list in pieces, so that each fits into one question. */
export function portions<T>(list: readonly T[], size: number): T[][] {
  const count = Math.ceil(list.length / size);
  return Array.from({ length: count }, (_, at) => list.slice(at * size, (at + 1) * size));
}

/** Words in pieces, each of which fits into one call of any `xargs`. */
export function fitting(words: readonly string[]): string[][] {
  const pieces: string[][] = [];
  let room = 0;
  for (const word of words) {
    room -= word.length + 1;
    if (room < 0) {
      pieces.push([]);
      room = mostCharacters - word.length - 1;
    }
    pieces.at(-1)?.push(word);
  }
  return pieces;
}

/** Indexes as ranges, in order: 0, 1, 2 and 7 give 0 to 2 and 7 to 7. */
export function rangesOf(indexes: readonly number[]): { first: number; last: number }[] {
  const ranges: { first: number; last: number }[] = [];
  for (const index of indexes.toSorted((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range !== undefined && index <= range.last + 1) range.last = index;
    else ranges.push({ first: index, last: index });
  }
  return ranges;
}

const weight = { ended: 0, waiting: 1, running: 2 };

/** Of a member that was submitted twice, what counts more: above 0 for the first, below for the second. */
export const compareReports = (one: JobReport, other: JobReport): number => weight[one.state] - weight[other.state];
