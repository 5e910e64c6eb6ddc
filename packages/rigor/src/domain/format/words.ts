/** What results are called, alike on the terminal and in exports. Pure; loaded by clients. */

const tests: Readonly<Record<string, string>> = {
  "paired-t": "paired t test",
  wilcoxon: "Wilcoxon signed-rank test",
  welch: "Welch's t test",
  "mann-whitney": "Mann-Whitney U test",
};

/** What takes the place of a t test where nothing varies, because t is not defined there; null for other tests. */
export function replacementOf(test: string): { name: string; why: string } | null {
  if (test === "paired-t") return { name: "exact sign-flip test", why: "the differences do not vary" };
  if (test === "welch") return { name: "exact permutation test", why: "the values of neither arm vary" };
  return null;
}

/**
 * The test that gave a p value, in words.
 *
 * @param test as the decision rule names it
 * @param method how p was found; null where there is none
 */
export function testName(test: string, method: string | null): string {
  const name = tests[test] ?? test;
  if (method === "exact") return `exact ${name}`;
  if (method === "normal") return `${name}, by normal approximation`;
  const replacement = method === "permutation" ? replacementOf(test) : null;
  return replacement === null ? name : `${replacement.name} in place of the ${name}: ${replacement.why}`;
}
