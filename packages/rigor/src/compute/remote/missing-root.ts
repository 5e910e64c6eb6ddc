import { RigorError } from "../../domain/errors.ts";
import { quote } from "../../hosts/quote.ts";
import type { Answer } from "../../hosts/shell.ts";

/** With this status a script ends that does not find the directory of all attempts. */
const rootIsMissing = 66;

/**
 * Nothing is concluded while the directory of all attempts is not there: its file system may not be mounted, and all that
 * runs there goes on.
 *
 * @param root absolute path on the host
 * @throws RigorError `unreachable`
 */
export function refuseWithoutRoot(host: string, root: string, { status }: Pick<Answer, "status">): void {
  if (status !== rootIsMissing) return;
  throw new RigorError("unreachable", `On ${host}, ${root} is not there any more.`, {
    next: `Mount its file system there. If that was emptied for good, make it again: mkdir -p ${quote(root)}`,
  });
}
