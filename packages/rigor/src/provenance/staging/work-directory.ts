import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { RigorError } from "../../domain/errors.ts";
import { hostFailure, roomRemedy } from "../../hosts/host-failure.ts";
import { quote } from "../../hosts/quote.ts";
import type { Answer, HostShell } from "../../hosts/shell.ts";
import { sealFunctions } from "../seal.ts";

type Bytes = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * Something that a host is asked to do. Repeating it must do no harm, also while the first try still runs there: a
 * connection may be lost at any point.
 */
export interface Step {
  /** For people, as in `lab1 failed at WHAT`. */
  what: string;
  /** POSIX shell; `$root` is the work directory, and the functions of {@link shellFunctions} are there. */
  script: string;
  /** What the script reads from its standard input; made anew for each try. */
  input?: () => Bytes;
  /** Seconds. */
  timeout?: number;
  /** Messages in the host's own language, and the variables of a login as they are. */
  untouched?: boolean;
}

/** What lies in the work directory, each in a folder of its kind. */
export const kinds = ["checkouts", "environments", "inputs", "repositories", "incoming"] as const;

export interface Kept {
  kind: (typeof kinds)[number];
  /** Without dots: what else begins with the name and a dot belongs to it. */
  name: string;
}

const defaultTimeout = 120;

/** Seconds for steps that write many files, on a disk that may be slow. */
export const longTimeout = 1_800;

/** The directory of a host that Rigor works in, and how the host is asked. */
export class WorkDirectory {
  readonly shell: HostShell;
  /** Absolute path on the host. */
  readonly root: string;

  constructor(shell: HostShell, root: string) {
    if (!posix.isAbsolute(root)) {
      throw new RigorError("internal", `the work directory ${root} on ${shell.host} is not an absolute path`);
    }
    this.shell = shell;
    this.root = posix.normalize(root).replace(/(.)\/+$/, "$1");
  }

  get host(): string {
    return this.shell.host;
  }

  path(...parts: string[]): string {
    return posix.join(this.root, ...parts);
  }

  /** Names a path for people. */
  named(path: string): string {
    return `${this.host}:${path}`;
  }

  /** Runs a step and returns how it ended. */
  async ask(step: Step): Promise<Answer> {
    const input = step.input === undefined ? undefined : new WatchedInput(step.input);
    const answer = await this.shell.run(`${preamble(this.root, step.untouched === true)}\n${step.script}`, {
      timeout: step.timeout ?? defaultTimeout,
      ...(input === undefined ? {} : { input }),
    });
    // To the host, an input that failed looks like one that ended.
    if (input?.error !== undefined) throw input.error;
    return answer;
  }

  /** As {@link ask}, and returns what it printed. @throws RigorError `storage` when it failed */
  async run(step: Step): Promise<string> {
    const answer = await this.ask(step);
    if (answer.status !== 0) throw this.failure(step.what, answer);
    return answer.stdout.toString("utf8");
  }

  /** What a failed step means for people. */
  failure(what: string, answer: Answer): RigorError {
    return hostFailure(this.host, this.root, what, answer);
  }

  /** What to do where disk, inodes or a quota are used up. */
  get roomRemedy(): string {
    return roomRemedy(this.host, this.root);
  }
}

/** An input that can be read again, and remembers why it ended before its end. */
class WatchedInput implements AsyncIterable<Uint8Array> {
  error: Error | undefined;
  readonly #make: () => Bytes;

  constructor(make: () => Bytes) {
    this.#make = make;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    this.error = undefined;
    try {
      yield* this.#make();
    } catch (error) {
      this.error = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
  }
}

const preamble = (root: string, untouched: boolean): string =>
  `set -eu
umask 077
root=${quote(root)}
${untouched ? "" : "export LC_ALL=C\n"}${shellFunctions}`;

/** `discard PATH` removes something that may be read-only. */
export const discardFunction = `
discard() {
  if [ -e "$1" ] || [ -h "$1" ]; then
    chmod -R u+w "$1" 2>/dev/null || :
    rm -rf "$1"
  fi
}
`;

/**
 * - `used KIND NAME` notes when something was last used; a full disk must not keep it from being used.
 * - `seal` and `unchanged`: see {@link sealFunctions}.
 * - `place DIRECTORY TARGET` gives a name to something complete. `mv` puts it inside when somebody else was first.
 */
const shellFunctions = `
now=
used() {
  now=\${now:-$(date +%s)}
  { mkdir -p "$root/used" && printf '%s\\n' "$now" >"$root/used/$1.$2"; } 2>/dev/null || :
}
${discardFunction}${sealFunctions}place() {
  moved=
  if [ ! -e "$2" ]; then moved=$(mv -f "$1" "$2" 2>&1) || :; fi
  discard "$2/\${1##*/}"
  discard "$1"
  if [ ! -e "$2" ]; then
    printf '%s\\n' "$moved" >&2
    return 1
  fi
}
`;

/** A path on the host that nobody else writes to, in double quotes. One script may run twice at once: hence `$$`. */
export const freshPath = (path: string): string => `${quote(`${path}-${randomBytes(6).toString("hex")}-`)}"$$"`;
