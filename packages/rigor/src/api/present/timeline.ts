import { dollars, plural } from "../../domain/format/numbers.ts";
import { differenceText } from "../../domain/format/line-diff.ts";

const checkText = (say: (name: string) => string): string => {
  if (say("passed") === "true") return `passed.${because(asSentence(say("details")))}`;
  return `${say("fault") === "true" ? "could not be made" : "failed"}: ${say("findings")}`;
};

type Told = (say: (name: string) => string, role: string | null) => string;

const because = (reason: string): string => (reason === "" ? "" : ` ${reason}`);

const stopped = (text: string): string => `${text}${/[.!?]$/.test(text) ? "" : "."}`;

/** What code says of itself begins small, and ends without a stop. */
const asSentence = (text: string): string =>
  text === "" ? "" : stopped(`${text.slice(0, 1).toUpperCase()}${text.slice(1)}`);

/** What each kind of event says to a person. Kinds that only programs need are missing. */
const sentences: Readonly<Record<string, Told>> = {
  "issue.proposed": (say) => {
    const who = say("backend") === "" ? "" : `, ${say("backend")} for all of its roles`;
    return `It was filed (${say("kind")}${who}): ${say("title")}`;
  },
  "issue.accepted": () => "It was accepted.",
  "issue.commented": (say) => say("text"),
  "issue.moved": (say) => `${say("to")}: ${say("reason")}`,
  "issue.blocked": (say) => `blocked: ${say("reason")}`,
  "issue.held": (say) => `on hold: ${say("reason")}`,
  "issue.resumed": (say) => `It goes on: ${say("reason")}`,
  "issue.cancelled": (say) => `cancelled: ${say("reason")}`,
  "issue.checked": (say) => `The check ${say("check")} ${checkText(say)}`,
  "gate.opened": (say) => `Gate ${say("number")} (${say("name")}) asks: ${say("question")}`,
  "gate.withdrawn": (say) => `Gate ${say("number")} was withdrawn: ${say("reason")}`,
  "session.started": (say) => `The ${say("role")} begins (${say("backend")}).`,
  "session.interrupted": (say, role) => `The ${role} was interrupted: ${say("reason")}`,
  "session.refused": (say, role) => `The ${role} tried ${say("tool")} and was refused: ${say("why")}`,
  "session.ended": (say, role) =>
    `The ${role} ended: ${say("outcome")}.${because(say("evidence"))}${because(say("usage"))}`,
  "concern.raised": (say) =>
    `Concern ${say("number")} (${say("severity")}) of ${say("source")} at ${say("location")}: ${say("evidence")}`,
  "concern.answered": (say) => `Concern ${say("number")} was answered as ${say("answer")}: ${say("reason")}`,
  "concern.verified": (say) => `Concern ${say("number")} was verified by ${say("by")}: ${say("reason")}`,
  "concern.reopened": (say) => `Concern ${say("number")} is still open for ${say("by")}: ${say("reason")}`,
  "concern.waived": (say) => `Concern ${say("number")} was waived: ${say("reason")}`,
};

/** What a sentence may need beside the event. */
interface Around {
  /** Of the session that the event is about. */
  role: string | null;
  /** The sources of the issue's documents, in the order of their numbers. */
  documents: readonly string[];
}

/** What an event of an issue says to a person, as a sentence; null for what only programs need. */
export function timelineText(kind: string, data: Record<string, unknown>, { role, documents }: Around): string | null {
  const say = (name: string): string => textOf(data[name]);
  const [noun = "", verb] = kind.split(".");
  if (kind === "gate.decided") return decidedText(say, data["answers"]);
  if (kind === "result.submitted" && data["session_id"] === null)
    return editText(Number(data["number"]), say("hash"), documents);
  if (verb === "submitted" && noun !== "session") {
    const who = data["session_id"] === null ? "Code made" : `The ${say("role")} handed in`;
    const gist = gistOf(noun, data["content"]);
    return `${who} ${noun} ${say("number")}${gist === "" ? "." : `: ${gist}`}`;
  }
  return sentences[kind]?.(say, role) ?? null;
}

function decidedText(say: (name: string) => string, answers: unknown): string {
  const given = (answers as readonly string[]).map((one) => (one.trim() === "" ? "as proposed" : one.trim()));
  const reason = because(say("reason"));
  // In the person's own words.
  if (given.length > 0) return `Gate ${say("number")} was answered: ${stopped(given.join("; "))}${reason}`;
  return `Gate ${say("number")} was decided: ${say("choice")}.${reason}`;
}

/** What a person did to a document. */
function editText(number: number, hash: string, documents: readonly string[]): string {
  const [before = "", after = ""] = documents.slice(number - 2, number);
  return `The document was edited: document ${number} (${differenceText(before, after)}), hash ${hash.slice(0, 12)}.`;
}

/** What was handed in, in a few words: whoever reads the story need not open each piece of work. */
function gistOf(noun: string, content: unknown): string {
  const work = (content ?? {}) as Readonly<Record<string, unknown>>;
  switch (noun) {
    case "clarification":
      return short(textOf(work["understanding"]));
    case "plan":
      return short(textOf(work["hypothesis"]));
    case "review":
      return `${textOf(work["verdict"])}. ${short(textOf(work["summary"]))}`;
    case "change":
      return short(textOf(work["summary"]));
    case "proposals":
      return short((work["proposals"] as { title: string }[]).map(({ title }) => title).join("; "));
    default:
      return "";
  }
}

const mostCharacters = 160;

function short(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > mostCharacters ? `${line.slice(0, mostCharacters - 1)}…` : line;
}

/** What a session has used; nothing for a person. */
function usageText({ turns, input_tokens, output_tokens, cost }: UsedBySession): string {
  if (turns === 0) return "";
  return `(${plural(turns, "turn")}, ${input_tokens + output_tokens} tokens, ${dollars(cost)})`;
}

interface UsedBySession {
  turns: number;
  input_tokens: number;
  output_tokens: number;
  cost: number | null;
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(" ");
  if (typeof value === "object" && value !== null && "message" in value) return textOf(value.message);
  if (typeof value === "object" && value !== null && "turns" in value) return usageText(value as UsedBySession);
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}
