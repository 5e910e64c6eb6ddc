import { git } from "./git.ts";
import { repositoryPath } from "./tree.ts";

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
  const parts = repositoryPath(path).split("/");
  let kind: CommittedKind = "directory";
  let tree = `${commit}^{tree}`;
  for (const [index, part] of parts.entries()) {
    if (part === ".") continue;
    const name = parts.slice(0, index + 1).join("/");
    const [entry] = (await git(repository, ["ls-tree", "-z", "--full-tree", tree, "--", part])).split("\0");
    const mode = /^(\d{6}) \w+ (\w+)\t/.exec(entry ?? "");
    kind = kinds[mode?.[1] ?? ""] ?? "missing";
    if (kind !== "directory") return index === parts.length - 1 || kind === "elsewhere" ? kind : "missing";
    tree = `${commit}:${name}`;
  }
  return kind;
}
