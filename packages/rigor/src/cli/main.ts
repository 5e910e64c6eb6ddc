import { dataDirectory } from "../api/contract/data-directory.ts";
import { RigorError } from "../domain/errors.ts";
import { createContext } from "./context.ts";
import { daemonLogPath } from "./daemon/daemon-file.ts";
import { describeFailure, exitStatus, failureJson, failureText } from "./output/failure.ts";
import { Invocation } from "./invocation.ts";
import type { CommandSpecification } from "./specification.ts";
import { packageVersion } from "./version.ts";

/** Exit status of a process that a closed pipe ended, as shells report it. */
const closedPipe = 141;

quietWhenPipeCloses();
process.exitCode = await main(process.argv.slice(2));

async function main(words: string[]): Promise<number> {
  const [first, ...rest] = words;
  if (first === "__complete") return (await import("./completion/candidates.ts")).complete(rest);
  const context = createContext(wantsJson(words));
  try {
    return await parse(words);
  } catch (error) {
    const failure = describeFailure(error, { logFile: daemonLogPath(dataDirectory(context.environment)) });
    if (context.environment["RIGOR_DEBUG"] && error instanceof Error) context.note(error.stack ?? error.message);
    if (context.json) await context.write(failureJson(failure));
    else process.stderr.write(failureText(failure, context.errorTerminal.style));
    return exitStatus(failure);
  }

  async function parse(words: string[]): Promise<number> {
    const [{ CommanderError }, { buildProgram }, { specifications }] = await Promise.all([
      import("commander"),
      import("./program.ts"),
      import("./specifications/all.ts"),
    ]);
    if (words[0] === "--version" || words[0] === "-v") {
      await context.lines([packageVersion()]);
      return 0;
    }
    let status = 0;
    const handle = async (specification: CommandSpecification, args: string[], options: Record<string, unknown>) => {
      const { execute } = await specification.load();
      status = await execute(context, new Invocation(specification.name, args, options));
    };
    const program = buildProgram(specifications, handle);
    try {
      if (words.length === 0) program.help();
      await program.parseAsync(words, { from: "user" });
      return status;
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (error.exitCode === 0) return 0;
      throw usageError(error.message, words, specifications);
    }
  }
}

/** A command line that cannot be understood: what is wrong with it, what was probably meant, and where to look. */
function usageError(
  message: string,
  words: readonly string[],
  specifications: readonly CommandSpecification[],
): RigorError {
  const [what = "", ...suggestions] = message.replace(/^error: /, "").split("\n");
  const command = specifications.find(({ name }) => name === words[0]);
  const help =
    command === undefined
      ? "`rigor --help` lists the commands."
      : `\`rigor ${command.name} --help\` shows what is possible.`;
  const next = [...suggestions.map((suggestion) => suggestion.replace(/^\((.*)\)$/, "$1")), help].join("\n");
  return new RigorError("usage", `${what.charAt(0).toUpperCase()}${what.slice(1).replace(/\.?$/, ".")}`, { next });
}

/** Asked before the command line is understood, so that a misunderstanding is reported in the wanted form. */
function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return (end < 0 ? words : words.slice(0, end)).includes("--json");
}

/** `rigor list | head` ends like any other program: without a word. */
function quietWhenPipeCloses(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(closedPipe);
      throw error;
    });
  }
}
