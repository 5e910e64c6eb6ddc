import type { FiledIssue, IssueSummary, IssueView } from "../../api/contract/views/issues.ts";
import { ago, dollars, duration, number as count, plural } from "../output/format.ts";
import { facts, table } from "../output/table.ts";
import type { Paint, Style } from "../output/terminal.ts";
import { indent } from "../output/text.ts";
import type { Look } from "./results.ts";
import { roomLines } from "./words.ts";

/** `Issue 3 is planning: Does it hold?` */
export const issueLine = ({ number, state, title, waits_for }: IssueSummary): string[] => [
  `Issue ${number} is ${state}: ${title}`,
  `  ${waits_for}`,
];

/** What was filed, and what may ask the same. */
export const filedLines = (issue: FiledIssue): string[] => [
  ...issueLine(issue),
  ...issue.alike.map(
    ({ number, state }) =>
      `Issue ${number} has the same title and is ${state}. If one is enough: rigor issue cancel ${issue.number}`,
  ),
  "The daemon works on it. What waits for you: rigor inbox",
];

/** Issues, a line each. */
export function issueTable(issues: readonly IssueSummary[], { style, columns: width, now }: Look): string[] {
  return table({
    columns: [
      { title: "issue", align: "right" },
      { title: "kind" },
      { title: "state" },
      { title: "age" },
      { title: "title" },
      { title: "now" },
    ],
    rows: issues.map((one) => [
      String(one.number),
      one.kind,
      one.state,
      ago(one.created_at, now),
      one.title.length > 50 ? `${one.title.slice(0, 49)}…` : one.title,
      one.waits_for,
    ]),
    width,
    header: style.dim,
    paint: (text, row, column) => (column === 2 ? paintIssue(style, issues[row]?.state ?? "")(text) : text),
  });
}

function paintIssue(style: Style, state: string): Paint {
  if (state === "done") return style.green;
  if (state === "blocked" || state === "on-hold") return style.yellow;
  return state === "cancelled" || state === "proposed" ? style.dim : (text) => text;
}

/** Null where the lab is not shared. */
function driverText(driver: IssueSummary["driver"]): string | null {
  if (driver === null) return null;
  const daemon = `${driver.host} (pid ${driver.pid})`;
  if (driver.is_this) return `${daemon}, this machine`;
  return driver.is_alive ? daemon : `nobody: ${daemon} did, and is not heard of`;
}

/** The whole story: where it stands, what was found, who did what, on what evidence, at what cost. */
export function issueStory(story: IssueView, look: Look): string[] {
  const { style, now } = look;
  const { issue } = story;
  return [
    style.bold(`Issue ${issue.number}: ${issue.title}`),
    ...facts(
      [
        ["kind", issue.kind],
        ["state", `${issue.state}: ${issue.reason}`],
        ["now", issue.waits_for],
        ["parent", issue.parent === null ? null : `issue ${issue.parent}`],
        ["changes", changeText(story)],
        ["driven by", driverText(issue.driver)],
        ["filed", ago(issue.created_at, now)],
        ["experiment", story.experiment],
        ["cost", costText(story)],
        ["result", resultText(story)],
      ],
      style.dim,
    ),
    ...roomLines(story.lacks_room, style),
    ...(story.text.trim() === issue.title ? [] : ["", indent(story.text, 2)]),
    ...openConcerns(story, style),
    "",
    style.bold("What happened"),
    ...table({
      columns: [{ title: "" }, { title: "" }, { title: "" }],
      rows: story.timeline.map(({ time, actor, text }) => [ago(time, now), actorText(actor), text]),
      width: look.columns,
    }).map((line) => `  ${line}`),
  ];
}

/** What a follow-up changes, and why. */
function changeText({ change }: IssueView): string | null {
  if (change === null) return null;
  const { variable, from, to, why } = change;
  return `${variable}${from === "" ? "" : ` from ${from}`} to ${to}${why === "" ? "" : `: ${why}`}`;
}

/** How to read what came out. */
function resultText({ issue, submissions }: IssueView): string | null {
  const found = submissions.findLast(({ kind }) => kind === "result");
  return found === undefined ? null : `document ${found.number}: rigor document show ${issue.number}`;
}

/** `session:` and a whole id: its beginning is what the commands for sessions take. */
const actorText = (actor: string): string => actor.replace(/^session:([0-9a-f]{8})[0-9a-f-]+$/, "session $1");

function costText({ sessions }: IssueView): string {
  if (sessions.length === 0) return "nothing so far";
  if (sessions.every(({ backend }) => backend === "human"))
    return `${plural(sessions.length, "session")}, all of persons`;
  const tokens = sessions.reduce((sum, { usage }) => sum + usage.input_tokens + usage.output_tokens, 0);
  const seconds = sessions.reduce((sum, { usage }) => sum + usage.seconds, 0);
  const cost = sessions.reduce((sum, { usage }) => sum + (usage.cost ?? 0), 0);
  const unknown = sessions.some(({ usage, backend }) => usage.cost === null && backend !== "human");
  const known = unknown && cost === 0 ? dollars(null) : `${dollars(cost)}${unknown ? " and more" : ""}`;
  return `${plural(sessions.length, "session")}, ${known}, ${count(tokens)} tokens, ${duration(seconds)}`;
}

function openConcerns({ concerns, issue }: IssueView, style: Style): string[] {
  const open = concerns.filter(({ state }) => state !== "verified" && state !== "waived");
  if (open.length === 0) return [];
  return [
    "",
    style.bold(issue.state === "done" ? "Concerns that were left" : "Concerns"),
    ...open.flatMap((one) => [
      `  ${one.number}  ${one.severity}, ${one.state}, about the ${one.about}, from ${one.source}: ${one.location}`,
      indent(one.evidence, 5),
      indent(`Suggested: ${one.fix}`, 5),
      ...(one.answer === null ? [] : [indent(`Answered: ${one.answer}`, 5)]),
    ]),
  ];
}
