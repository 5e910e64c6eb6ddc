import { existsSync } from "node:fs";
import { tryGit } from "../../provenance/git.ts";

/** Milliseconds for which whether a repository has a commit is taken to stay so. */
const lifeMs = 30_000;

/**
 * Which commits this machine has. A commit of the same id has the same content, wherever the repository came from: what
 * was begun from it on one machine can go on from it on another.
 */
export class CommitsHere {
  readonly #known = new Map<string, { isThere: boolean; at: number }>();

  /** @param commit null asks for the repository alone */
  async has(repository: string, commit: string | null): Promise<boolean> {
    const key = `${repository} ${commit}`;
    const known = this.#known.get(key);
    if (known !== undefined && performance.now() - known.at < lifeMs) return known.isThere;
    const question = commit === null ? ["rev-parse", "--git-dir"] : ["cat-file", "-e", `${commit}^{commit}`];
    const isThere = existsSync(repository) && (await tryGit(repository, question)).status === 0;
    this.#known.set(key, { isThere, at: performance.now() });
    return isThere;
  }
}
