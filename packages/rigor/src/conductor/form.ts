import { Document, isNode, isSeq } from "yaml";
import { z } from "zod";
import type { Json } from "../domain/canonical.ts";
import { submissionSchemas, type SubmissionKind } from "../domain/issues/submissions.ts";

interface JsonSchema {
  type?: string | string[];
  description?: string;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  enum?: unknown[];
}

/** JSON Schema of what a kind of submission asks for. */
const formSchema = (kind: SubmissionKind): JsonSchema =>
  z.toJSONSchema(submissionSchemas[kind], { io: "input" }) as JsonSchema;

/** The same as a list for people and agents, one line a member. */
export function describeForm(kind: SubmissionKind): string {
  return members(formSchema(kind), "").join("\n");
}

function members(schema: JsonSchema, indent: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => [
    `${indent}- \`${name}\` (${typeOf(member)})${meaningOf(member) === undefined ? "" : `: ${meaningOf(member)}`}`,
    ...members(member.items ?? member.anyOf?.find((one) => one.properties !== undefined) ?? member, `${indent}  `),
  ]);
}

/** `string` and `null` where either is allowed, however the schema says so. */
const typesOf = ({ type, anyOf }: JsonSchema): string[] =>
  anyOf === undefined ? [type ?? "any value"].flat() : anyOf.flatMap(typesOf);

function typeOf(schema: JsonSchema): string {
  if (schema.enum !== undefined) return schema.enum.join(" | ");
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array" && schema.items?.type === "string") return "list of texts";
  return typesOf(schema)
    .map((type) => (type === "array" ? "list" : type))
    .join(" or ");
}

/** What a form holds from the start. */
export interface Begun {
  value: Json;
  /** What is said above each item of a list. */
  remarks?: readonly string[];
}

/**
 * A YAML file to be filled in, with what each member means above it.
 *
 * @param begun what is there already, by member
 */
export function formTemplate(kind: SubmissionKind, begun: Readonly<Record<string, Begun>> = {}): string {
  return `${template(formSchema(kind), "", begun).join("\n")}\n`;
}

function template(schema: JsonSchema, indent: string, begun: Readonly<Record<string, Begun>> = {}): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const remark = `${indent}# ${remarkOf(member)}`;
    const item = itemLines(member, indent);
    const found = begun[name];
    if (found !== undefined) {
      return [remark, ...(item.length === 0 ? [] : [`${indent}# Each has:`, ...item]), ...filled(name, found)];
    }
    const inner = member.anyOf?.find((one) => one.properties !== undefined) ?? member;
    if (inner.type === "object" && inner.properties !== undefined) {
      return [remark, `${indent}${name}:`, ...template(inner, `${indent}  `)];
    }
    const way =
      item.length === 0
        ? []
        : [`${indent}# For an entry, take away [] and the # before the lines below it; repeat them for more.`];
    const empty = emptyValue(member);
    return [remark, ...way, `${indent}${name}:${empty === "" ? "" : ` ${empty}`}`, ...item];
  });
}

/** An item of a list of objects, as comments that become one when their signs are taken away. */
function itemLines({ items }: JsonSchema, indent: string): string[] {
  if (items?.properties === undefined) return [];
  const lines = template(items, "");
  const first = lines.findIndex((line) => !line.startsWith("#"));
  return lines.map((line, index) => `${indent}#   ${index === first ? "-" : " "} ${line}`);
}

/** Long texts as blocks that are edited line by line. */
function filled(name: string, { value, remarks = [] }: Begun): string[] {
  const document = new Document({ [name]: value });
  const list = document.get(name);
  if (isSeq(list)) {
    for (const [index, item] of list.items.entries()) {
      const remark = remarks[index];
      if (isNode(item) && remark !== undefined) item.commentBefore = remark.replaceAll(/^/gm, " ");
    }
  }
  return document.toString({ lineWidth: 0, blockQuote: "literal" }).trimEnd().split("\n");
}

function emptyValue(schema: JsonSchema): string {
  if (schema.type === "array") return "[]";
  if (schema.type === "boolean") return "false";
  if (schema.type === "object") return "{}";
  const types = typesOf(schema);
  if (types.includes("null")) return "null";
  // A number that is not filled in is missing, and no text.
  return types.includes("integer") || types.includes("number") ? "" : '""';
}

/** Of a list that says nothing of itself: what is said of its items. */
const meaningOf = ({ description, items }: JsonSchema): string | undefined => description ?? items?.description;

/** What a member means; what it is where that is no text. */
function remarkOf(schema: JsonSchema): string {
  const type = typeOf(schema);
  const meaning = meaningOf(schema);
  if (meaning === undefined) return type === "string" ? "text" : type;
  return type === "string" ? meaning : `${meaning} (${type})`;
}
