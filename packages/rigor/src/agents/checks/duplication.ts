import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { z } from "zod";
import { RigorError } from "../../domain/errors.ts";
import { readCommitted } from "../../provenance/tree.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { addedLines, type LineRange } from "../workspaces/change.ts";
import { runInside } from "../workspaces/run-inside.ts";
import type { Workspace } from "../workspaces/workspace.ts";

/** A piece of code that a change adds although it stands somewhere already. */
export interface Duplication {
  file: string;
  lines: LineRange;
  otherFile: string;
  otherLines: LineRange;
  tokens: number;
  /** Its first words. */
  beginning: string;
}

/** The smallest piece that is told; shorter ones are alike by chance. */
const smallest = { tokens: 60, lines: 6 };

const mostFindings = 50;

const require = createRequire(import.meta.url);

/** Names of the detector's for languages in which people write programs; data and texts repeat themselves. */
const languages = [
  ...["python", "typescript", "tsx", "javascript", "jsx", "bash", "c", "c-header", "cpp", "cpp-header", "csharp"],
  ...["go", "haskell", "java", "julia", "kotlin", "lua", "matlab", "ocaml", "opencl", "perl", "r", "ruby", "rust"],
  ...["scala", "swift", "zig"],
];

const place = z.object({ name: z.string(), start: z.number(), end: z.number() });
const reportSchema = z.object({
  duplicates: z.array(z.object({ firstFile: place, secondFile: place, tokens: z.number() })),
});

/**
 * Code that a submitted change adds and that stands elsewhere in the files of its commit, the longest pieces first, at most
 * 50 of them. What was there twice before is not told. Found by jscpd, in the sandbox, with settings of the lab's alone.
 *
 * @param workspace a reader's workspace of the change
 */
export async function findDuplication(workspace: Workspace, sandbox: Sandbox): Promise<Duplication[]> {
  const { repository, base, submitted } = workspace;
  const added = await addedLines(repository, base, submitted ?? base);
  if (added.size === 0) return [];
  const pairs = await detect(workspace, sandbox);
  const found = pairs.flatMap(({ firstFile, secondFile, tokens }): Omit<Duplication, "beginning">[] => {
    const [first, second] = [pieceOf(firstFile), pieceOf(secondFile)];
    const isNew = [first, second].map(({ file, lines }) => isMostlyIn(lines, added.get(file) ?? []));
    if (isNew[1] === true) return [{ ...second, otherFile: first.file, otherLines: first.lines, tokens }];
    if (isNew[0] === true) return [{ ...first, otherFile: second.file, otherLines: second.lines, tokens }];
    return [];
  });
  const longest = found.sort((a, b) => b.tokens - a.tokens).slice(0, mostFindings);
  return Promise.all(longest.map(async (one) => ({ ...one, beginning: await beginningOf(workspace, one) })));
}

const mostBeginning = 80;

/** From the commit: what lies in the workspace may have become a link to somewhere else. */
async function beginningOf({ repository, base, submitted }: Workspace, { file, lines }: Piece): Promise<string> {
  const content = (await readCommitted(repository, submitted ?? base, file))?.toString("utf8") ?? "";
  const first = content
    .split("\n")
    .slice(lines.from - 1, lines.to)
    .find((line) => line.trim() !== "");
  return (first ?? "").trim().slice(0, mostBeginning);
}

async function detect(workspace: Workspace, sandbox: Sandbox): Promise<z.output<typeof reportSchema>["duplicates"]> {
  const detector = require.resolve("jscpd/run-jscpd.js");
  const output = join(workspace.scratch, "duplication");
  await rm(output, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  // Settings and lists of files to ignore that lie in the workspace are its author's.
  const script = `echo '{}' >"$OUTPUT/settings.json"
exec "$NODE" "$DETECTOR" --config "$OUTPUT/settings.json" --no-gitignore --mode weak --reporters json --output "$OUTPUT" \\
  --min-tokens ${smallest.tokens} --min-lines ${smallest.lines} --format ${languages.join(",")} --workers 2 .`;
  const variables = { NODE: process.execPath, DETECTOR: detector, OUTPUT: output };
  const readable = [...workspace.policy.readable, process.execPath, ...(await detectorDirectories(detector))];
  const inside = { ...workspace, policy: { ...workspace.policy, readable } };
  const { status, stderr } = await runInside(inside, sandbox, script, variables);
  const report = await readFile(join(output, "jscpd-report.json"), "utf8").catch(() => null);
  if (status === 0 && report !== null) return reportSchema.parse(JSON.parse(report)).duplicates;
  throw new RigorError("internal", `jscpd ended with status ${status} and no report: ${stderr.trim()}`);
}

/** The package and, beside it, the program for this machine. */
async function detectorDirectories(detector: string): Promise<string[]> {
  const modules = dirname(dirname(detector));
  const names = await readdir(modules);
  return names.filter((name) => name === "jscpd" || name.startsWith("jscpd-")).map((name) => join(modules, name));
}

type Piece = Pick<Duplication, "file" | "lines">;

function pieceOf({ name, start, end }: z.output<typeof place>): Piece {
  return { file: name.replace(/^\.\//, ""), lines: { from: start, to: end } };
}

/** A line that was changed within code that stood there makes no new copy of it. */
function isMostlyIn({ from, to }: LineRange, added: readonly LineRange[]): boolean {
  const overlap = added.map((range) => Math.max(0, Math.min(to, range.to) - Math.max(from, range.from) + 1));
  return 2 * overlap.reduce((sum, lines) => sum + lines, 0) >= to - from + 1;
}
