import { join } from "node:path";
import { withTemporaryDirectory } from "./files.ts";

/** Gives `work` the path of an index file that does not exist yet, and removes it and its lock afterwards. */
export function withTemporaryIndex<T>(work: (indexFile: string) => Promise<T>): Promise<T> {
  return withTemporaryDirectory((directory) => work(join(directory, "index")));
}
