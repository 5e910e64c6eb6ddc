import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { RigorError } from "../domain/errors.ts";
import { openCalls, runProgram } from "./run-program.ts";
import type { Answer, HostShell, ScriptOptions } from "./shell.ts";

export interface SshOptions {
  /** As ssh is told it: a name of the user's ssh configuration, or `user@host`. */
  host: string;
  /** An ssh configuration file to use instead of the user's. */
  config: string | null;
}

/** Seconds that the shared connection is kept without use. */
const persist = 600;

/**
 * The shell of another machine, through the system's own ssh, so that the user's configuration, keys and agents hold.
 * One connection is shared by all scripts; it ends by itself when nobody uses it.
 */
export class SshShell implements HostShell {
  readonly host: string;
  readonly #options: SshOptions;
  readonly #closed = openCalls();

  constructor(options: SshOptions) {
    // A name that ssh would take for an option could start any program.
    if (options.host.startsWith("-") || options.host === "") {
      throw new RigorError("file-invalid", `"${options.host}" cannot be the name of a host.`);
    }
    this.host = options.host;
    this.#options = options;
  }

  /** What stands before the host in every call of ssh. For git, too, which starts ssh itself. */
  get command(): [string, ...string[]] {
    return ["ssh", ...(this.#options.config === null ? [] : ["-F", this.#options.config]), ...settings(this.#options)];
  }

  async run(script: string, options?: ScriptOptions): Promise<Answer> {
    const command: [string, ...string[]] = [...this.command, "-T", "--", this.host];
    const next = `Try it by hand: ssh ${this.host} true. Jobs there go on, and nothing is concluded about them meanwhile.`;
    try {
      return await runProgram({ host: this.host, command, next, closed: this.#closed.signal }, script, options);
    } catch (error) {
      // A shared connection whose other end is gone would hold up every later script as well.
      if (error instanceof RigorError && error.code === "unreachable") await this.#endConnection();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#endConnection();
  }

  async #endConnection(): Promise<void> {
    const [file, ...args] = this.command;
    // There may be no connection to end.
    await promisify(execFile)(file, [...args, "-O", "exit", "--", this.host], { timeout: 5_000 }).catch(
      () => undefined,
    );
  }
}

function settings(options: SshOptions): string[] {
  return [
    "BatchMode=yes",
    "ConnectTimeout=15",
    "ControlMaster=auto",
    `ControlPath=${controlPath(options)}`,
    `ControlPersist=${persist}`,
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "LogLevel=ERROR",
  ].flatMap((setting) => ["-o", setting]);
}

/** A socket's path has room for about a hundred characters, so it is not below the data directory. */
function controlPath({ host, config }: SshOptions): string {
  const name = createHash("sha256")
    .update(JSON.stringify([host, config]))
    .digest("hex")
    .slice(0, 16);
  return join(socketDirectory(), `${name}-%C`);
}

function socketDirectory(): string {
  const directory = join(tmpdir(), `rigor-ssh-${userInfo().uid}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const status = lstatSync(directory);
  // Others may write to the folder that it is made in, and a connection is worth a password.
  if (!status.isDirectory() || status.uid !== userInfo().uid) {
    throw new RigorError("storage", `${directory} belongs to somebody else.`, {
      next: "Remove it, or set TMPDIR to a folder of your own.",
    });
  }
  chmodSync(directory, 0o700);
  return directory;
}
