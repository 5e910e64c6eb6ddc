/** What a machine is called, and what programs it runs. */
export interface MachineFacts {
  name: string;
  /** As `process.platform` names it: `linux`, `darwin`. */
  os: string;
  /** As `process.arch` names it: `x64`, `arm64`. */
  arch: string;
}

/**
 * What the making of an environment asks of the machine that it is for.
 *
 * On another machine, every question throws RigorError `unreachable` when no whole answer came.
 */
export interface Machine {
  /** For people: `this machine`, or the name that was given to ssh. */
  readonly host: string;

  facts(): Promise<MachineFacts>;

  /** What a program prints, without white space at its ends; null when it is not there or fails. */
  printed(program: string, args: readonly string[]): Promise<string | null>;

  /** The first of some programs that is on PATH. */
  firstOnPath(programs: readonly string[]): Promise<string | null>;

  /** Those of some paths that exist, in their order; links count as what they lead to. */
  existing(paths: readonly string[]): Promise<string[]>;

  /** The text of a file; null where there is none. */
  readText(path: string): Promise<string | null>;

  /** The texts of all files of a directory whose names have an ending, by name; a missing directory has none. */
  readTexts(directory: string, ending: string): Promise<string[]>;
}
