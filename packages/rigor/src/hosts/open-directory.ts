import { RigorError } from "../domain/errors.ts";
import { quote } from "./quote.ts";
import type { HostShell } from "./shell.ts";

/**
 * Makes a directory on a host, for its owner only, and says where it is.
 *
 * @param directory absolute, or starting with `~/`
 * @throws RigorError `storage` where it cannot be made
 */
export async function openDirectory(shell: HostShell, directory: string): Promise<string> {
  const path = directory.startsWith("~") ? `"$HOME"${quote(directory.slice(1))}` : quote(directory);
  const answer = await shell.run(`umask 077\nmkdir -p ${path} && cd ${path} && pwd -P`);
  const root = answer.stdout.toString("utf8").replace(/\n$/, "");
  if (answer.status === 0 && root.startsWith("/")) return root;
  throw new RigorError("storage", `On ${shell.host}, ${directory} cannot be made: ${answer.stderr.trim()}`, {
    next: "Set `workdir` of this compute in rigor.yaml to a directory that you may write to there.",
  });
}
