/** A repository whose own command refuses unfinished work, and that has code which somebody may copy. */
export const unfinished = {
  /** Twelve lines that nobody needs twice. */
  "lib.mjs": `export function weigh(values, weights, bias, total) {
${Array.from({ length: 10 }, (_, n) => `  total += scale(values[${n}], ${n}) * weights[${n}] + bias;`).join("\n")}
  return total;
}
`,
  /** Fails for what nobody has finished. */
  "lint.mjs": `import { readFileSync } from "node:fs";
if (readFileSync("train.mjs", "utf8").includes("FIXME")) { console.log("train.mjs is not finished"); process.exit(3); }
`,
};

/** The copy that an author makes of it. */
export const copied = unfinished["lib.mjs"].replace("export ", "");
