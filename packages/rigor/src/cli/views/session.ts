import type { SessionDetail, SessionView } from "../../api/contract/views/issues.ts";
import { ago, dollars, duration, number as count, plural } from "../output/format.ts";
import { facts, table } from "../output/table.ts";
import { indent, oneLine, truncate } from "../output/text.ts";
import { recordLines } from "./record.ts";
import type { Look } from "./results.ts";

/** Sessions, a line each. */
export function sessionTable(sessions: readonly SessionView[], { style, columns: width, now }: Look): string[] {
  return table({
    columns: [
      { title: "session" },
      { title: "for" },
      { title: "role" },
      { title: "by" },
      { title: "state" },
      { title: "since" },
      { title: "what shows it" },
    ],
    rows: sessions.map((one) => [
      one.id.slice(0, 8),
      workText(one),
      one.role,
      one.model === null ? one.backend : `${one.backend} ${one.model}`,
      one.outcome ?? one.state,
      ago(one.started_at, now),
      one.evidence ?? "",
    ]),
    width,
    header: style.dim,
  });
}

const workText = ({ issue, investigation }: SessionView): string =>
  issue === null ? `investigation ${investigation}` : `issue ${issue}`;

export function sessionLines({ session, brief, work, workspace }: SessionDetail, look: Look): string[] {
  const { style, now } = look;
  return [
    style.bold(`${session.role}, session ${session.id.slice(0, 8)}`),
    ...facts(
      [
        ["for", workText(session)],
        ["by", session.model === null ? session.backend : `${session.backend} ${session.model}`],
        ["state", session.outcome ?? session.state],
        ["evidence", session.evidence],
        ["next", session.next],
        ["began", ago(session.started_at, now)],
        ["handed in", handedInText(session)],
        ["used", usedText(session)],
        ["refused", session.refused.map(({ tool, why }) => `${tool}: ${why}`).join("\n")],
        ["machine", session.machine],
        ["files", workspace],
      ],
      style.dim,
    ),
    ...(work === null || isDocument(session) ? [] : ["", ...recordLines(work)]),
    ...(brief === null ? [] : ["", brief]),
  ];
}

const isDocument = ({ handed_in }: SessionView): boolean => handed_in?.kind === "result";

/** Null where it is not for an issue: what an investigation found is shown there. */
function handedInText(session: SessionView): string | null {
  const { handed_in: work, issue, state } = session;
  if (issue === null) return null;
  if (work === null) return state === "ended" ? "nothing" : "nothing so far";
  const name = `${work.kind} ${work.number}`;
  return isDocument(session) ? `${name}: rigor document show ${issue}@${work.number}` : name;
}

/** Null for a person. */
function usedText({ backend, state, usage }: SessionView): string | null {
  if (backend === "human") return null;
  const { turns, input_tokens, output_tokens, cost, seconds } = usage;
  const soFar = state === "ended" ? "" : " so far";
  return `${plural(turns, "turn")}, ${count(input_tokens + output_tokens)} tokens, ${dollars(cost)}, ${duration(seconds)}${soFar}`;
}

interface Entry {
  time?: string;
  entry?: Record<string, unknown> & { kind?: string };
}

/** So much of what a tool said is shown; the whole is in the transcript. */
const most = { lines: 20, columns: 200 };

function resultLines(text: string): string[] {
  const lines = text.trimEnd().split("\n");
  const more = lines.length - most.lines;
  return [
    ...lines.slice(0, most.lines).map((line) => indent(truncate(line, most.columns), 2)),
    ...(more > 0 ? [`  [${plural(more, "more line")}]`] : []),
  ];
}

/** One entry of a transcript, briefly. */
export function entryLines(record: unknown): string[] {
  const { entry = {} } = record as Entry;
  const text = (name: string): string =>
    typeof entry[name] === "string" ? entry[name] : JSON.stringify(entry[name] ?? "");
  switch (entry.kind) {
    case "text":
      return text("text").split("\n");
    case "tool-call":
      return [`> ${text("tool")} ${truncate(oneLine(text("input")), 160)}`];
    case "tool-result":
      return resultLines(text("text"));
    case "refused":
      return [`! ${text("tool")} was refused: ${text("why")}`];
    case "retry":
    case "notice":
      return [`! ${text(entry.kind === "retry" ? "why" : "text")}`];
    case "end":
      return [`= ${text("outcome")}: ${text("evidence")}`];
    default:
      return [];
  }
}
