import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { appendFile, mkdir, readdir, realpath, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { RigorError } from "../../domain/errors.ts";
import { hasCode } from "../../hosts/system-errors.ts";
import { git, gitBytes } from "../../provenance/git.ts";
import { committedLink } from "../../provenance/checkout.ts";
import { repositoryPath } from "../../provenance/tree.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { isPassing, makeWhole, removePassing, removeWhole } from "./make-whole.ts";
import { bytesOf, ObjectPool } from "./object-pool.ts";
import { ownGit } from "./own-git.ts";
import { labIdentity } from "../../provenance/lab-identity.ts";
import { hasUnsubmittedWork, submitWork, type Submission, type SubmitOptions } from "./submission.ts";
import { readWorkspace, writeRecord, type Workspace, type WorkspaceRecord } from "./workspace.ts";

/** Lies beside the workspaces, and stays. */
const poolName = "pool.git";

export interface WorkspaceRequest {
  name: string;
  /** Of the person's repository: HEAD, or a snapshot. */
  base: string;
  /** Symbolic links to place among the files: path in the workspace -> absolute target, such as an environment. */
  links?: Record<string, string>;
}

export interface ReadingRequest extends WorkspaceRequest {
  submitted: string;
  /** Checks may write, reviewers may not. */
  access: "write" | "read";
}

/** What was done with a workspace that nobody needs. */
export interface Swept {
  name: string;
  bytes: number;
  /** Null when it was removed. */
  kept: string | null;
}

/**
 * The workspaces of one repository. Each is a repository of its own and not a worktree of the person's: a worktree writes
 * to the person's objects, references and settings, and everything that may write there may change other branches and
 * hooks. What an author submits comes back as objects and one branch.
 *
 * Git runs in what an agent has touched only inside the sandbox, because a repository's settings name programs.
 */
export class Workspaces {
  readonly #repository: string;
  readonly #sandbox: Sandbox;
  readonly #root: string;
  readonly #pool: ObjectPool;

  private constructor(repository: string, root: string, sandbox: Sandbox) {
    this.#repository = repository;
    this.#sandbox = sandbox;
    this.#root = root;
    this.#pool = new ObjectPool(join(root, poolName), repository);
  }

  /**
   * @param repository top directory of the person's repository
   * @param directory where workspaces of all repositories are kept
   */
  static async open(repository: string, directory: string, sandbox: Sandbox): Promise<Workspaces> {
    const place = await realpath(repository);
    await mkdir(directory, { recursive: true });
    return new Workspaces(place, rootOf(place, await realpath(directory)), sandbox);
  }

  /** Whether anything of a repository's workspaces is there, whole or not. */
  static async hasAny(repository: string, directory: string): Promise<boolean> {
    const root = rootOf(await realpath(repository), directory);
    return existsSync(root) && (await readdir(root)).some((name) => name !== poolName);
  }

  /** An author's workspace, on its branch `rigor/NAME`. One that exists is returned as it is, whatever its base. */
  make({ name, base, links = {} }: WorkspaceRequest): Promise<Workspace> {
    return this.#make({ name, base, submitted: null, access: "write" }, links, (directory) =>
      this.#checkOut(directory, base),
    );
  }

  /**
   * A workspace with a submitted commit's files, and none of its author's words: its history is that of the base and one
   * commit that says nothing. For reviewers to read, and for checks to run in.
   */
  makeForReading({ name, base, submitted, access, links = {} }: ReadingRequest): Promise<Workspace> {
    return this.#make({ name, base, submitted, access }, links, async (directory) => {
      const tree = (await git(this.#repository, ["rev-parse", "--verify", `${submitted}^{tree}`])).trim();
      await this.#copyTree(directory, tree, base);
      const env = { ...labIdentity, GIT_AUTHOR_DATE: "@0 +0000", GIT_COMMITTER_DATE: "@0 +0000" };
      const input = "The change that was submitted\n";
      await this.#checkOut(directory, await ownGit(directory, ["commit-tree", tree, "-p", base], { env, input }));
    });
  }

  /** Null where there is none. */
  find(name: string): Promise<Workspace | null> {
    return readWorkspace(this.#place(name), this.#pool.objects);
  }

  /** Brings what an author has made into the person's repository: see {@link submitWork}. */
  async submit(name: string, options: SubmitOptions = {}): Promise<Submission> {
    const workspace = await this.find(name);
    if (workspace?.submitted !== null) {
      throw new RigorError("not-found", `There is no workspace ${name} that could be submitted.`);
    }
    return submitWork(workspace, this.#sandbox, options);
  }

  /** Removes a workspace with all that it holds. A missing one is no error. */
  async remove(name: string): Promise<void> {
    await removeWhole(this.#place(name));
  }

  /**
   * Removes what a crash left half made, and the workspaces that nobody needs; those with work that was not submitted are
   * kept, and named. For the start of the daemon, before any session runs.
   */
  async sweep(isNeeded: (workspace: Workspace) => boolean): Promise<Swept[]> {
    await mkdir(this.#root, { recursive: true });
    await removePassing(this.#root);
    await this.#pool.mend();
    const swept: Swept[] = [];
    for (const name of await readdir(this.#root)) {
      if (name === poolName || isPassing(name)) continue;
      const workspace = await this.find(name).catch(() => null);
      if (workspace !== null && isNeeded(workspace)) continue;
      const bytes = await bytesOf(join(this.#root, name));
      const kept = await this.#whyKept(workspace);
      if (kept === null) await removeWhole(join(this.#root, name));
      swept.push({ name, bytes, kept });
    }
    return swept;
  }

  async #whyKept(workspace: Workspace | null): Promise<string | null> {
    if (workspace === null) return "It is no workspace.";
    if (workspace.submitted !== null) return null;
    return (await hasUnsubmittedWork(workspace, this.#sandbox)) ? "It has work that was not submitted." : null;
  }

  async #make(
    given: Pick<WorkspaceRecord, "name" | "base" | "submitted" | "access">,
    links: Record<string, string>,
    fill: (directory: string) => Promise<void>,
  ): Promise<Workspace> {
    const place = this.#place(given.name);
    await makeWhole(place, async (partial) => {
      const branch = `rigor/${given.name}`;
      await this.#pool.add(given.base);
      const directory = join(partial, "files");
      await mkdir(directory);
      await mkdir(join(partial, "scratch"));
      await this.#pool.createRepository(directory, branch);
      await fill(directory);
      await placeLinks(directory, links);
      const made_at = new Date().toISOString();
      await writeRecord(partial, { schema: 1, ...given, repository: this.#repository, branch, made_at });
    });
    const made = await this.find(given.name);
    if (made === null) throw new RigorError("storage", `The record of the workspace ${place} cannot be read.`);
    return made;
  }

  async #checkOut(directory: string, commit: string): Promise<void> {
    await ownGit(directory, ["config", "user.name", labIdentity["GIT_AUTHOR_NAME"] ?? ""]);
    await ownGit(directory, ["config", "user.email", labIdentity["GIT_AUTHOR_EMAIL"] ?? ""]);
    await ownGit(directory, ["reset", "--quiet", "--hard", commit]);
  }

  /** Copies what a tree has beyond a commit from the person's repository. */
  async #copyTree(directory: string, tree: string, base: string): Promise<void> {
    const args = ["pack-objects", "--revs", "--stdout", "--threads=1", "-q"];
    const pack = await gitBytes(this.#repository, args, { input: `${tree}\n^${base}\n` });
    await ownGit(directory, ["index-pack", "--stdin"], { input: pack });
  }

  #place(name: string): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/.test(name)) {
      throw new RigorError("internal", `${name} cannot be the name of a workspace.`);
    }
    return join(this.#root, name);
  }
}

/** Where the workspaces of a repository lie. @param repository without symbolic links */
function rootOf(repository: string, directory: string): string {
  const key = createHash("sha256").update(repository).digest("hex").slice(0, 12);
  return join(directory, `${basename(repository)}-${key}`);
}

async function placeLinks(directory: string, links: Record<string, string>): Promise<void> {
  for (const [path, target] of Object.entries(links)) {
    const place = join(directory, repositoryPath(path));
    await mkdir(dirname(place), { recursive: true });
    await symlink(target, place).catch((error: unknown) => {
      throw hasCode(error, "EEXIST") ? committedLink(path) : error;
    });
    await mkdir(join(directory, ".git/info"), { recursive: true });
    await appendFile(join(directory, ".git/info/exclude"), `/${repositoryPath(path)}\n`);
  }
}
