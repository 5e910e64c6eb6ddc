import { stringify } from "yaml";
import { z } from "zod";
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
    `${indent}- \`${name}\` (${typeOf(member)})${member.description === undefined ? "" : `: ${member.description}`}`,
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

/**
 * A YAML file to be filled in, with what each member means above it.
 *
 * @param begun texts that are there already, by member
 */
export function formTemplate(kind: SubmissionKind, begun: Readonly<Record<string, string>> = {}): string {
  const lines = template(formSchema(kind), "").map((line) => {
    const text = begun[line.slice(0, Math.max(0, line.indexOf(":")))];
    return text === undefined ? line : filled(line.slice(0, line.indexOf(":")), text);
  });
  return `${lines.join("\n")}\n`;
}

/** As a block that is edited line by line. */
const filled = (name: string, text: string): string =>
  stringify({ [name]: text }, { lineWidth: 0, blockQuote: "literal" }).trimEnd();

function template(schema: JsonSchema, indent: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const remark = `${indent}# ${remarkOf(member)}`;
    const items = member.items?.properties === undefined ? [] : template(member.items, "");
    const first = items.findIndex((line) => !line.startsWith("#"));
    const example =
      items.length === 0
        ? []
        : [
            `${indent}# Each has, in place of []:`,
            ...items.map((line, index) => `${indent}#   ${index === first ? "-" : " "} ${line}`),
          ];
    const inner = member.anyOf?.find((one) => one.properties !== undefined) ?? member;
    if (inner.type === "object" && inner.properties !== undefined) {
      return [remark, `${indent}${name}:`, ...template(inner, `${indent}  `)];
    }
    return [remark, ...example, `${indent}${name}: ${emptyValue(member)}`];
  });
}

function emptyValue(schema: JsonSchema): string {
  if (schema.type === "array") return "[]";
  if (schema.type === "boolean") return "false";
  if (schema.type === "object") return "{}";
  return typesOf(schema).includes("null") ? "null" : '""';
}

/** What a member means; what it is where that is no text. */
function remarkOf(schema: JsonSchema): string {
  const type = typeOf(schema);
  if (schema.description === undefined) return type === "string" ? "text" : type;
  return type === "string" ? schema.description : `${schema.description} (${type})`;
}
