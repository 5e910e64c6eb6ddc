import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { randomBytes } from "node:crypto";
import { setMaxListeners } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { RigorError } from "../domain/errors.ts";
import { commandLine, endOf, readFrame } from "./framing.ts";
import type { Answer, ScriptOptions } from "./shell.ts";

const defaultTimeout = 60;

/** Milliseconds after the end of a program in which what it wrote still arrives. */
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
  const reading = new Reading(child, endOf(mark));
  // A script need not read all of its input: how it ended is in its answer.
  pipeline(Readable.from(piecesOf(options.input)), child.stdin).catch(() => undefined);
  const end = await reading.end(options.timeout ?? defaultTimeout, program.closed);
  const answer = readFrame(reading.output, mark);
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  if (answer !== null) return { ...answer, stderr: reading.errors };
  child.kill("SIGKILL");
  throw unreachable(program, end, reading.errors);
}

/** What a program writes until the mark of the end, its own end, or the end of patience. */
class Reading {
  readonly #output: Buffer[] = [];
  readonly #errors: Buffer[] = [];
  #errorBytes = 0;
  /** The last bytes, in which the mark may have been cut in two. */
  #tail = Buffer.alloc(0);
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #marked: Promise<null>;

  constructor(child: ChildProcessWithoutNullStreams, mark: string) {
    this.#child = child;
    child.stderr.on("data", (piece: Buffer) => {
      if (this.#errorBytes < mostStderr) this.#errors.push(piece);
      this.#errorBytes += piece.length;
    });
    // Something that was left running may hold the stream open: the mark is the end, not the end of the stream.
    this.#marked = new Promise((resolve) => {
      child.stdout.on("data", (piece: Buffer) => {
        this.#output.push(piece);
        const seen = Buffer.concat([this.#tail, piece]);
        this.#tail = seen.subarray(-2 * mark.length);
        if (seen.includes(mark)) setImmediate(resolve, null);
      });
    });
  }

  get output(): Buffer {
    return Buffer.concat(this.#output);
  }

  get errors(): string {
    return Buffer.concat(this.#errors).toString("utf8");
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
    const why = await Promise.race([this.#marked, patience, ended, closing]);
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
  const words = stderr.trim().split("\n").slice(-3).join("; ");
  const why = [end, words === "" ? null : words].filter((part) => part !== null).join("; ");
  return new RigorError("unreachable", `${host} gave no answer: ${why === "" ? "the connection was lost" : why}`, {
    next,
  });
}
