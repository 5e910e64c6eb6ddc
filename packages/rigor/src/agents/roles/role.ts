import { parse } from "yaml";
import { z } from "zod";
import { RigorError } from "../../domain/errors.ts";
import { readSize } from "../../domain/files/units.ts";
import { read } from "../../domain/files/explain.ts";
import type { RoleName } from "../../domain/issues/records.ts";

/** What a role's brief may show: each is filled in from the records of the issue. */
export const slots = [
  "issue",
  "question",
  "comments",
  "clarification",
  "plan",
  "experiment_file",
  "consistency",
  "concerns",
  "diff",
  "checks",
  "smoke",
  "results",
  "document",
  "tools",
  "form",
] as const;
export type Slot = (typeof slots)[number];

const nativeTools = ["read", "search", "edit", "shell", "web"] as const;

const head = z.strictObject({
  sees: z.array(z.enum(slots)).describe("What it may be shown. A brief can use these slots only."),
  tools: z.array(z.string()).describe("The lab's tools that it may use, beside the one that hands in."),
  native: z.array(z.enum(nativeTools)).default([]).describe("What it may do of its own in its workspace."),
  limits: z.strictObject({
    turns: z.int().positive(),
    minutes: z.number().positive(),
    tokens: z.int().positive(),
    cost: z.number().positive().nullable(),
    silence_seconds: z.int().positive(),
    size: z
      .unknown()
      .default("20GB")
      .transform((given, context) => {
        const read = readSize(given);
        if ("value" in read) return read.value;
        context.issues.push({ code: "custom", message: read.problem, input: given });
        return z.NEVER;
      })
      .describe("What it may leave on the disk, such as `20GB`: files of its workspace, its own, what it hands in."),
    tool_seconds: z.int().min(5).default(600).describe("How long one call of a tool may take."),
  }),
  network: z.array(z.string()).default([]).describe("Hosts that it may reach beside the model's: `host:port`."),
  gpus: z.boolean().default(false).describe("Whether it may see the machine's GPUs."),
});

/** Who does what, as data: a Markdown file with a head. */
export interface Role extends z.output<typeof head> {
  name: RoleName;
  /** Markdown with `{{slot}}`s. */
  brief: string;
}

/**
 * Reads a role's file: a YAML head between lines of `---`, then its brief.
 *
 * @throws RigorError `file-invalid` that names the file and what is wrong
 */
export function parseRole(name: RoleName, text: string, file: string): Role {
  const [, yaml, brief] = /^---\r?\n([\s\S]*?)\r?\n---\r?\n([\s\S]*)$/.exec(text) ?? [];
  if (yaml === undefined || brief === undefined) {
    throw invalid(file, ["It must begin with a head between two lines of ---."]);
  }
  const found = read(head, readYaml(yaml, file));
  if ("problems" in found) throw invalid(file, found.problems);
  const problems = slotProblems(brief, found.data.sees);
  if (problems.length > 0) throw invalid(file, problems);
  return { name, brief: brief.trim(), ...found.data };
}

function readYaml(yaml: string, file: string): unknown {
  try {
    return parse(yaml);
  } catch (error) {
    throw invalid(file, [error instanceof Error ? error.message : String(error)]);
  }
}

function slotProblems(brief: string, sees: readonly Slot[]): string[] {
  const used = [...brief.matchAll(/\{\{\s*([\w-]+)\s*\}\}/g)].map(([, slot]) => slot ?? "");
  return [...new Set(used)].flatMap((slot) => {
    if (!(slots as readonly string[]).includes(slot))
      return [`There is no slot ${slot}. Slots are ${slots.join(", ")}.`];
    return (sees as readonly string[]).includes(slot) ? [] : [`The brief shows ${slot}, which \`sees\` does not list.`];
  });
}

const invalid = (file: string, problems: readonly string[]): RigorError =>
  new RigorError("file-invalid", problems.map((one) => `${file}: ${one}`).join("\n"), {
    next: "Correct the file. See docs/issues.md.",
  });

/** The brief with every slot filled in. Text that is filled in is never looked at for slots. */
export function fillBrief(role: Role, contents: Readonly<Partial<Record<Slot, () => string>>>): string {
  return role.brief.replaceAll(/\{\{\s*([\w-]+)\s*\}\}/g, (_, slot: Slot) => {
    const content = contents[slot];
    if (content === undefined) throw invalid(`The role ${role.name}`, [`There is no ${slot} to be shown to it.`]);
    return content().trim();
  });
}
