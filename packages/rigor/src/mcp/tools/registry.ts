import { z } from "zod";
import { RigorError } from "../../domain/errors.ts";
import type { LabTool } from "../tool.ts";
import { investigatingTools } from "./investigating.ts";
import { readingTools } from "./reading.ts";
import { writingTools } from "./writing.ts";

/** Every tool of the lab. A role declares which of them it may use. */
const tools: ReadonlyMap<string, LabTool> = new Map(
  [...readingTools, ...writingTools, ...investigatingTools].map((tool) => [tool.name, tool]),
);

/** The tools of these names. @throws RigorError `file-invalid` for a name in a role's file that is none */
export function toolsNamed(names: readonly string[]): LabTool[] {
  return names.map((name) => {
    const found = tools.get(name);
    if (found === undefined) {
      throw new RigorError("file-invalid", `The role's file names the tool ${name}, which the lab does not have.`, {
        next: `Tools are: ${[...tools.keys()].join(", ")}.`,
      });
    }
    return found;
  });
}

/** The tools as a brief lists them. */
export function describeTools(names: readonly string[]): string {
  return toolsNamed(names)
    .map(({ name, description, input }) => {
      const schema = z.toJSONSchema(input, { io: "input" }) as { properties?: Record<string, unknown> };
      const members = Object.keys(schema.properties ?? {}).join(", ");
      return `- \`${name}\`${members === "" ? "" : ` (${members})`}: ${description}`;
    })
    .join("\n");
}
