import type { Reading } from "./units.ts";

/** Seeds as the file states them. A range stays a range, so that a huge one costs nothing until it is refused. */
export type SeedSpec = { kind: "list"; seeds: number[] } | { kind: "range"; from: number; count: number };

/** A problem of one entry: its index, and the index of an equal entry before it. */
export interface SeedProblem {
  index: number;
  problem: string;
  first?: number;
}

const help = "expected a list of whole numbers such as `[0, 1, 2]`, or `{ count: 5, from: 0 }`";

/** Reads `[0, 1, 2]` or `{ count: 5, from: 0 }`; every bad or repeated entry of a list is a problem of its own. */
export function readSeeds(input: unknown): Reading<SeedSpec> | { problems: SeedProblem[] } {
  if (Array.isArray(input)) return readList(input);
  if (isSeed(input)) return { problem: `${help}; for ${input} seeds write \`{ count: ${input} }\`` };
  if (typeof input !== "object" || input === null) return { problem: help };
  const { count, from = 0, ...others } = input as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return { problem: `\`${unknown}\` is unknown here; ${help}` };
  if (!isSeed(count) || count === 0) return { problem: `\`count\` must be a whole number of at least 1; ${help}` };
  if (!isSeed(from)) return { problem: `\`from\` must be a whole number of at least 0; ${help}` };
  if (!Number.isSafeInteger(from + count)) return { problem: `the last seed is above ${Number.MAX_SAFE_INTEGER}` };
  return { value: { kind: "range", from, count } };
}

function readList(input: unknown[]): Reading<SeedSpec> | { problems: SeedProblem[] } {
  if (input.length === 0) return { problem: "no seed is listed, so there are zero runs; list at least one" };
  const problems: SeedProblem[] = [];
  const firstIndex = new Map<number, number>();
  const seeds = input.map((entry, index) => {
    if (!isSeed(entry)) {
      problems.push({ index, problem: `expected a whole number from 0 to ${Number.MAX_SAFE_INTEGER}` });
      return 0;
    }
    const first = firstIndex.get(entry);
    if (first !== undefined) problems.push({ index, first, problem: `seed ${entry} is listed twice` });
    firstIndex.set(entry, first ?? index);
    return entry === 0 ? 0 : entry; // never -0
  });
  return problems.length > 0 ? { problems } : { value: { kind: "list", seeds } };
}

function isSeed(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

export function seedList(spec: SeedSpec): number[] {
  return spec.kind === "list" ? spec.seeds : Array.from({ length: spec.count }, (_, index) => spec.from + index);
}

/** The first seed of `part` that `whole` does not have, with its index in `part`. */
export function firstMissing(part: SeedSpec, whole: SeedSpec): { seed: number; index: number } | null {
  const has = membership(whole);
  const candidates = part.kind === "list" ? part.seeds : rangeCandidates(part, whole);
  const index = candidates.findIndex((seed) => !has(seed));
  const seed = candidates[index];
  return seed === undefined ? null : { seed, index };
}

/** Seeds of a range of which one is missing in `whole` if any is: a huge range is never made in full. */
function rangeCandidates({ from, count }: { from: number; count: number }, whole: SeedSpec): number[] {
  if (whole.kind === "range") return [from, from + count - 1];
  return seedList({ kind: "range", from, count: Math.min(count, whole.seeds.length + 1) });
}

/** The seeds that both have, in the order of `a`; at most `limit` of them. */
export function sharedSeeds(a: SeedSpec, b: SeedSpec, limit: number): number[] {
  if (a.kind === "range" && b.kind === "range") {
    const from = Math.max(a.from, b.from);
    const end = Math.min(a.from + a.count, b.from + b.count);
    return Array.from({ length: Math.min(limit, Math.max(0, end - from)) }, (_, index) => from + index);
  }
  const [list, other] = a.kind === "list" ? [a, b] : [b, a];
  return seedList(list).filter(membership(other)).slice(0, limit);
}

function membership(spec: SeedSpec): (seed: number) => boolean {
  if (spec.kind === "range") return (seed) => seed >= spec.from && seed < spec.from + spec.count;
  const seeds = new Set(spec.seeds);
  return (seed) => seeds.has(seed);
}
