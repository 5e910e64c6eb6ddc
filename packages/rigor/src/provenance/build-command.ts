import { spawn } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { keptLines } from "./build-failure.ts";
import type { Command } from "./environments/manager.ts";

export interface BuildCommand {
  command: Command;
  directory: string;
  variables: Record<string, string>;
  /** Values that must not show in the log. */
  secrets: readonly string[];
  log_file: string;
  onLine?: (line: string) => void;
  signal?: AbortSignal;
}

export interface CommandEnd {
  /** Null when a signal ended it. */
  status: number | null;
  signal: string | null;
  /** The program could not be started. */
  error: string | null;
  last_lines: string[];
}

/** Runs one command of a build, with all it prints appended to a log, and returns how it ended. */
export async function runBuildCommand(build: BuildCommand): Promise<CommandEnd> {
  const log = createWriteStream(build.log_file, { flags: "a", mode: 0o600 });
  const last: string[] = [];
  const note = (line: string) => {
    const clean = withoutSecrets(line, build.secrets);
    last.push(clean);
    if (last.length > keptLines) last.shift();
    build.onLine?.(clean);
    return clean;
  };
  log.write(`${withoutSecrets(`$ ${build.command.join(" ")}`, build.secrets)}\n`);
  const end = await start(build, log, note);
  log.end(`${describeEnd(end)}\n`);
  await finished(log);
  return { ...end, last_lines: last };
}

/** How a command ended, for people. */
export function describeEnd(end: Omit<CommandEnd, "last_lines">): string {
  if (end.error !== null) return `could not be started: ${end.error}`;
  return end.signal === null ? `exit status ${end.status}` : `killed by ${end.signal}`;
}

/** Hides given values, and user names and passwords in addresses. */
export function withoutSecrets(line: string, secrets: readonly string[]): string {
  let clean = line.replace(/([a-z][\w+.-]*:\/\/)[^\s/@]+@/gi, "$1***@");
  for (const secret of secrets) if (secret !== "") clean = clean.replaceAll(secret, "***");
  return clean;
}

function start(
  build: BuildCommand,
  log: WriteStream,
  note: (line: string) => string,
): Promise<Omit<CommandEnd, "last_lines">> {
  return new Promise((resolve) => {
    const [program, ...args] = build.command;
    const child = spawn(program, args, {
      cwd: build.directory,
      env: build.variables,
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own, so that stopping the build stops what it started.
      detached: true,
    });
    const stop = () => stopGroup(child.pid);
    if (build.signal?.aborted === true) stop();
    build.signal?.addEventListener("abort", stop, { once: true });
    copyLines(child.stdout, log, note);
    copyLines(child.stderr, log, note);
    const done = (end: Omit<CommandEnd, "last_lines">) => {
      build.signal?.removeEventListener("abort", stop);
      resolve(end);
    };
    child.once("error", (error) => done({ status: null, signal: null, error: error.message }));
    child.once("close", (status, signal) => done({ status, signal, error: null }));
  });
}

function copyLines(stream: Readable, log: WriteStream, note: (line: string) => string): void {
  createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) => log.write(`${note(line)}\n`));
}

function stopGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGTERM");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
