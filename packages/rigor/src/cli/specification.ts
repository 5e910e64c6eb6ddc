import type { Context } from "./context.ts";
import type { Invocation } from "./invocation.ts";

/** What a word on the command line names, so that a shell can complete it. */
export type Names = "experiment" | "run" | "reference" | "file" | "directory" | "text";

export interface ArgumentSpecification {
  /** As in the usage line: `EXPERIMENT`. */
  name: string;
  description: string;
  required: boolean;
  names: Names;
  /** All allowed words, if they are few. */
  choices?: readonly string[];
}

export interface OptionSpecification {
  /** `--max-runs <N>`, `-f, --follow` */
  flags: string;
  description: string;
  /** How a value is read; options without a value have none. */
  value?: "integer" | "number" | "duration" | "text";
  names?: Names;
  choices?: readonly string[];
}

/** Returns the exit status. */
export type Execute = (context: Context, invocation: Invocation) => Promise<number>;

/** One command: its help, its completion and its parsing come from here, its work from `load`. */
export interface CommandSpecification {
  name: string;
  group: string;
  /** One line for the list of commands. */
  summary: string;
  /** What a new user needs to know, in the help of the command. */
  description: string;
  arguments: readonly ArgumentSpecification[];
  options: readonly OptionSpecification[];
  /** Command lines that work, each with what it does. */
  examples: readonly (readonly [command: string, explanation: string])[];
  /** Exit statuses, where they say more than success and failure. */
  exits?: readonly (readonly [status: number, meaning: string])[];
  load: () => Promise<{ execute: Execute }>;
}

export const jsonOption: OptionSpecification = {
  flags: "--json",
  description: "Print JSON for programs; members are only ever added.",
};
