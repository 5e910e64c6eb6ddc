import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { promisify } from "node:util";
import { shellQuote } from "../domain/command.ts";
import { RigorError } from "../domain/errors.ts";
import { streamOf } from "./process-stream.ts";
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

  /** What a person types. */
  get #byHand(): string {
    const { host, config } = this.#options;
    return ["ssh", ...(config === null ? [] : ["-F", shellQuote(config)]), host].join(" ");
  }

  async run(script: string, options?: ScriptOptions): Promise<Answer> {
    const command: [string, ...string[]] = [...this.command, "-T", "--", this.host];
    const next = `Try it by hand: ${this.#byHand} true. Jobs there go on, and nothing is concluded about them meanwhile.`;
    try {
      return await runProgram({ host: this.host, command, next, closed: this.#closed.signal }, script, options);
    } catch (error) {
      // A shared connection whose other end is gone would hold up every later script as well.
      if (error instanceof RigorError && error.code === "unreachable") await this.#endConnection();
      throw error;
    }
  }

  /**
   * A connection to a port that the host can reach, through the shared one. Nothing listens on this machine for it, and it
   * ends with this process, whatever ends that.
   */
  dial(target: string, port: number): Duplex {
    const [file, ...args] = this.command;
    const where = target.includes(":") ? `[${target}]:${port}` : `${target}:${port}`;
    const child = spawn(file, [...args, "-W", where, "--", this.host], { stdio: ["pipe", "pipe", "pipe"] });
    const connection = streamOf(child);
    let words = "";
    child.stderr.on("data", (piece: Buffer) => (words = `${words}${piece.toString("utf8")}`.slice(-1_000)));
    child.on("error", (error) => connection.destroy(error));
    child.on("close", (code) => {
      const why = words.trim() || `ssh ended with status ${code}`;
      if (code !== 0) connection.destroy(new Error(`${this.host} opens no connection to ${where}: ${why}`));
    });
    connection.on("close", () => child.kill());
    return connection;
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

/** Characters that the path of a socket has room for on every system. */
const socketRoom = 103;
/** What stands after the folder while ssh makes the socket: `/`, our 16 and its 40 digits with `-`, and `.` with 16 more. */
const socketName = 1 + 16 + 1 + 40 + 1 + 16;

function controlPath({ host, config }: SshOptions): string {
  const name = createHash("sha256")
    .update(JSON.stringify([host, config]))
    .digest("hex")
    .slice(0, 16);
  return join(socketDirectory(), `${name}-%C`);
}

/** In the folder for temporary files, or in `/tmp` where that one's path is too long, as on macOS. */
function socketDirectory(): string {
  const { uid } = userInfo();
  const own = join(tmpdir(), `rigor-ssh-${uid}`);
  const directory = Buffer.byteLength(own) + socketName <= socketRoom ? own : `/tmp/rigor-ssh-${uid}`;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const status = lstatSync(directory);
  // Others may write to the folder that it is made in, and a connection is worth a password.
  if (!status.isDirectory() || status.uid !== uid) {
    throw new RigorError("storage", `${directory} belongs to somebody else.`, {
      next: "Remove it, or set TMPDIR to a folder of your own with a short path.",
    });
  }
  chmodSync(directory, 0o700);
  return directory;
}
