import { readFileSync } from "node:fs";
import { specifications } from "../packages/rigor/src/cli/specifications/all.ts";
import type { CommandSpecification } from "../packages/rigor/src/cli/specification.ts";
import { eventKinds } from "../packages/rigor/src/domain/events/registry.ts";
import { experimentFilePage } from "../packages/rigor/src/domain/files/reference-page.ts";
import { gatesAnywhere, issueStages } from "../packages/rigor/src/domain/issues/stages.ts";
import {
  concernLifecycle,
  gateLifecycle,
  issueLifecycle,
  sessionLifecycle,
  workingStates,
  type IssueState,
} from "../packages/rigor/src/domain/issues/issue-lifecycle.ts";
import {
  attemptLifecycle,
  computeLifecycle,
  experimentLifecycle,
  runLifecycle,
  type Lifecycle,
} from "../packages/rigor/src/domain/lifecycle.ts";
import { jsonPage } from "./json-page.ts";
import { plainHelper } from "./plain-helper.ts";

// Pages, parts of pages, and a template that come from the code. A test checks that they are current.

const root = new URL("../", import.meta.url);

/** Every generated file: path from the top of the repository -> content. */
export function generatedPages(): Record<string, string> {
  return {
    "docs/experiment-file.md": experimentFilePage(),
    "packages/rigor/templates/first/rigor.mjs.txt": plainHelper(),
    "docs/cli.md": commandPage(specifications),
    "docs/json.md": jsonPage(),
    "ARCHITECTURE.md": withParts(readFileSync(new URL("ARCHITECTURE.md", root), "utf8"), {
      attempt: diagram(attemptLifecycle),
      run: diagram(runLifecycle),
      experiment: diagram(experimentLifecycle),
      compute: diagram(computeLifecycle),
      issue: issueDiagram(),
      concern: diagram(concernLifecycle),
      gate: diagram(gateLifecycle),
      session: diagram(sessionLifecycle),
      stages: stageTable(),
      events: eventTable(),
    }),
  };
}

/** Replaces what stands between `<!-- NAME -->` and `<!-- /NAME -->`. */
function withParts(page: string, parts: Record<string, string>): string {
  return Object.entries(parts).reduce((text, [name, content]) => {
    const marked = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`);
    if (!marked.test(text)) throw new Error(`ARCHITECTURE.md has no part ${name}`);
    return text.replace(marked, (_, begin: string, end: string) => `${begin}${content}${end}`);
  }, page);
}

function diagram<State extends string>({ initial, transitions }: Lifecycle<State>): string {
  const entries = Object.entries(transitions) as [State, readonly State[]][];
  const arrows = entries.flatMap(([from, tos]) => tos.map((to) => `    ${node(from)} --> ${node(to)}`));
  const ends = entries.filter(([, tos]) => tos.length === 0).map(([state]) => `    ${node(state)} --> [*]`);
  return ["```mermaid", "stateDiagram-v2", `    [*] --> ${node(initial)}`, ...arrows, ...ends, "```", ""].join("\n");
}

function stageTable(): string {
  const list = (names: readonly string[]) => names.join(", ");
  const rows = Object.entries(issueStages).map(
    ([state, { roles, checks, gates }]) => `| \`${state}\` | ${list(roles)} | ${list(checks)} | ${list(gates)} |`,
  );
  const anywhere = `In all of them: ${list(gatesAnywhere)}.`;
  return ["| state | roles | checks | gates |", "| --- | --- | --- | --- |", ...rows, "", anywhere, ""].join("\n");
}

/** The way of an issue, without the states that it can be set aside in from everywhere. */
function issueDiagram(): string {
  const onTheWay: readonly IssueState[] = ["proposed", ...workingStates, "done"];
  const transitions = Object.fromEntries(
    onTheWay.map((from) => [from, issueLifecycle.transitions[from].filter((to) => onTheWay.includes(to))]),
  );
  return diagram<string>({ ...issueLifecycle, transitions });
}

/** Names of states in a diagram may hold no hyphen. */
const node = (state: string): string => state.replaceAll("-", "_");

function eventTable(): string {
  const rows = Object.entries(eventKinds).map(([kind, { version }]) => `| \`${kind}\` | ${version} |`);
  return ["| event | version |", "| --- | --- |", ...rows, ""].join("\n");
}

function commandPage(commands: readonly CommandSpecification[]): string {
  const head = [
    "# Commands",
    "",
    "Generated from the program; `rigor COMMAND --help` shows the same. Every command takes `--json`, which prints",
    "one JSON document; [its members](json.md) are only ever added. `logs` and `events` print one document on each line. Data lies in",
    "`~/.rigor`, or where `RIGOR_HOME` says.",
    "",
  ];
  return [...head, ...commands.flatMap(commandSection)].join("\n");
}

function commandSection(command: CommandSpecification): string[] {
  const usage = ["rigor", command.name, ...command.arguments.map((one) => (one.required ? one.name : `[${one.name}]`))];
  const rows = [
    ...command.arguments.map((one) => [`\`${one.name}\``, one.description]),
    ...command.options.map((one) => [`\`${one.flags}\``, one.description]),
  ].map(([what, text]) => `| ${what} | ${(text ?? "").replaceAll("|", "\\|")} |`);
  const table = rows.length === 0 ? [] : ["| | |", "| --- | --- |", ...rows, ""];
  const examples = command.examples.map(([line, explanation]) => `    ${line}   # ${explanation}`);
  const exits = (command.exits ?? []).map(([status, meaning]) => `- exit status ${status}: ${meaning}`);
  return [
    `## \`${usage.join(" ")}\``,
    "",
    command.description,
    "",
    ...table,
    ...(examples.length === 0 ? [] : [...examples, ""]),
    ...(exits.length === 0 ? [] : [...exits, ""]),
  ];
}
