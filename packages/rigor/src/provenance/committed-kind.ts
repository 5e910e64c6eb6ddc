import { committedModes } from "./tree.ts";

/** `elsewhere`: a link or another repository stands on the way, and what lies behind it is in no commit. */
export type CommittedKind = "directory" | "file" | "executable" | "elsewhere" | "missing";

const kinds: Readonly<Record<string, CommittedKind>> = {
  "040000": "directory",
  "100644": "file",
  "100755": "executable",
  "120000": "elsewhere",
  "160000": "elsewhere",
};

/** What a commit has at a path relative to the top of its repository. */
export async function committedKind(repository: string, commit: string, path: string): Promise<CommittedKind> {
  let kind: CommittedKind = "directory";
  for (const mode of await committedModes(repository, commit, path)) {
    if (kind !== "directory") return kind === "elsewhere" ? kind : "missing";
    kind = kinds[mode ?? ""] ?? "missing";
  }
  return kind;
}
