import { z } from "zod";

/** One row of the reference: a key as a path such as `arms.NAME.role`. */
interface Row {
  key: string;
  type: string;
  default: string;
  description: string;
}

interface Definition {
  type: string;
  shape?: Record<string, z.ZodType>;
  element?: z.ZodType;
  valueType?: z.ZodType;
  innerType?: z.ZodType;
  defaultValue?: unknown;
  options?: z.ZodType[];
  in?: z.ZodType;
  out?: z.ZodType;
  entries?: Record<string, string>;
  values?: unknown[];
}

/** A Markdown table of every key that a schema allows, with what its metadata says. */
export function referenceTable(schema: z.ZodType): string {
  const rows = rowsOf(schema, "");
  const lines = rows.map(
    (row) => `| \`${row.key}\` | ${cell(row.type)} | ${cell(row.default)} | ${cell(row.description)} |`,
  );
  return ["| Key | Type | Default | Meaning |", "| --- | --- | --- | --- |", ...lines].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function definition(schema: z.ZodType): Definition {
  // Zod types the definition by kind; here every kind is looked at.
  return schema._zod.def;
}

function rowsOf(schema: z.ZodType, prefix: string): Row[] {
  const inner = unwrapped(schema);
  const { shape, element, valueType, options } = definition(inner);
  if (shape !== undefined) {
    return Object.entries(shape).flatMap(([name, value]) => {
      const key = prefix === "" ? name : `${prefix}.${name}`;
      return [row(key, value), ...rowsOf(value, key)];
    });
  }
  if (valueType !== undefined) return rowsOf(valueType, `${prefix}.NAME`);
  if (element !== undefined) return rowsOf(element, `${prefix}[]`);
  return (options ?? []).flatMap((option) => rowsOf(option, prefix));
}

function row(key: string, schema: z.ZodType): Row {
  return { key, type: typeOf(schema), default: defaultOf(schema), description: find(schema, "description") ?? "" };
}

/** The schema without defaults, null and transformations around it. */
function unwrapped(schema: z.ZodType): z.ZodType {
  const { type, innerType, in: from, out } = definition(schema);
  if (innerType !== undefined) return unwrapped(innerType);
  // Of `preprocess` the second part is the mapping; of a field read by a function the first part carries nothing.
  if (type === "pipe" && from !== undefined && out !== undefined)
    return unwrapped(definition(from).type === "transform" ? out : from);
  return schema;
}

/** Metadata of the schema or of what it wraps, the outermost first. */
function find(schema: z.ZodType, name: "type" | "default" | "description"): string | undefined {
  const found: unknown = schema.meta()?.[name];
  const { innerType } = definition(schema);
  if (typeof found === "string") return found;
  return innerType === undefined ? undefined : find(innerType, name);
}

function typeOf(schema: z.ZodType): string {
  const named = find(schema, "type");
  const optional = isNullable(schema) && named?.endsWith("or null") !== true ? " or null" : "";
  return (named ?? kindOf(unwrapped(schema))) + optional;
}

function kindOf(schema: z.ZodType): string {
  const { type, entries, values, element, valueType } = definition(schema);
  if (entries !== undefined)
    return Object.values(entries)
      .map((value) => `\`${value}\``)
      .join(", ");
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(", ");
  if (element !== undefined) return `list of ${typeOf(element)}`;
  if (valueType !== undefined) return `mapping: name to ${typeOf(valueType)}`;
  if (type === "number") return schema instanceof z.ZodNumber && schema.isInt ? "whole number" : "number";
  return { string: "text", boolean: "`true`, `false`", object: "mapping", union: "mapping" }[type] ?? type;
}

function isNullable(schema: z.ZodType): boolean {
  const { type, innerType } = definition(schema);
  return type === "nullable" || (innerType !== undefined && isNullable(innerType));
}

function defaultOf(schema: z.ZodType): string {
  const named = find(schema, "default");
  if (named !== undefined) return named;
  const { type, defaultValue, innerType } = definition(schema);
  if (type === "default") return `\`${JSON.stringify(defaultValue)}\``;
  if (type === "prefault") return "by key, below";
  return type === "optional" ? "none" : innerType === undefined ? "required" : defaultOf(innerType);
}
