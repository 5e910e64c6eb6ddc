import { z } from "zod";
import { jsonAnswers, sharedViews } from "./json-answers.ts";

type Schema = z.core.JSONSchema.BaseSchema;

// Descriptions are in this registry, and what has an id is told by reference.
for (const [id, view] of Object.entries(sharedViews)) z.globalRegistry.add(view, { ...z.globalRegistry.get(view), id });

/** `docs/json.md`: the members of what `--json` prints. */
export function jsonPage(): string {
  const viewOf = new Map(Object.entries(sharedViews).map(([name, view]) => [view, name]));
  return [
    "# What `--json` prints",
    "",
    "Generated from the program, and tested against what it prints. Members are only ever added. `[]` stands for each entry of",
    "a list, `*` for each name of a mapping. Times are ISO 8601 in UTC, sizes bytes, durations seconds.",
    "",
    ...Object.entries(jsonAnswers).flatMap(([command, answer]) => {
      const view = viewOf.get(answer);
      const title = command === "an error" ? "## An error, of any command" : `## \`rigor ${command} --json\``;
      return [title, "", ...(view === undefined ? table(answer) : [`A ${link(view)}.`]), ""];
    }),
    ...Object.entries(sharedViews).flatMap(([name, view]) => [`## ${name}`, "", ...table(view), ""]),
  ].join("\n");
}

const link = (view: string): string => `[${view}](#${view.toLowerCase()})`;

function table(view: z.ZodObject): string[] {
  const schema = z.toJSONSchema(view, { io: "output" });
  const own = Object.entries(sharedViews).find(([, one]) => one === view)?.[0];
  // A shared view is itself only a reference to its definition.
  const top = own === undefined ? schema : (schema.$defs?.[own] ?? schema);
  const rows = members(top, "").map(({ path, kind, text }) => `| \`${path}\` | ${kind} | ${text} |`);
  return ["| member | kind | |", "| --- | --- | --- |", ...rows.map((row) => row.replaceAll(" |  |", " | |"))];
}

interface Row {
  path: string;
  kind: string;
  text: string;
}

function members(schema: Schema, path: string): Row[] {
  const inside = path === "" ? "" : `${path}.`;
  const named = Object.entries(schema.properties ?? {}).flatMap(([name, one]) => member(`${inside}${name}`, one));
  return isSchema(schema.additionalProperties)
    ? [...named, ...member(`${inside}*`, schema.additionalProperties)]
    : named;
}

function member(path: string, one: unknown): Row[] {
  if (!isSchema(one)) return [];
  const own = { path, kind: kindOf(one), text: (one.description ?? "").replaceAll("|", "\\|") };
  let [inner, place] = [withoutNull(one), path];
  while (isSchema(inner.items)) [inner, place] = [withoutNull(inner.items), `${place}[]`];
  return inner.$ref === undefined ? [own, ...members(inner, place)] : [own];
}

const isSchema = (value: unknown): value is Schema => typeof value === "object" && value !== null;

const isNull = ({ type }: Schema): boolean => type === "null";

const optionsOf = (schema: Schema): Schema[] => (schema.anyOf ?? []).filter(isSchema);

function withoutNull(schema: Schema): Schema {
  const options = optionsOf(schema).filter((one) => !isNull(one));
  return options.length === 1 && options[0] !== undefined ? options[0] : schema;
}

function kindOf(schema: Schema): string {
  const view = schema.$ref?.replace(/^.*\//, "");
  // A definition without a name of ours is that of any JSON, which holds itself.
  if (view !== undefined) return view in sharedViews ? link(view) : "any JSON";
  if (schema.enum !== undefined) return schema.enum.map((one) => `\`${String(one)}\``).join(", ");
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  const options = optionsOf(schema);
  if (options.length > 0) return [...new Set(options.map(kindOf))].join(" or ");
  if (schema.type === "array") return isSchema(schema.items) ? `list of ${kindOf(schema.items)}` : "list";
  return [schema.type ?? "any JSON"].flat().join(" or ");
}
