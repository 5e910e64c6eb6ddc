import { indent } from "../output/text.ts";

/** Anything that was recorded, readable: texts as they are, lists as lists. */
export function recordLines(value: unknown, spaces = ""): string[] {
  if (Array.isArray(value)) return value.flatMap((item: unknown, index) => itemLines(item, index, spaces));
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

/** What has members is numbered: answers go by the order of questions. */
function itemLines(item: unknown, index: number, spaces: string): string[] {
  if (typeof item !== "object" || item === null) {
    return `${spaces}- ${indent(plainText(item), spaces.length + 2).trimStart()}`.split("\n");
  }
  const mark = `${index + 1}. `;
  const [first = "", ...more] = recordLines(item, `${spaces}${" ".repeat(mark.length)}`);
  return [...(index === 0 ? [] : [""]), `${spaces}${mark}${first.trimStart()}`, ...more];
}

const plainText = (value: unknown): string =>
  typeof value === "string" ? value.trimEnd() : value === null || value === undefined ? "" : JSON.stringify(value);
