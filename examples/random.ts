import { createHash } from "node:crypto";

/** A source of numbers that are uniform in [0, 1). */
export type Uniform = () => number;

/**
 * A seeded generator: the same name gives the same numbers on every machine, different names unrelated ones.
 * sfc32 of PractRand (Chris Doty-Humphrey), its state filled from the SHA-256 of the name.
 */
export function uniformGenerator(name: string): Uniform {
  const digest = createHash("sha256").update(name).digest();
  let a = digest.readInt32LE(0);
  let b = digest.readInt32LE(4);
  let c = digest.readInt32LE(8);
  let counter = 1;
  return () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
}

/** The items in random order (Fisher and Yates); the argument is left alone. */
export function shuffled<T>(items: readonly T[], uniform: Uniform): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last -= 1) {
    const other = Math.floor(uniform() * (last + 1));
    [result[last], result[other]] = [result[other] as T, result[last] as T]; // both indices are below the length
  }
  return result;
}
