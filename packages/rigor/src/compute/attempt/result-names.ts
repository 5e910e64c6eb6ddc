/** A string of JSON with what makes it a name, or where an object begins or ends. */
const stringOrBrace = /"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}]/gs;

/**
 * The first name of a result that stands twice where it counts: in the object itself, or in its `metrics`. `JSON.parse`
 * keeps the last of them and says nothing.
 *
 * @param text JSON that was parsed
 */
export function repeatedName(text: string): string | null {
  /** Of each object that is open: the names that count, or null where they do not, and the last of them. */
  const open: { names: Set<string> | null; last: string }[] = [];
  for (const [token] of text.matchAll(stringOrBrace)) {
    const object = open.at(-1);
    if (token === "{") {
      const counts = open.length === 0 || (open.length === 1 && object?.last === "metrics");
      open.push({ names: counts ? new Set() : null, last: "" });
    } else if (token === "}") open.pop();
    else if (object?.names && token.endsWith(":")) {
      const name = nameOf(token);
      if (object.names.has(name)) return name;
      object.names.add(name);
      object.last = name;
    }
  }
  return null;
}

/** Escapes are rare, and reading them takes longer than all else. */
function nameOf(token: string): string {
  const end = token.lastIndexOf('"');
  return token.includes("\\") ? (JSON.parse(token.slice(0, end + 1)) as string) : token.slice(1, end);
}
