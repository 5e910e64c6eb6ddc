import { stat } from "node:fs/promises";
import type { Answer } from "../../hosts/shell.ts";
import { quote } from "../../hosts/quote.ts";
import { hashFile } from "../files.ts";
import { readRange } from "./read-range.ts";
import { firstPiece, upload } from "./upload.ts";
import type { Step, WorkDirectory } from "./work-directory.ts";

/**
 * Runs a step that reads a file of this machine from its standard input. A large file is sent before, in pieces, under
 * a name that says whose it is and what is in it, so that a lost connection loses little.
 */
export async function deliver(
  directory: WorkDirectory,
  owner: string,
  file: string,
  step: Omit<Step, "input">,
): Promise<Answer> {
  const { size } = await stat(file);
  if (size <= firstPiece) return directory.ask({ ...step, input: () => readRange(file, 0, size) });
  const name = `${owner}-${await hashFile(file)}`;
  const sent = directory.path("incoming", name);
  await upload(directory, { what: step.what, source: file, size, target: sent, used: { kind: "incoming", name } });
  const answer = await directory.ask({ ...step, script: `exec <${quote(sent)}\n${step.script}` });
  await directory.ask({ what: "tidying up", script: `rm -f ${quote(sent)}` });
  return answer;
}
