import type { Lab } from "./daemon/connection.ts";
import { describeTerminal, type Terminal } from "./output/terminal.ts";
import { printable } from "./output/text.ts";

/** What a command works with. Answers go to stdout; progress and remarks go to stderr. */
export interface Context {
  /** The answer is JSON. */
  readonly json: boolean;
  readonly environment: NodeJS.ProcessEnv;
  readonly terminal: Terminal;
  readonly errorTerminal: Terminal;
  /** The daemon, started if there is none. */
  lab(): Promise<Lab>;
  /** Writes an answer; waits while the reader is slow. */
  write(chunk: string | Uint8Array): Promise<void>;
  /** Writes lines of an answer. */
  lines(lines: readonly string[]): Promise<void>;
  /** A remark for people, beside the answer. */
  note(line: string): void;
  /** An answer in either form: as it came, or rendered from a copy that is safe to print. */
  answer<T>(value: T, render: (value: T) => readonly string[]): Promise<void>;
}

export function createContext(json: boolean): Context {
  const environment = process.env;
  const terminal = describeTerminal(process.stdout, environment);
  const errorTerminal = describeTerminal(process.stderr, environment);
  let lab: Promise<Lab> | undefined;

  const write = (chunk: string | Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      // An error is an event of the stream, too, and ends the program there.
      process.stdout.write(chunk, (error) => {
        if (!error) resolve();
      });
    });
  const lines = (all: readonly string[]) => (all.length === 0 ? Promise.resolve() : write(`${all.join("\n")}\n`));
  const note = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };

  return {
    json,
    environment,
    terminal,
    errorTerminal,
    write,
    lines,
    note,
    lab: () => (lab ??= import("./daemon/connection.ts").then(({ openLab }) => openLab(environment, note))),
    answer: (value, render) => (json ? write(`${JSON.stringify(value, null, 2)}\n`) : lines(render(printable(value)))),
  };
}
