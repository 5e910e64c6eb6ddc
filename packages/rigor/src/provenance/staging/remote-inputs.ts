import { bytes } from "../../domain/format/numbers.ts";
import { RigorError } from "../../domain/errors.ts";
import { quote } from "../../hosts/quote.ts";
import { changedInput, inputContent, type InputContent, type InputHash } from "../inputs.ts";
import { outputContent, type OutputSource } from "../outputs.ts";
import { inTurn } from "./in-turn.ts";
import { sendInput, type InputTransfer } from "./input-transfer.ts";
import type { StageRequest } from "./stager.ts";
import { longTimeout, type WorkDirectory } from "./work-directory.ts";

export interface RemoteInputsOptions {
  /** Whose half-sent inputs are whose. */
  owner: string;
  /** File on this machine with hashes of inputs that were read before. */
  inputHashes: string | null;
}

/** Inputs on a host, by what they hash to, each sent once. */
export class RemoteInputs {
  readonly #directory: WorkDirectory;
  readonly #options: RemoteInputsOptions;

  constructor(directory: WorkDirectory, options: RemoteInputsOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  /** @returns the absolute path of each input on the host */
  async stage(
    request: Pick<StageRequest, "repository" | "say">,
    hashes: Readonly<Record<string, InputHash>>,
  ): Promise<Record<string, string>> {
    const inputs = Object.entries(hashes).map(([name, hash]) => ({ name, ...hash }));
    const there = await this.#look(inputs.map(({ sha256 }) => sha256));
    const transfers: InputTransfer[] = [];
    for (const input of inputs) {
      if (there.has(input.sha256)) continue;
      there.add(input.sha256);
      transfers.push(await this.#transfer(request, input));
    }
    if (transfers.length > 0) await this.#requireRoom(transfers);
    for (const transfer of transfers) await this.#sendOnce(transfer);
    return Object.fromEntries(inputs.map(({ name, sha256 }) => [name, this.#target(sha256)]));
  }

  /** Outputs of an attempt, as an input. @returns the absolute path on the host */
  async stageOutputs(source: OutputSource, say: StageRequest["say"]): Promise<string> {
    const { sha256, name } = source;
    const target = this.#target(sha256);
    if ((await this.#look([sha256])).has(sha256)) return target;
    const content = await outputContent(source, this.#options.inputHashes);
    const readAgain = () => outputContent(source, null);
    const transfer = this.#transferOf(name, content, say, readAgain);
    await this.#requireRoom([transfer]);
    await this.#sendOnce(transfer);
    return target;
  }

  #target(sha256: string): string {
    return this.#directory.path("inputs", sha256);
  }

  /** Those of some inputs that the host has. */
  async #look(wanted: readonly string[]): Promise<Set<string>> {
    if (wanted.length === 0) return new Set();
    const script = `for input in ${wanted.map(quote).join(" ")}; do
  used inputs "$input"
  if [ -e "$root/inputs/$input" ]; then echo "$input"; fi
done`;
    const answer = await this.#directory.run({ what: "looking for the inputs", script });
    return new Set(answer.trim().split("\n"));
  }

  async #transfer(
    { repository, say }: Pick<StageRequest, "repository" | "say">,
    { name, path, sha256 }: { name: string; path: string; sha256: string },
  ): Promise<InputTransfer> {
    const content = await inputContent(repository, name, path, this.#options.inputHashes);
    if (content.sha256 !== sha256) throw changedInput(name, path);
    return this.#transferOf(name, content, say, () => inputContent(repository, name, path, null));
  }

  #transferOf(
    name: string,
    content: InputContent,
    say: StageRequest["say"],
    readAgain: InputTransfer["readAgain"],
  ): InputTransfer {
    const target = this.#target(content.sha256);
    return {
      name,
      content,
      target,
      partial: `${target}.partial-${this.#options.owner}`,
      say: (what) => say(what, null),
      readAgain,
    };
  }

  async #sendOnce(transfer: InputTransfer): Promise<void> {
    const { sha256 } = transfer.content;
    await inTurn(this.#directory.named(transfer.target), async () => {
      // Another experiment may have sent it meanwhile.
      if (!(await this.#look([sha256])).has(sha256)) await sendInput(this.#directory, transfer);
    });
  }

  /** @throws RigorError `storage` before anything is sent that does not fit */
  async #requireRoom(transfers: readonly InputTransfer[]): Promise<void> {
    const script = roomScript(transfers.map(({ partial }) => partial));
    const answer = await this.#directory.run({ what: "looking for room", script, timeout: longTimeout });
    const facts = answer.split("\n").map((line) => line.split(" "));
    const values = (word: string) => facts.filter(([first]) => first === word).map((fact) => fact.slice(1).map(Number));
    const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
    const [[kilobytes = Number.NaN] = []] = values("free");
    const [[inodes = 0, inodesFree = 0] = []] = values("inodes");
    const sent = values("sent");
    const files = transfers.flatMap(({ content }) => content.files);
    const names = transfers.map(({ name }) => name).join(", ");
    const free = kilobytes * 1024;
    const size = sum(files.map((file) => file.size)) - sum(sent.map(([used = 0]) => used)) * 1024;
    if (size > free) throw this.#noRoom(`${bytes(size)} of inputs (${names})`, `${bytes(free)} are free`);
    // Some file systems have no fixed number of inodes, and say that they have none.
    const count = files.length - sum(sent.map(([, found = 0]) => found));
    if (inodes > 0 && count > inodesFree) {
      throw this.#noRoom(`${count} files of inputs (${names})`, `${inodesFree} inodes are free`);
    }
  }

  #noRoom(what: string, free: string): RigorError {
    const { host, root, roomRemedy } = this.#directory;
    return new RigorError("storage", `${what} do not fit into ${root} on ${host}: ${free}`, { next: roomRemedy });
  }
}

/** Prints kilobytes and inodes that are free, and what is there already of inputs that were begun. */
const roomScript = (partials: readonly string[]): string => `mkdir -p "$root/inputs"
df -Pk "$root/inputs" | { read -r _ && read -r _ _ _ free _ && echo "free $free"; }
df -Pi "$root/inputs" 2>/dev/null | { read -r _ && read -r _ all _ free _ && echo "inodes $all $free"; } || :
for partial in ${partials.map(quote).join(" ")}; do
  if [ -e "$partial" ]; then
    du -sk "$partial" | { read -r size _ && echo "sent $size $(find "$partial" -type f | wc -l)"; }
  fi
done`;
