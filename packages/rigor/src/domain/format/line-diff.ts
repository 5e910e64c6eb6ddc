import { diffLines, formatPatch, structuredPatch } from "diff";
import { plural } from "./numbers.ts";

/** Above so many lines that differ, what was removed and what was added is told as one piece. */
const limits = { maxEditLength: 2_000 };

/** What differs between two texts, in the form of `diff --unified` without the names of files; empty where nothing does. */
export function unifiedDiff(before: string, after: string): string {
  if (before === after) return "";
  const patch = structuredPatch("", "", before, after, "", "", { ...limits, context: 3 }) ?? rewritten(before, after);
  return formatPatch(patch, { includeIndex: false, includeUnderline: false, includeFileHeaders: false }).replace(
    /\n$/,
    "",
  );
}

/** How many lines differ, in words: `2 lines added, 1 line removed`. */
export function differenceText(before: string, after: string): string {
  const changes = diffLines(before, after, limits) ?? [
    { added: true, removed: false, count: linesOf(after).length },
    { added: false, removed: true, count: linesOf(before).length },
  ];
  const told = (kind: "added" | "removed"): string[] => {
    const count = changes.reduce((sum, change) => sum + (change[kind] ? change.count : 0), 0);
    return count === 0 ? [] : [`${plural(count, "line")} ${kind}`];
  };
  return [...told("added"), ...told("removed")].join(", ") || "no line differs";
}

/** The patch that takes out every line of the one text and puts in every line of the other. */
function rewritten(before: string, after: string): ReturnType<typeof structuredPatch> {
  const [old, young] = [linesOf(before), linesOf(after)];
  const lines = [...old.map((line) => `-${line}`), ...young.map((line) => `+${line}`)];
  const hunk = { oldStart: 1, oldLines: old.length, newStart: 1, newLines: young.length, lines };
  return { oldFileName: "", newFileName: "", oldHeader: "", newHeader: "", hunks: [hunk] };
}

const linesOf = (text: string): string[] => text.replace(/\n$/, "").split("\n");
