/** Builds the package in the current directory for publishing: `dist/`, and the texts that npm wants beside it. */
import { execFileSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const compiler = join(root, "node_modules/typescript/bin/tsc");
const tsc = (options: string[]) => execFileSync(process.execPath, [compiler, ...options], { stdio: "inherit" });

rmSync("dist", { recursive: true, force: true });
tsc(["-p", "tsconfig.build.json"]);
// Node strips no types below node_modules, so that what users import from there must be JavaScript.
const helper = ["--module", "nodenext", "--target", "es2024", "--types", "node", "--skipLibCheck", "--declaration"];
tsc(["--ignoreConfig", "helpers/rigor.ts", "--outDir", "dist/helpers", ...helper]);

for (const text of ["LICENSE", "README.md", "docs"]) {
  rmSync(text, { recursive: true, force: true });
  cpSync(join(root, text), text, { recursive: true });
}
