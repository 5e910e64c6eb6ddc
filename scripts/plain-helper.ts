import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = new URL("../", import.meta.url);

/** `helpers/rigor.ts` as a person would have written it in JavaScript, for a Node that runs no TypeScript. */
export function plainHelper(): string {
  const source = readFileSync(new URL("packages/rigor/helpers/rigor.ts", root), "utf8");
  const plain = stripTypeScriptTypes(withoutInterfaces(source))
    .replaceAll("./rigor.ts", "./rigor.mjs")
    .replace(/^ \* Runs on Node .*$/m, " * Runs on Node 20 or newer.");
  // What the types have left is gaps, which the formatter closes.
  return execFileSync(process.execPath, [formatter, "--stdin-filepath", "rigor.mjs"], {
    cwd: fileURLToPath(root),
    encoding: "utf8",
    input: plain,
  });
}

const formatter = fileURLToPath(new URL("node_modules/oxfmt/bin/oxfmt", root));

/** Interfaces are cut with what is said above them: it would else stand above nothing. */
function withoutInterfaces(source: string): string {
  const { statements } = ts.createSourceFile("rigor.ts", source, ts.ScriptTarget.Latest);
  return statements
    .filter(ts.isInterfaceDeclaration)
    .reduceRight((text, { pos, end }) => text.slice(0, pos) + text.slice(end), source);
}
