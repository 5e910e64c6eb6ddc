import { createHash } from "node:crypto";
import { realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { RigorError } from "../../domain/errors.ts";
import type { Answer } from "../../hosts/shell.ts";
import { committedLink } from "../checkout.ts";
import { withTemporaryDirectory } from "../files.ts";
import { git } from "../git.ts";
import {
  checkoutScript,
  linkIsTaken,
  lookScript,
  receiveScript,
  unpackScript,
  type CodePlace,
} from "./code-scripts.ts";
import { hasFilteredFiles, writeCommitPack } from "./commit-pack.ts";
import { deliver } from "./delivery.ts";
import { inTurn } from "./in-turn.ts";
import { writeTreeArchive } from "./tree-archive.ts";
import { longTimeout, type WorkDirectory } from "./work-directory.ts";

export interface RemoteCheckout {
  /** On this machine. */
  repository: string;
  commit: string;
  /** Of the directory in `checkouts`. */
  name: string;
  /** Path in the checkout -> absolute target on the host. */
  links: Record<string, string>;
  say: (what: string) => void;
}

/** What git says when objects that it should have are not there. */
const lacksObjects =
  /unresolved delta|unable to (read|find)|bad (object|tree)|failed to unpack|not a (valid object|tree)|could not read|packfile/i;

/** What a host has of a commit. */
type Found = { state: "checkout" | "commit" | "no-git" } | { state: "missing"; commits: string[] };

/**
 * Code on a host: repositories that commits are sent to, and read-only checkouts. Where the host has no git, or its git
 * would make other files, a commit is sent as an archive.
 */
export class RemoteCode {
  readonly #directory: WorkDirectory;
  readonly #owner: string;

  /** @param owner whose uploads are whose */
  constructor(directory: WorkDirectory, owner: string) {
    this.#directory = directory;
    this.#owner = owner;
  }

  /** A read-only checkout of a commit, made once. One that is there already costs one call. */
  async checkout(request: RemoteCheckout): Promise<string> {
    const place = await this.#placeOf(request);
    const commit = `${this.#directory.named(place.repository.path)} ${request.commit}`;
    await inTurn(commit, async () => {
      const found = await this.#look(place);
      if (found.state === "checkout") return;
      if (found.state === "no-git" || (await hasFilteredFiles(request.repository, request.commit))) {
        await this.#sendArchive(request, place);
      } else {
        await this.#sendAndCheckOut(request, place, found);
      }
    });
    return place.checkout.path;
  }

  /** A repository is named for people by its folder, and told from others by where it lies on which machine. */
  async #placeOf({ repository, commit, name }: RemoteCheckout): Promise<CodePlace> {
    const common = await git(repository, ["rev-parse", "--path-format=absolute", "--git-common-dir"]);
    const id = createHash("sha256")
      .update(`${this.#owner}\0${await realpath(common.replace(/\n$/, ""))}`)
      .digest("hex")
      .slice(0, 12);
    const folder = basename(repository)
      .replace(/[^A-Za-z0-9_]+/g, "-")
      .slice(0, 40);
    const repositoryName = `${folder}-${id}`;
    return {
      repository: { name: repositoryName, path: this.#directory.path("repositories", `${repositoryName}.git`) },
      commit,
      checkout: { name, path: this.#directory.path("checkouts", name) },
    };
  }

  async #look(place: CodePlace): Promise<Found> {
    const text = await this.#directory.run({ what: "looking for the code", script: lookScript(place) });
    const [state, ...commits] = text.trim().split("\n");
    if (state === "missing") return { state, commits };
    if (state === "checkout" || state === "commit" || state === "no-git") return { state };
    throw new RigorError("unreachable", `${this.#directory.host} does not say what code it has: ${state ?? ""}`);
  }

  async #sendArchive(request: RemoteCheckout, place: CodePlace): Promise<void> {
    request.say(`sending the code to ${this.#directory.host}`);
    const what = "receiving the code";
    await withTemporaryDirectory(async (folder) => {
      const archive = join(folder, "archive");
      await writeTreeArchive(request.repository, request.commit, archive);
      const step = { what, script: unpackScript(place, request.links), timeout: longTimeout };
      const answer = await deliver(this.#directory, this.#owner, archive, step);
      if (answer.status !== 0) throw this.#checkoutFailure(what, answer);
    });
  }

  /** Where old files were removed on the host, it has less than it says: then everything is sent again, once. */
  async #sendAndCheckOut(request: RemoteCheckout, place: CodePlace, found: Found): Promise<void> {
    const isSent = found.state === "commit" || (await this.#sendPack(request, place, found));
    if (isSent && (await this.#checkOut(request, place))) return;
    if ((await this.#sendPack(request, place, null)) && (await this.#checkOut(request, place))) return;
    throw new RigorError("storage", `the repository ${this.#directory.named(place.repository.path)} is damaged`, {
      next: "Remove it there, and start again.",
    });
  }

  /** Sends what the host lacks of a commit. False when the repository on the host lacks something else. */
  async #sendPack(request: RemoteCheckout, place: CodePlace, found: Found | null): Promise<boolean> {
    request.say(`sending the code to ${this.#directory.host}`);
    const what = "receiving the code";
    const there = found?.state === "missing" ? found.commits : [];
    return withTemporaryDirectory(async (folder) => {
      const pack = join(folder, "pack");
      await writeCommitPack(request.repository, request.commit, there, pack);
      const step = { what, script: receiveScript(place), timeout: longTimeout };
      const answer = await deliver(this.#directory, this.#owner, pack, step);
      if (answer.status === 0) return true;
      if (lacksObjects.test(answer.stderr)) return false;
      throw this.#directory.failure(what, answer);
    });
  }

  /** False when the repository on the host lacks something. */
  async #checkOut(request: RemoteCheckout, place: CodePlace): Promise<boolean> {
    request.say(`checking out the code on ${this.#directory.host}`);
    const what = "checking out the code";
    const script = checkoutScript(place, request.links);
    const answer = await this.#directory.ask({ what, script, timeout: longTimeout });
    if (answer.status === 0) return true;
    if (lacksObjects.test(answer.stderr)) return false;
    throw this.#checkoutFailure(what, answer);
  }

  #checkoutFailure(what: string, answer: Answer): RigorError {
    if (answer.status !== linkIsTaken) return this.#directory.failure(what, answer);
    return committedLink(answer.stdout.toString("utf8").trim().replace(/^\.\//, ""));
  }
}
