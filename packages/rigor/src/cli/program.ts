import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { readDuration } from "../domain/files/units.ts";
import { jsonOption, type CommandSpecification, type OptionSpecification } from "./specification.ts";

export type Handle = (
  specification: CommandSpecification,
  words: string[],
  options: Record<string, unknown>,
) => Promise<void>;

const introduction =
  "Runs experiments and decides them: arms x tasks x seeds become runs from committed code, checked results, " +
  "seed-paired statistics, and a decision by the rule that was fixed beforehand.";

const firstSteps = `
Start here:
  rigor init             write a first experiment into this repository
  rigor run FILE         run an experiment file to its decision
  rigor COMMAND --help   options, examples and exit statuses

Data lies in ~/.rigor, or where RIGOR_HOME says.
A daemon is started when it is needed.`;

/** The command line as commander parses it. Nothing of a command is loaded before it is called. */
export function buildProgram(specifications: readonly CommandSpecification[], handle: Handle): Command {
  const program = new Command("rigor")
    .usage("COMMAND [options]")
    .description(introduction)
    .helpOption("-h, --help", "Show help.")
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (command) => `${command.name()} ${words(command.registeredArguments)}`.trimEnd() })
    .option("-v, --version", "Show the version.")
    .addHelpText("after", firstSteps)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined, outputError: () => undefined });
  for (const specification of specifications) addCommand(program, specification, handle);
  return program;
}

function addCommand(program: Command, specification: CommandSpecification, handle: Handle): void {
  const command = program
    .command(specification.name)
    .summary(specification.summary)
    .description(specification.description)
    .helpGroup(`${specification.group}:`)
    .helpOption("-h, --help", "Show this help.")
    .addHelpText("after", () => `\n${helpEnd(specification).join("\n")}`);
  for (const { name, description, required, choices } of specification.arguments) {
    const argument = new Argument(required ? `<${name}>` : `[${name}]`, description);
    command.addArgument(choices === undefined ? argument : argument.choices(choices));
  }
  command.usage(`${words(command.registeredArguments)} [options]`.trimStart());
  for (const option of [...specification.options, jsonOption]) {
    command.addOption(readOption(option));
  }
  command.action(() => handle(specification, command.args, command.opts()));
}

/** `FILE`, `[DIR]` */
function words(list: readonly Argument[]): string {
  return list.map((argument) => (argument.required ? argument.name() : `[${argument.name()}]`)).join(" ");
}

function readOption({ flags, description, value, choices }: OptionSpecification): Option {
  const option = new Option(flags, description);
  if (choices !== undefined) return option.choices(choices);
  if (value === "integer") option.argParser(readInteger);
  if (value === "number") option.argParser(readNumber);
  if (value === "duration") option.argParser(readSeconds);
  return option;
}

function readInteger(text: string): number {
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new InvalidArgumentError("Expected a whole number.");
}

function readNumber(text: string): number {
  if (text.trim() !== "" && Number.isFinite(Number(text)) && Number(text) >= 0) return Number(text);
  throw new InvalidArgumentError("Expected a number of at least zero.");
}

function readSeconds(text: string): number {
  const reading = readDuration(/^\d+(\.\d+)?$/.test(text) ? Number(text) : text);
  if ("value" in reading) return reading.value;
  throw new InvalidArgumentError(`${reading.problem.replace(/^e/, "E").replaceAll("`", "")}.`);
}

function helpEnd({ examples, exits }: CommandSpecification): string[] {
  const width = Math.max(...examples.map(([command]) => command.length));
  const lines = [
    "Examples:",
    ...examples.map(([command, explanation]) => `  ${command.padEnd(width)}   ${explanation}`),
  ];
  if (exits === undefined) return lines;
  return [
    ...lines,
    "",
    "Exit status:",
    ...exits.map(([status, meaning]) => `  ${String(status).padEnd(4)} ${meaning}`),
  ];
}
