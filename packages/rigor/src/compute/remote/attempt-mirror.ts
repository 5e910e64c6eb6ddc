import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, statSync, writeSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { promisify } from "node:util";
import { hostFailure } from "../../hosts/host-failure.ts";
import type { HostShell } from "../../hosts/shell.ts";
import { RigorError } from "../../domain/errors.ts";
import { AttemptDirectory } from "../attempt/attempt-directory.ts";
import type { KeptDirectory } from "../executor.ts";
import { refuseWithoutRoot } from "./missing-root.ts";
import * as scripts from "./scripts.ts";
import { parsePieces, parseSizes, parseSurvey, pieceLine, type Piece, type Survey } from "./survey.ts";

/** Bytes that one call brings over at most, so that a lost connection loses little. */
const mostBytes = 16 * 1024 * 1024;

/** Attempts that one call is about, at most, so that it ends in time also on a busy host. */
const mostAttempts = 1_000;

/** Seconds for a call that moves data. */
const transferTimeout = 300;

/** The streams of an attempt that people follow while it runs, relative to its directory. */
const streams = ["stdout.log", "stderr.log", "output/metrics.jsonl"];

/** A file below the folder of all attempts on a host, and its bytes there. */
export interface HostFile {
  path: string;
  size: number;
}

/**
 * The directories of attempts on a host and their copies on this machine, which everything else reads. A copy grows by
 * what its file on the host has more, so that repeating a step, or losing the connection in the middle, does no harm.
 */
export class AttemptMirror {
  readonly #shell: HostShell;
  /** Folder of all attempts on the host, absolute. */
  readonly root: string;
  /** Folder of their copies. */
  readonly #copies: string;

  constructor(shell: HostShell, root: string, copies: string) {
    this.#shell = shell;
    this.root = root;
    this.#copies = copies;
  }

  get host(): string {
    return this.#shell.host;
  }

  /** What the directory of all attempts is marked with; the first who asks marks it. */
  async identity(): Promise<string> {
    return (await this.#ask(scripts.identityScript, [randomUUID()])).trim();
  }

  /**
   * Brings over what was written for jobs, where another machine has written it: what a job declares is known by it.
   */
  async recover(paths: readonly string[]): Promise<void> {
    const strange = paths.filter((path) => !existsSync(this.directory(path).spec));
    if (strange.length === 0) return;
    const files = strange.flatMap((path) =>
      ["parameters.json", "job.sh", "spec.json"].map((name) => `${path}/${name}`),
    );
    const sizes = parseSizes((await this.#ask(scripts.filesScript, files)).split("\n"));
    await this.bring([...sizes].map(([path, size]) => ({ path, size })));
  }

  /** Sends what was written for jobs that are to start. */
  async push(paths: readonly string[]): Promise<void> {
    const { stdout } = await promisify(execFile)("tar", ["-cf", "-", "-C", this.#copies, "--", ...paths], {
      encoding: "buffer",
      maxBuffer: 2 ** 30,
    });
    const answer = await this.#shell.run(scripts.unpackScript(this.root), { input: stdout, timeout: transferTimeout });
    if (answer.status !== 0) throw hostFailure(this.#shell.host, this.root, "writing attempts", answer);
  }

  /** Looks at attempts; one call for any thousand of them. */
  async survey(paths: readonly string[]): Promise<Survey> {
    const survey: Survey = { sights: new Map(), sizes: new Map() };
    for (let start = 0; start < paths.length; start += mostAttempts) {
      const text = await this.#ask(scripts.surveyScript, paths.slice(start, start + mostAttempts));
      const part = parseSurvey(text);
      for (const [path, sight] of part.sights) survey.sights.set(path, sight);
      for (const [path, size] of part.sizes) survey.sizes.set(path, size);
    }
    return survey;
  }

  /** The streams of an attempt that are on the host. */
  streamsOf(path: string, sizes: ReadonlyMap<string, number>): HostFile[] {
    return streams.flatMap((stream) => {
      const size = sizes.get(`${path}/${stream}`);
      return size === undefined ? [] : [{ path: `${path}/${stream}`, size }];
    });
  }

  /** The record of who executed an attempt, where it was not seen while that ran. A later one has its place. */
  processOf(path: string, sizes: ReadonlyMap<string, number>): HostFile[] {
    const file = `${path}/process`;
    const size = sizes.get(file);
    return size === undefined || this.#sizeOfCopy(file) !== -1 ? [] : [{ path: file, size }];
  }

  /**
   * Lists files and folders below the output folders of attempts.
   *
   * @param wanted path of an attempt -> paths below its `output`
   */
  async outputsOf(wanted: ReadonlyMap<string, readonly string[]>): Promise<Map<string, HostFile[]>> {
    const places = [...wanted].map(([path, outputs]): [string, string[]] => [
      path,
      outputs.map((output) => `${path}/output/${posix.normalize(output)}`),
    ]);
    const answer = await this.#ask(
      scripts.filesScript,
      places.flatMap(([, outputs]) => outputs),
    );
    const byAttempt = Map.groupBy(parseSizes(answer.split("\n")), ([file]) => attemptOf(file));
    return new Map(
      places.map(([path, outputs]) => {
        const files = (byAttempt.get(path) ?? []).filter(([file]) => isBelow(file, outputs));
        return [path, files.map(([file, size]) => ({ path: file, size }))];
      }),
    );
  }

  /** Starts attempts that were pushed. Those that are claimed already are left alone. */
  async start(paths: readonly string[]): Promise<void> {
    await this.#ask(scripts.startScript, paths);
  }

  /** Forbids attempts that have not started. @returns those that will never start */
  async withdraw(paths: readonly string[]): Promise<string[]> {
    return linesOf(await this.#ask(scripts.withdrawScript, paths));
  }

  /** Forbids or ends attempts. @returns those that will never start */
  async cancel(paths: readonly string[]): Promise<string[]> {
    return linesOf(await this.#ask(scripts.cancelScript, paths));
  }

  /** The paths of those attempts that have checkpoints on the host. */
  async checkpoints(paths: readonly string[]): Promise<string[]> {
    return linesOf(await this.#ask(scripts.checkpointsScript, paths));
  }

  /** Directories of attempts on the host. */
  async keptDirectories(): Promise<KeptDirectory[]> {
    const answer = await this.#shell.run(scripts.keptScript(this.root));
    refuseWithoutRoot(this.#shell.host, this.root, answer);
    if (answer.status !== 0) throw failed(this.#shell.host, "attempts could not be listed", answer.stderr);
    return linesOf(answer.stdout.toString("utf8")).flatMap((line) => {
      const [, path, attempt = "", checkpoints] = /^([^/ ]+\/([^/ ]+)) ([01])$/.exec(line) ?? [];
      return path === undefined ? [] : [{ attempt, path, has_checkpoints: checkpoints === "1" }];
    });
  }

  /** Removes directories of attempts that are over. */
  async remove(paths: readonly string[]): Promise<void> {
    await this.#ask(scripts.removeScript, paths, transferTimeout);
  }

  /** Kills what attempts left in their process groups on the host that the shell is on. */
  async kill(paths: readonly string[]): Promise<void> {
    await this.#ask(scripts.killScript, paths);
  }

  /** Ends what attempts that are over have left running outside their process groups. */
  async endLeftBehind(paths: readonly string[]): Promise<void> {
    await this.#ask(scripts.leftBehindScript, paths);
  }

  /** Makes sure that the next survey sees what other machines have written to attempts. */
  async refresh(paths: readonly string[]): Promise<void> {
    await this.#ask(scripts.refreshScript, paths);
  }

  /** Makes sure that nothing more comes of attempts that are taken for over. */
  async discard(paths: readonly string[]): Promise<void> {
    await this.#ask(scripts.discardScript, paths);
  }

  /**
   * Writes the script of a batch on the host.
   *
   * @param contents what another daemon has to know of it: one line
   * @returns the folder that it is in, absolute
   */
  async writeBatch(name: string, contents: string, script: string): Promise<string> {
    const input = Buffer.from(`${name}\n${contents}\n${script}`);
    const answer = await this.#shell.run(scripts.batchScript(this.root), { input });
    if (answer.status !== 0) throw hostFailure(this.#shell.host, this.root, "writing a batch", answer);
    return answer.stdout.toString("utf8").replace(/\n$/, "");
  }

  /** What is in every batch on the host: its folder, and the line that was written with it. */
  async batchContents(): Promise<{ folder: string; contents: string }[]> {
    const lines = linesOf((await this.#run(scripts.batchContentsScript(this.root))).stdout.toString("utf8"));
    return lines.flatMap((folder, at) => (at % 2 === 0 ? [{ folder, contents: lines[at + 1] ?? "" }] : []));
  }

  /** Removes the folders of batches. */
  async removeBatches(names: readonly string[]): Promise<void> {
    await this.#ask(scripts.removeBatchesScript, names);
  }

  directory(path: string): AttemptDirectory {
    return new AttemptDirectory(join(this.#copies, path));
  }

  /** Hands lines to a script, one call for any thousand of them. All scripts may be repeated. */
  async #ask(script: (root: string) => string, lines: readonly string[], timeout?: number): Promise<string> {
    const answers: Buffer[] = [];
    for (let start = 0; start < lines.length; start += mostAttempts) {
      const input = lines.slice(start, start + mostAttempts).map((line) => `${line}\n`);
      answers.push((await this.#run(script(this.root), Buffer.from(input.join("")), timeout)).stdout);
    }
    return Buffer.concat(answers).toString("utf8");
  }

  async #run(script: string, input = Buffer.alloc(0), timeout?: number) {
    const answer = await this.#shell.run(script, { input, timeout });
    if (answer.status !== 0) throw failed(this.#shell.host, "attempts could not be looked at", answer.stderr);
    return answer;
  }

  /** Bytes of a file that the copy lacks. */
  missing({ path, size }: HostFile): number {
    return Math.max(0, size - Math.max(0, this.#sizeOfCopy(path)));
  }

  /** Whether the copy of a file is as long as the file. */
  has({ path, size }: HostFile): boolean {
    return this.#sizeOfCopy(path) === size;
  }

  /** Brings over what files have more than their copies. One that became shorter meanwhile is left for the next time. */
  async bring(files: readonly HostFile[]): Promise<void> {
    let waiting = files.flatMap(({ path, size }): Piece[] => {
      const offset = this.#sizeOfCopy(path);
      return size > offset || (size === 0 && offset === -1)
        ? [{ path, offset: Math.max(0, offset), count: size - Math.max(0, offset) }]
        : [];
    });
    while (waiting.length > 0) {
      const { now, later } = portion(waiting);
      const script = scripts.piecesScript(this.root);
      const input = Buffer.from(now.map(pieceLine).join(""));
      const answer = await this.#shell.run(script, { input, timeout: transferTimeout });
      const pieces = parsePieces(answer.stdout, now);
      for (const { piece, bytes } of pieces) this.#append(piece, bytes);
      const shorter = now[pieces.length];
      const rest = [...now.slice(pieces.length), ...later];
      waiting = shorter === undefined ? later : rest.filter(({ path }) => path !== shorter.path);
    }
  }

  #sizeOfCopy(path: string): number {
    return statSync(join(this.#copies, path), { throwIfNoEntry: false })?.size ?? -1;
  }

  #append({ path, offset }: Piece, bytes: Buffer): void {
    const file = join(this.#copies, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const descriptor = openSync(file, "a", 0o600);
    try {
      if (fstatSync(descriptor).size === offset) writeSync(descriptor, bytes);
    } finally {
      closeSync(descriptor);
    }
  }
}

/** The path of the attempt that a file belongs to. */
const attemptOf = (file: string): string => file.split("/", 2).join("/");

const isBelow = (file: string, places: readonly string[]): boolean =>
  posix.normalize(file) === file && places.some((place) => file === place || file.startsWith(`${place}/`));

const linesOf = (text: string): string[] => text.split("\n").filter((line) => line !== "");

/** As much as one call brings over, and the rest. */
function portion(pieces: readonly Piece[]): { now: Piece[]; later: Piece[] } {
  const now: Piece[] = [];
  let room = mostBytes;
  for (const [index, piece] of pieces.entries()) {
    if (room === 0) return { now, later: pieces.slice(index) };
    const count = Math.min(piece.count, room);
    now.push({ ...piece, count });
    room -= count;
    if (count < piece.count) {
      const rest = { ...piece, offset: piece.offset + count, count: piece.count - count };
      return { now, later: [rest, ...pieces.slice(index + 1)] };
    }
  }
  return { now, later: [] };
}

function failed(host: string, what: string, stderr: string): RigorError {
  return new RigorError("unreachable", `On ${host}, ${what}: ${stderr.trim().split("\n").slice(-3).join("; ")}`, {
    next: `Look at the room and the permissions of Rigor's directory there; \`rigor compute check\` tries them.`,
  });
}
