import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { randomBytes } from "node:crypto";
import { setMaxListeners } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { RigorError } from "../domain/errors.ts";
import { commandLine, hasEnd, markOfErrors, readErrors, readFrame, tailBytes } from "./framing.ts";
import type { Answer, ScriptOptions } from "./shell.ts";

const defaultTimeout = 60;

/** Milliseconds after the end of a program, or of its answer, in which what it wrote still arrives. */
const drainMs = 2_000;

const letGo = "the connection was closed on this side";

/** Bytes of standard error that are kept. */
const mostStderr = 64 * 1024;

/** What is aborted when nobody waits for the answers of a shell any more; any number of calls may listen. */
export function openCalls(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

export interface Program {
  host: string;
  /** The program and its arguments; the line for the host's shell is added at the end. */
  command: readonly [string, ...string[]];
  /** What a person can do when it gives no answer. */
  next: string;
  /** Nobody waits for answers any more. */
  closed?: AbortSignal;
}

/**
 * Starts a program that hands a line to a shell, and waits for a whole answer.
 *
 * @throws RigorError `unreachable` without one.
 */
export async function runProgram(program: Program, script: string, options: ScriptOptions = {}): Promise<Answer> {
  if (program.closed?.aborted === true) throw unreachable(program, letGo, "");
  const mark = randomBytes(16).toString("hex");
  const [file, ...args] = program.command;
  const child = spawn(file, [...args, commandLine(script, mark)], { stdio: ["pipe", "pipe", "pipe"] });
  const reading = new Reading(child, mark);
  // A script need not read all of its input: how it ended is in its answer.
  pipeline(Readable.from(piecesOf(options.input)), child.stdin).catch(() => undefined);
  const end = await reading.end(options.timeout ?? defaultTimeout, program.closed);
  const answer = readFrame(reading.output, mark);
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  if (answer !== null) return { ...answer, stderr: readErrors(reading.errors, mark) };
  child.kill("SIGKILL");
  throw unreachable(program, end, readErrors(reading.errors, mark));
}

/** What a program writes to one of its streams, and whether the mark of the end was among it. */
class Stream {
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  #tail = Buffer.alloc(0);
  readonly marked: Promise<void>;

  /** @param most bytes that are kept */
  constructor(stream: Readable, mark: string, most: number) {
    this.marked = new Promise((resolve) => {
      stream.on("data", (piece: Buffer) => {
        if (this.#bytes < most) this.#pieces.push(piece);
        this.#bytes += piece.length;
        const seen = Buffer.concat([this.#tail, piece]);
        this.#tail = seen.subarray(-tailBytes(mark));
        if (hasEnd(seen, mark)) resolve();
      });
    });
  }

  get content(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}

/** What a program writes until the marks of the end, its own end, or the end of patience. */
class Reading {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #output: Stream;
  readonly #errors: Stream;

  constructor(child: ChildProcessWithoutNullStreams, mark: string) {
    this.#child = child;
    this.#output = new Stream(child.stdout, mark, Infinity);
    this.#errors = new Stream(child.stderr, markOfErrors(mark), mostStderr);
  }

  get output(): Buffer {
    return this.#output.content;
  }

  get errors(): string {
    return this.#errors.content.toString("utf8");
  }

  /**
   * Something that was left running may hold the streams open: the marks are the end, not the ends of the streams. A
   * host may mix both streams, so the mark of standard error is not waited for long.
   */
  async #marks(): Promise<null> {
    await this.#output.marked;
    await Promise.race([this.#errors.marked, sleep(drainMs, null, { ref: false })]);
    return null;
  }

  /** Why there is nothing more to wait for; null when it ended by itself. */
  async end(timeout: number, closed: AbortSignal | undefined): Promise<string | null> {
    let timer: NodeJS.Timeout | undefined;
    let close: (() => void) | undefined;
    const closing = new Promise<string>((resolve) => {
      close = () => resolve(letGo);
      closed?.addEventListener("abort", close);
    });
    const patience = new Promise<string>((resolve) => {
      timer = setTimeout(resolve, timeout * 1000, `it gave no answer within ${timeout} s`);
    });
    const ended = new Promise<string | null>((resolve) => {
      this.#child.once("error", (error) => resolve(error.message));
      this.#child.once("close", () => resolve(null));
      this.#child.once("exit", () => setTimeout(resolve, drainMs, null).unref());
    });
    const why = await Promise.race([this.#marks(), patience, ended, closing]);
    clearTimeout(timer);
    if (close !== undefined) closed?.removeEventListener("abort", close);
    return why;
  }
}

async function* piecesOf(input: ScriptOptions["input"]): AsyncIterable<Uint8Array> {
  if (input instanceof Uint8Array) yield input;
  else if (input !== undefined) yield* input;
}

function unreachable({ host, next }: Program, end: string | null, stderr: string): RigorError {
  const lines = stderr.split(/[\r\n]+/).map((line) => line.trim());
  const words = lines
    .filter((line) => line !== "")
    .slice(-3)
    .join("; ");
  const why = [end, words === "" ? null : words].filter((part) => part !== null).join("; ");
  return new RigorError("unreachable", `${host} gave no answer: ${why === "" ? "the connection was lost" : why}`, {
    next,
  });
}
