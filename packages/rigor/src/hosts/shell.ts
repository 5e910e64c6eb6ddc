/** How a script ended on a host. */
export interface Answer {
  /** Exit status of the script. */
  status: number;
  /** What the script wrote, byte for byte, without what the login added. */
  stdout: Buffer;
  stderr: string;
}

export interface ScriptOptions {
  /** What the script reads from its standard input. Default: nothing. */
  input?: Uint8Array | AsyncIterable<Uint8Array>;
  /** Seconds until the host is taken for unreachable. Default: 60. */
  timeout?: number;
}

/**
 * A POSIX shell on a machine. An answer is whole or it is none: output that was cut off, by a lost connection or a
 * killed shell, is never returned, because a part of a list looks like a shorter list.
 */
export interface HostShell {
  /** For people: `this machine`, or the name that was given to ssh. */
  readonly host: string;

  /**
   * Runs a script and waits for its end. What it leaves running must hold none of its streams.
   *
   * @throws RigorError `unreachable` when no whole answer came; whether the script ran, and how far, is then unknown.
   */
  run(script: string, options?: ScriptOptions): Promise<Answer>;

  /**
   * Lets go of the machine: what is waited for is `unreachable` at once, and so is every further script. What a script
   * does there may go on.
   */
  close(): Promise<void>;
}
