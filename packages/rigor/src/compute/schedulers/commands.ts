import { RigorError } from "../../domain/errors.ts";
import { quote } from "../../hosts/quote.ts";
import type { Answer, HostShell } from "../../hosts/shell.ts";

/**
 * Variables of the login that a scheduler's commands and jobs get. All others stay away: those of a scheduler change
 * what its commands do, those of an outer job would reach the inner one, and what a login happens to have would become
 * part of a run.
 */
const kept = ["HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "KRB5CCNAME"];

/** Words of a shell that hand the usual variables of a login, and these, to `env -i`. */
export const keptVariables = (own: readonly string[] = []): string[] =>
  [...kept, ...own].map((name) => `\${${name}+"${name}=$${name}"}`);

/** What stands before a command in a script, so that it has no variables of the login but the usual ones and these. */
export const cleanly = (own: readonly string[] = []): string => `env -i ${keptVariables(own).join(" ")}`;

/** Seconds: without its server, a command gives up after 10 to 20, and one with a spare server later. */
const patience = 120;

/** The commands of one kind of scheduler. */
export interface CommandFamily {
  /** As people call the scheduler. */
  name: string;
  /** Variables with which a login says where the scheduler is. */
  variables: readonly string[];
  /** What a command says of its failure, without what the login adds around it. */
  wordsOf(stderr: string): string;
}

/** The commands of a scheduler on a machine. */
export class SchedulerCommands {
  readonly #shell: HostShell;
  readonly #family: CommandFamily;

  constructor(shell: HostShell, family: CommandFamily) {
    this.#shell = shell;
    this.#family = family;
  }

  /** What a command prints. @throws RigorError `scheduler` when it fails */
  async ask(program: string, args: readonly string[], input?: string): Promise<string> {
    const answer = await this.run(program, args, input);
    if (answer.status !== 0) throw this.refusal(program, answer);
    return answer.stdout.toString("utf8");
  }

  run(program: string, args: readonly string[], input?: string): Promise<Answer> {
    return this.runScript(this.line(program, args), input);
  }

  /** A command with its arguments, whatever they contain, as text of a script. */
  line(program: string, args: readonly string[]): string {
    return `${cleanly(this.#family.variables)} ${[program, ...args.map(quote)].join(" ")}`;
  }

  /** Runs a command with arguments that are too many for one line. In one call, if `xargs` makes no more of them. */
  runForAll(program: string, args: readonly string[]): Promise<Answer> {
    return this.runScript(`xargs ${cleanly(this.#family.variables)} ${program}`, args.join("\n"));
  }

  runScript(script: string, input = ""): Promise<Answer> {
    return this.#shell.run(script, { input: Buffer.from(input), timeout: patience });
  }

  refusal(program: string, { status, stderr }: Answer): RigorError {
    const words = this.#family.wordsOf(stderr);
    if (status === 127) {
      return new RigorError("scheduler", `${program} was not found on ${this.#shell.host}.`, {
        next: `Add the folder of ${this.#family.name}'s commands to PATH where a login without a terminal reads it, such as ~/.bashrc.`,
      });
    }
    const said = words === "" ? `exit status ${status}` : words;
    return new RigorError("scheduler", `${program} on ${this.#shell.host} failed: ${said}`);
  }
}

/** The error for an answer that is none. */
export function unreadable(program: string, answer: string): RigorError {
  const shown = answer.trim().slice(0, 200);
  return new RigorError("scheduler", `The answer of ${program} cannot be read: ${JSON.stringify(shown)}.`);
}
