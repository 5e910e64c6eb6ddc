import { copyFile, glob, mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isMissing } from "../../hosts/system-errors.ts";
import { git, tryGit } from "../../provenance/git.ts";
import { makeWhole } from "./make-whole.ts";
import { ownGit } from "./own-git.ts";

/**
 * The history of the commits that workspaces start from, in a bare repository of the lab's. Workspaces read their objects
 * from it, so that each costs no more than its files. It has what these commits reach and nothing else of the person's
 * repository, and needs nothing of it afterwards.
 */
export class ObjectPool {
  readonly directory: string;
  readonly #repository: string;
  /** Only one call at a time changes the pool. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(directory: string, repository: string) {
    this.directory = directory;
    this.#repository = repository;
  }

  /** What a sandbox has to make readable for a workspace's git. */
  get objects(): string {
    return join(this.directory, "objects");
  }

  /**
   * Takes in a commit with its history.
   *
   * @throws RigorError `repository` when the person's repository does not have it.
   */
  add(commit: string): Promise<void> {
    const added = this.#turn.then(() => this.#add(commit));
    this.#turn = added.catch(() => undefined);
    return added;
  }

  /** Makes an empty repository that reads from this one. */
  async createRepository(directory: string, branch: string): Promise<void> {
    await this.#init(directory, [`--initial-branch=${branch}`]);
    const gitDirectory = join(directory, ".git");
    await ownGit(directory, ["config", "gc.auto", "0"]);
    await mkdir(join(gitDirectory, "objects/info"), { recursive: true });
    await writeFile(join(gitDirectory, "objects/info/alternates"), `${this.objects}\n`);
    // Where the person's own history is cut off, the workspace's is.
    await copyFile(join(this.directory, "shallow"), join(gitDirectory, "shallow")).catch(ignoreMissing);
  }

  /** Removes the locks of a git that was killed. Only for a time when no other one can be running. */
  async mend(): Promise<void> {
    for await (const lock of glob("**/*.lock", { cwd: this.directory })) await rm(join(this.directory, lock));
  }

  async #add(commit: string): Promise<void> {
    await makeWhole(this.directory, (partial) => this.#init(partial, ["--bare"]));
    const ref = `refs/bases/${commit}`;
    const known = await tryGit(this.directory, ["rev-parse", "--verify", "--quiet", ref]);
    if (known.status === 0) return;
    // A commit that no branch names can be asked for in the second version of the protocol.
    const protocol = ["-c", "protocol.version=2", "-c", "protocol.file.allow=always"];
    const quiet = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--update-shallow"];
    await git(this.directory, [...protocol, "fetch", ...quiet, this.#repository, `${commit}:${ref}`]);
  }

  async #init(directory: string, options: string[]): Promise<void> {
    const format = (await git(this.#repository, ["rev-parse", "--show-object-format"])).trim();
    await ownGit(directory, ["init", "--quiet", "--template=", `--object-format=${format}`, ...options]);
  }
}

/** Bytes that a directory takes on the disk. */
export async function bytesOf(directory: string): Promise<number> {
  let bytes = 0;
  for await (const entry of glob("**", { cwd: directory, withFileTypes: true })) {
    const found = entry.isFile() ? await stat(join(entry.parentPath, entry.name)).catch(() => null) : null;
    bytes += (found?.blocks ?? 0) * 512;
  }
  return bytes;
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}
