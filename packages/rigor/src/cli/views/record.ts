import { indent } from "../output/text.ts";

/** Anything that was recorded, readable: texts as they are, lists as lists. */
export function recordLines(value: unknown, spaces = ""): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item: unknown) =>
      typeof item === "object" ? ["", ...recordLines(item, spaces)] : [`${spaces}- ${plainText(item)}`],
    );
  }
  if (typeof value !== "object" || value === null) return indent(plainText(value), spaces.length).split("\n");
  return Object.entries(value).flatMap(([name, member]: [string, unknown]) => {
    if (member === null || (Array.isArray(member) && member.length === 0)) return [];
    const title = name.replaceAll("_", " ");
    const isShort = typeof member !== "object" && !plainText(member).includes("\n");
    return isShort
      ? [`${spaces}${title}: ${plainText(member)}`]
      : [`${spaces}${title}:`, ...recordLines(member, `${spaces}  `)];
  });
}

const plainText = (value: unknown): string =>
  typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value);
