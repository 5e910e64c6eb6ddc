import type { InvestigationSummary, InvestigationView } from "../../api/contract/views/investigations.ts";
import { ago } from "../output/format.ts";
import { facts, table } from "../output/table.ts";
import { oneLine, truncate } from "../output/text.ts";
import type { Look } from "./results.ts";

/** Investigations, a line each. */
export function investigationTable(
  all: readonly InvestigationSummary[],
  { style, columns: width, now }: Look,
): string[] {
  return table({
    columns: [
      { title: "number", align: "right" },
      { title: "state" },
      { title: "since" },
      { title: "explanations", align: "right" },
      { title: "question" },
    ],
    rows: all.map((one) => [
      String(one.number),
      one.outcome ?? one.state,
      ago(one.ended_at ?? one.started_at, now),
      String(one.explanations),
      truncate(questionText(one), 60),
    ]),
    width,
    header: style.dim,
  });
}

/** A question that may be a page, in a line. */
const questionText = ({ question }: InvestigationSummary): string => oneLine(question.replaceAll(/\s+/g, " ").trim());

/** Why it has not begun, for one that waits. */
export const waitText = ({ waits_for }: InvestigationSummary): string =>
  waits_for === null ? "waiting" : `waiting: ${waits_for}`;

function stateText(one: InvestigationSummary, session: string): string {
  if (one.state === "waiting") return waitText(one);
  return one.waits_for === null ? `running, its agent is ${session}` : `running, and waits: ${one.waits_for}`;
}

export function investigationLines(view: InvestigationView, { style, now }: Look): string[] {
  const { investigation: one, servers, compute, log, explanations, summary, artifacts, hanging, session } = view;
  return [
    style.bold(`Investigation ${one.number}: ${questionText(one)}`),
    ...facts(
      [
        ["state", one.outcome ?? stateText(one, session.state)],
        [one.outcome === "answered" ? "answer" : "evidence", one.evidence],
        ["next", one.next],
        ["began", ago(one.started_at, now)],
        ["session", session.id.slice(0, 8)],
        ["machine", session.machine],
        ["tools", servers.join(", ")],
        ["compute", compute],
        ["no answer", hanging.map(hangingText).join("\n")],
        ["artifacts", artifacts.map(({ path }) => path).join("\n")],
        ["files", one.directory],
      ],
      style.dim,
    ),
    ...(log.length === 0 ? [] : ["", style.bold("Research log"), ...log.flatMap(logLines)]),
    ...explanations.flatMap((item, index) => [
      "",
      style.bold(`Explanation ${index + 1}: ${item.behaviour}`),
      item.explanation,
      `confidence ${item.confidence}, from ${item.evidence.map(({ kind }) => kind).join(", ")}`,
    ]),
    ...(summary === null ? [] : ["", style.bold("Summary"), ...summary.summary.split("\n")]),
  ];
}

/** That a tool hangs. */
export const hangingText = ({ tool, calls, seconds }: InvestigationView["hanging"][number]): string =>
  `${tool} gave none within ${seconds} seconds${calls === 1 ? "" : `, ${calls} times`}`;

/** An entry of the research log, as it is shown while it grows. */
export function logLines({ time, text }: InvestigationView["log"][number]): string[] {
  const [first = "", ...rest] = text.split("\n");
  return [`${time.slice(11, 19)}  ${first}`, ...rest.map((line) => (line === "" ? "" : `          ${line}`))];
}

/** How one ended. */
export function endLines({ number, outcome, evidence, next, directory, session }: InvestigationSummary): string[] {
  const said = `Investigation ${number}: ${outcome ?? "running"}. ${evidence ?? ""}`;
  const did = outcome === "answered" ? [] : [`What it did: rigor session follow ${session.slice(0, 8)}`];
  return [said.trim(), ...(next === null ? [] : [next]), ...did, `Its files: ${directory}`];
}
