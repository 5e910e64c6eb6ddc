import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, fstatSync, openSync, readSync, statfsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { DaemonFile } from "../../api/contract/daemon-file.ts";
import { makeDataDirectory, notWritable } from "../../api/contract/data-directory.ts";
import { RigorError } from "../../domain/errors.ts";
import { answers } from "./client.ts";
import { daemonLogPath, readDaemonFile } from "./daemon-file.ts";
import { hangingDaemon, ownerPid } from "./owner.ts";
import { readFailure, type Failure } from "../output/failure.ts";

export interface StartOptions {
  directory: string;
  environment: NodeJS.ProcessEnv;
  /** The daemon that did not answer. */
  dead: DaemonFile | null;
  /** Tells a person why this takes long. */
  note: (line: string) => void;
}

const pollMs = 10;
/** A daemon that cannot start ends and says why; one that is only slow, on a busy machine or a slow disk, is waited for. */
const patienceMs = 60_000;
/** How long nobody may answer although another daemon has the data: one that was killed has it until the system lets go. */
const silenceMs = 10_000;

/** The program of the daemon: source beside source, build beside build. */
export function daemonEntry(): string {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const entry = fileURLToPath(new URL(`../../daemon/main.${extension}`, import.meta.url));
  if (existsSync(entry)) return entry;
  throw new RigorError("daemon", `The package is incomplete: ${entry} is missing.`, { next: "Install it again." });
}

/**
 * Starts a daemon that outlives this program, and waits until one answers: this one, or another that was quicker.
 *
 * @throws RigorError with the daemon's own reason if it does not start.
 */
export async function startDaemon(options: StartOptions): Promise<DaemonFile> {
  const deadline = Date.now() + patienceMs;
  for (let silences = 1; ; silences++) {
    const found = await startOne(options, deadline);
    if (found !== null) return found;
    const owner = ownerPid(options.directory);
    if (silences === 2 && owner !== null) {
      options.note(
        `Another daemon (pid ${owner}) has the data and does not answer; waiting for its answer, or its end.`,
      );
    }
  }
}

async function startOne({ directory, environment, dead }: StartOptions, deadline: number): Promise<DaemonFile | null> {
  const log = openLog(directory);
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, [daemonEntry()], {
      cwd: directory,
      detached: true,
      // Without RIGOR_JOB: a daemon that a run starts is not ended with that run.
      env: { ...environment, RIGOR_HOME: directory, RIGOR_JOB: undefined },
      stdio: ["ignore", log.file, log.file],
    });
  } finally {
    closeSync(log.file);
  }
  child.unref();
  const ended = new Promise<Error | null>((resolve) => {
    child.once("exit", () => resolve(null));
    child.once("error", resolve);
  });
  return waitForDaemon({ directory, dead, ended, logStart: log.size, deadline });
}

interface Wait {
  directory: string;
  dead: DaemonFile | null;
  ended: Promise<Error | null>;
  /** Size of the log before the start. */
  logStart: number;
  /** Milliseconds of the epoch. */
  deadline: number;
}

/** Null where another daemon has the data and does not answer: it may have ended since. */
async function waitForDaemon({ directory, dead, ended, logStart, deadline }: Wait): Promise<DaemonFile | null> {
  const child: { end: { error: Error | null } | null } = { end: null };
  void ended.then((error) => (child.end = { error }));
  let stale = dead?.instance;
  let silentSince: number | null = null;
  while (Date.now() < deadline) {
    const file = readDaemonFile(directory);
    if (file !== null && file.instance !== stale && (await answers(file))) return file;
    if (child.end !== null) {
      if (child.end.error !== null) throw child.end.error;
      const written = readFrom(daemonLogPath(directory), logStart);
      const failure = startFailure(written);
      if (failure?.code !== "already-running") throw failureToStart(failure, directory, written);
      // Another daemon was quicker, or the one that did not answer a moment ago lives after all.
      stale = undefined;
      silentSince ??= Date.now();
      if (Date.now() - silentSince > silenceMs) return null;
    }
    await sleep(pollMs);
  }
  const owner = ownerPid(directory);
  if (owner !== null) throw hangingDaemon(owner, `has not answered for ${patienceMs / 1000} s`, directory);
  throw new RigorError("daemon", `The daemon did not answer within ${patienceMs / 1000} s.`, {
    next: logAdvice(directory, readFrom(daemonLogPath(directory), logStart)),
  });
}

function failureToStart(failure: Failure | null, directory: string, written: string): RigorError {
  if (failure !== null)
    return new RigorError(failure.code, failure.message, failure.next === null ? {} : { next: failure.next });
  // It could not even write why.
  if (written === "" && isFull(directory)) {
    return new RigorError("storage", `The data directory ${directory} cannot be written: the disk is full.`, {
      next: "Make room, then run the same command again.",
    });
  }
  return new RigorError("daemon", "The daemon ended before it was ready.", { next: logAdvice(directory, written) });
}

function isFull(directory: string): boolean {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize < 64 * 1024;
}

/** The line `{"error": {...}}` that a daemon prints when it cannot start. */
export function startFailure(output: string): Failure | null {
  for (const line of output.split("\n").reverse()) {
    if (!line.startsWith('{"error"')) continue;
    try {
      const failure = readFailure((JSON.parse(line) as { error?: unknown }).error);
      if (failure !== null) return failure;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return null;
}

function logAdvice(directory: string, written: string): string {
  const last = written.trimEnd().split("\n").slice(-10).join("\n");
  return last === "" ? `${daemonLogPath(directory)} is empty.` : `The end of ${daemonLogPath(directory)}:\n${last}`;
}

function openLog(directory: string): { file: number; size: number } {
  makeDataDirectory(directory);
  try {
    const file = openSync(daemonLogPath(directory), "a", 0o600);
    return { file, size: fstatSync(file).size };
  } catch (cause) {
    throw notWritable(directory, cause);
  }
}

const tailBytes = 65_536;

function readFrom(path: string, start: number): string {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const from = Math.max(start, size - tailBytes);
    const buffer = Buffer.alloc(Math.max(0, size - from));
    const length = readSync(file, buffer, 0, buffer.length, from);
    return buffer.toString("utf8", 0, length);
  } finally {
    closeSync(file);
  }
}
