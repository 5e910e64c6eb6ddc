import { z } from "zod";
import { RigorError } from "../errors.ts";
import { read } from "./explain.ts";
import { environment, resources } from "./experiment-schema.ts";

// The file of tool servers of an investigation: the `mcpServers` of Claude Code and others, and what a server needs that
// is to have a port and data of its own.

const variables = z.record(z.string().regex(/^[A-Za-z_]\w*$/), z.string());
const path = z.string().regex(/^\//, "expected a path that begins with /");

const ownPort = z.strictObject({
  path: path.default("/mcp").describe("Where it speaks MCP."),
  port_env: z
    .string()
    .regex(/^[A-Za-z_]\w*$/)
    .default("PORT")
    .describe("The variable that tells it the port; `${PORT}` stands for it in `args` and `env`."),
  health: path
    .nullable()
    .default(null)
    .describe("Answers 2xx once it can be used, anything else before; without it, that it speaks MCP is enough."),
  ready_seconds: z.number().positive().max(3_600).default(300).describe("How long it may take until it can be used."),
});

const started = z.strictObject({
  type: z.literal("stdio").optional(),
  command: z.string().min(1),
  args: z.array(z.string()).default([]),
  env: variables.default({}),
  http: ownPort.optional().describe("It speaks HTTP on a port of its own; without this, MCP on its input and output."),
  compute: z.string().min(1).optional().describe("Name of the compute of rigor.yaml that it runs on."),
  resources: resources.unwrap().optional().describe("What it needs there, as in an experiment file."),
  environment: environment.unwrap().optional().describe("What is built for it there, as in an experiment file."),
});

const elsewhere = z.strictObject({
  type: z.literal("http"),
  url: z.url({ protocol: /^https?$/ }),
  headers: z.strictObject({ Authorization: z.string().regex(/^Bearer /, "expected `Bearer TOKEN`") }).optional(),
});

const fileSchema = z.strictObject({ mcpServers: z.record(z.string(), z.record(z.string(), z.unknown())) });

export type StartedServer = z.output<typeof started>;
export type OwnPort = z.output<typeof ownPort>;
export type ToolServers = Record<string, z.output<typeof elsewhere> | StartedServer>;

/** Name of the compute that a server runs on as a job; null for one that others run, or that is started beside the daemon. */
export const computeOf = (server: ToolServers[string], otherwise: string | null): string | null =>
  "url" in server ? null : (server.compute ?? otherwise);

/** @throws RigorError `file-invalid` that names the file and what is wrong */
export function parseToolServers(text: string, file: string): ToolServers {
  const found = read(fileSchema, parseJson(text, file));
  if ("problems" in found) throw invalid(file, found.problems);
  const { mcpServers } = found.data;
  const servers: ToolServers = {};
  const problems: string[] = [];
  for (const [name, given] of Object.entries(mcpServers)) {
    if (!/^[a-z][a-z0-9_-]{0,39}$/.test(name)) {
      problems.push(`mcpServers.${name}: a server's name has small letters, digits, - and _ only`);
    }
    if (name === "lab") problems.push("mcpServers.lab: this name is taken by the lab's own tools");
    const server = read<ToolServers[string]>("url" in given ? elsewhere : started, given, ["mcpServers", name]);
    if ("data" in server) servers[name] = server.data;
    else problems.push(...server.problems);
  }
  if (Object.keys(mcpServers).length === 0) problems.push("mcpServers: it names no server");
  if (problems.length > 0) throw invalid(file, problems);
  return servers;
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(file, [error instanceof Error ? error.message : String(error)]);
  }
}

function invalid(file: string, problems: readonly string[]): RigorError {
  return new RigorError("file-invalid", problems.map((one) => `${file}: ${one}`).join("\n"), {
    next: "Correct the file. See docs/investigations.md.",
  });
}

const variable = /\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g;

/** Names of the variables that a text asks for. */
export const variablesIn = (text: string): string[] => [...text.matchAll(variable)].map(([, name = ""]) => name);

/** Puts values for the variables that are known; the others stay as they are. */
export const expandKnown = (text: string, values: Readonly<Record<string, string | undefined>>): string =>
  text.replaceAll(variable, (whole, name: string, otherwise: string | undefined) => values[name] ?? otherwise ?? whole);

/**
 * Puts values for `${NAME}` and `${NAME:-DEFAULT}`.
 *
 * @throws RigorError `file-invalid` for a variable that is not set and has no default
 */
export function expandVariables(text: string, values: Readonly<Record<string, string | undefined>>): string {
  return text.replaceAll(variable, (_, name: string, otherwise: string | undefined) => {
    const value = values[name] ?? otherwise;
    if (value !== undefined) return value;
    throw new RigorError("file-invalid", `The tool servers need the variable ${name}, which is not set.`, {
      next: "Set it for the daemon, and start the daemon anew: rigor down.",
    });
  });
}
