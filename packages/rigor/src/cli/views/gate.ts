import type { GateView, PersonsSessionView } from "../../api/contract/views/issues.ts";
import { ago } from "../output/format.ts";
import { indent } from "../output/text.ts";
import { recordLines } from "./record.ts";
import type { Look } from "./results.ts";
import { roomLines } from "./words.ts";

/** Everything that waits for a person. */
export function inboxLines(
  inbox: { gates: readonly GateView[]; sessions: readonly PersonsSessionView[]; lacks_room: string | null },
  look: Look,
): string[] {
  return [...roomLines(inbox.lacks_room, look.style), ...waitingLines(inbox, look)];
}

function waitingLines(
  { gates, sessions }: { gates: readonly GateView[]; sessions: readonly PersonsSessionView[] },
  look: Look,
): string[] {
  if (gates.length + sessions.length === 0) return ["Nothing waits for you."];
  const { style, now } = look;
  return [
    ...gates.flatMap((gate) => [...questionLines(gate, look), ""]),
    ...sessions.flatMap((session) => {
      const id = session.id.slice(0, 8);
      return [
        `${style.bold(`You are the ${session.role} of issue ${session.issue}`)} ${style.dim(`(since ${ago(session.started_at, now)})`)}`,
        `  Issue ${session.issue}: ${session.title}`,
        `  rigor session show ${id}     the brief${session.role === "implementer" ? ", and where to work" : ""}`,
        `  rigor session form ${id}     what to hand in, as YAML to be filled in`,
        `  rigor session submit ${id} FILE`,
        "",
      ];
    }),
  ].slice(0, -1);
}

function questionLines(gate: GateView, { style, now }: Look): string[] {
  return [
    `${style.bold(`Gate ${gate.number}: ${gate.question}`)} ${style.dim(`(opened ${ago(gate.opened_at, now)})`)}`,
    `  Issue ${gate.issue}: ${gate.title}`,
    indent(gate.why, 2),
    ...gate.options.map((one) => `  ${commandOf(gate, one).padEnd(40)} ${one.effect}`),
    `  ${`rigor inbox ${gate.number}`.padEnd(40)} Shows what it is about.`,
  ];
}

/** The command that gives an answer. */
export function commandOf(
  { number, evidence }: GateView,
  { choice, needs_reason }: Pick<GateView["options"][number], "choice" | "needs_reason">,
): string {
  const why = needs_reason ? ' -m "WHY"' : "";
  if (choice === "approve" || choice === "edit") return `rigor ${choice} ${number}`;
  if (choice === "revise") return `rigor reject ${number}${why}`;
  if (choice === "cancel") return `rigor reject ${number} --cancel${why}`;
  return choice === "answer"
    ? `rigor answer ${number}${placesFor(evidence)}`
    : `rigor answer ${number} ${choice}${why}`;
}

/** So many answers as there are questions: ` "ANSWER 1" "ANSWER 2"`. */
function placesFor(evidence: GateView["evidence"]): string {
  const { questions = [] } = (evidence ?? {}) as { questions?: unknown[] };
  const places = questions.map((_, index) => ` "ANSWER ${index + 1}"`);
  return places.length > 3 ? `${places[0]} ...${places.at(-1)}` : places.join("");
}

/** One gate with its evidence. */
export function gateLines(gate: GateView, look: Look): string[] {
  // What it is about follows.
  const question = gate.state === "open" ? questionLines(gate, look).slice(0, -1) : closedLines(gate, look);
  return [...question, "", ...recordLines(gate.evidence)];
}

/** A gate that waits for nobody any more. */
function closedLines({ number, question, issue, title, ...gate }: GateView, { style, now }: Look): string[] {
  const when = gate.decided_at === null ? "" : ` ${ago(gate.decided_at, now)}`;
  const end =
    gate.state === "decided"
      ? `It was decided${when} by ${gate.decided_by}: ${gate.choice}.`
      : `It was withdrawn${when}: nobody has to answer it.`;
  return [
    style.bold(`Gate ${number}: ${question}`),
    `  Issue ${issue}: ${title}`,
    `  ${end}`,
    ...(gate.reason === null ? [] : [indent(gate.reason, 2)]),
  ];
}

/** What was decided, and where the issue goes. */
export function decidedLines(gate: GateView, { style }: Look): string[] {
  const effect = gate.options.find(({ choice }) => choice === gate.choice)?.effect ?? "";
  return [
    `Gate ${gate.number} is decided: ${style.bold(gate.choice ?? "")}. ${effect}`,
    `  rigor issue show ${gate.issue}`,
  ];
}
