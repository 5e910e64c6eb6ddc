import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeWhole } from "../../provenance/files.ts";
import type { SandboxPolicy } from "../sandbox/policy.ts";

const recordSchema = z.strictObject({
  schema: z.literal(1),
  name: z.string(),
  /** The person's repository. */
  repository: z.string(),
  /** The commit that the change starts from. */
  base: z.string(),
  /** The submitted commit that a reader looks at; null in an author's workspace. */
  submitted: z.string().nullable(),
  branch: z.string(),
  access: z.enum(["write", "read"]),
  made_at: z.iso.datetime(),
});

export type WorkspaceRecord = z.output<typeof recordSchema>;

/** A repository of its own with the files of a commit, for one author or for those who look at a change. */
export interface Workspace extends WorkspaceRecord {
  /** Where the files are. */
  directory: string;
  /** For what reads and writes the files from outside; no session sees it. */
  scratch: string;
  /** What a sandbox must show for the workspace to work. */
  policy: Pick<SandboxPolicy, "workspace" | "workspaceAccess" | "readable">;
}

const recordName = "workspace.json";

export async function writeRecord(place: string, record: WorkspaceRecord): Promise<void> {
  await writeWhole(join(place, recordName), `${JSON.stringify(record, null, 2)}\n`);
}

/** Null for a directory that is no workspace. */
export async function readWorkspace(place: string, objects: string): Promise<Workspace | null> {
  const text = await readFile(join(place, recordName), "utf8").catch(() => null);
  const parsed = text === null ? null : recordSchema.safeParse(parseJson(text));
  if (parsed?.success !== true) return null;
  const directory = join(place, "files");
  const policy = { workspace: directory, workspaceAccess: parsed.data.access, readable: [objects] };
  return { ...parsed.data, directory, scratch: join(place, "scratch"), policy };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
