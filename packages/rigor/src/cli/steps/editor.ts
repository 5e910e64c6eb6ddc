import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { RigorError } from "../../domain/errors.ts";

/** A text that a person edits, in a file of its own until it is taken. */
export interface Draft {
  file: string;
  text: string;
}

/**
 * Opens a text in the person's editor, and returns what was saved.
 *
 * @param name of the file
 * @param instead what to do without an editor
 * @throws RigorError `usage` when no editor is named or it fails; then nothing is left
 */
export async function editText(
  environment: NodeJS.ProcessEnv,
  name: string,
  text: string,
  instead: string,
): Promise<Draft> {
  const editor = environment["VISUAL"] || environment["EDITOR"];
  if (!editor) {
    throw new RigorError("usage", "No editor is named: neither VISUAL nor EDITOR is set.", { next: instead });
  }
  const file = join(await mkdtemp(join(tmpdir(), "rigor-edit-")), name);
  await writeFile(file, text);
  const status = await run(editor, file);
  if (status === 0) return { file, text: await readFile(file, "utf8") };
  await discard({ file });
  throw new RigorError("usage", `The editor (${editor}) ended with status ${status ?? "of a signal"}.`, {
    next: `Nothing was changed. ${instead}`,
  });
}

export const discard = ({ file }: Pick<Draft, "file">): Promise<void> =>
  rm(dirname(file), { recursive: true, force: true });

/** A setting like `code --wait` has words of its own, which are the shell's to read. */
function run(editor: string, file: string): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", `${editor} "$1"`, "editor", file], { stdio: "inherit" });
    child.once("error", reject);
    child.once("close", resolve);
  });
}
