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
    const wanted = await this.#placeOf(request);
    return inTurn(this.#directory.named(wanted.repository.path), async () => {
      const { name, ...found } = await this.#look(wanted);
      const place = { ...wanted, checkout: this.#checkoutAt(name) };
      if (found.state === "checkout") return place.checkout.path;
      if (found.state === "no-git" || (await hasFilteredFiles(request.repository, request.commit))) {
        await this.#sendArchive(request, place);
      } else {
        await this.#sendAndCheckOut(request, place, found);
      }
      return place.checkout.path;
    });
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
      checkout: this.#checkoutAt(name),
    };
  }

  #checkoutAt(name: string): CodePlace["checkout"] {
    return { name, path: this.#directory.path("checkouts", name) };
  }

  async #look(place: CodePlace): Promise<Found & { name: string }> {
    const text = await this.#directory.run({ what: "looking for the code", script: lookScript(place) });
    const [name = "", state, ...commits] = text.trim().split("\n");
    if (state === "missing") return { name, state, commits };
    if (state === "checkout" || state === "commit" || state === "no-git") return { name, state };
    throw new RigorError("unreachable", `${this.#directory.host} does not say what code it has: ${state ?? ""}`);
  }

  async #sendArchive(request: RemoteCheckout, place: CodePlace): Promise<void> {
    request.say(`sending the code to ${this.#directory.host}`);
    const what = "receiving the code";
    await withTemporaryDirectory(async (folder) => {
      const archive = join(folder, "archive");
      await writeTreeArchive(request.repository, request.commit, archive);
      const step = { what, script: unpackScript(place, request.links), timeout: longTimeout };
      this.#requireSuccess(what, await deliver(this.#directory, this.#owner, archive, step));
    });
  }

  /**
   * Where old files are removed on the host, its repository has less than it says, and git fails in many ways: then
   * everything is sent anew, once.
   */
  async #sendAndCheckOut(request: RemoteCheckout, place: CodePlace, found: Found): Promise<void> {
    const there = found.state === "missing" ? found.commits : [];
    const isSent =
      found.state === "commit" || (await this.#sendPack(request, place, { there, anew: false })).status === 0;
    if (isSent) {
      const answer = await this.#checkOut(request, place);
      if (answer.status === 0 || answer.status === linkIsTaken)
        return this.#requireSuccess("checking out the code", answer);
    }
    this.#requireSuccess("receiving the code", await this.#sendPack(request, place, { there: [], anew: true }));
    this.#requireSuccess("checking out the code", await this.#checkOut(request, place));
  }

  /** Sends what the host lacks of a commit. @param pack `there`: commits that it has */
  async #sendPack(
    { repository, commit, say }: RemoteCheckout,
    place: CodePlace,
    { there, anew }: { there: readonly string[]; anew: boolean },
  ): Promise<Answer> {
    say(`sending the code to ${this.#directory.host}`);
    return withTemporaryDirectory(async (folder) => {
      const pack = join(folder, "pack");
      await writeCommitPack(repository, commit, there, pack);
      const step = { what: "receiving the code", script: receiveScript(place, anew), timeout: longTimeout };
      return deliver(this.#directory, this.#owner, pack, step);
    });
  }

  async #checkOut(request: RemoteCheckout, place: CodePlace): Promise<Answer> {
    request.say(`checking out the code on ${this.#directory.host}`);
    const script = checkoutScript(place, request.links);
    return this.#directory.ask({ what: "checking out the code", script, timeout: longTimeout });
  }

  #requireSuccess(what: string, answer: Answer): void {
    if (answer.status === 0) return;
    if (answer.status !== linkIsTaken) throw this.#directory.failure(what, answer);
    throw committedLink(answer.stdout.toString("utf8").trim().replace(/^\.\//, ""));
  }
}
