import { RigorError } from "../errors.ts";
import { plural } from "../format/numbers.ts";
import type { DomainEvent } from "../events/registry.ts";
import { editEvents, type DocumentEdit } from "./edit-document.ts";
import { newest, openBlockers, type IssueFacts, type WorkKind } from "./facts.ts";
import type { GateName, GateRecord } from "./records.ts";
import type { SubmissionKind } from "./submissions.ts";

export interface GateAnswer {
  choice: string;
  reason: string | null;
  /** Answers to the questions of the gate, in their order. */
  answers: string[];
}

/** The kind of work that a gate is about, where a person's reason becomes a concern of its author. */
const aboutOf: Partial<Record<GateName, WorkKind>> = {
  "plan-disputed": "plan",
  "plan-approval": "plan",
  "code-disputed": "change",
  "test-failed": "change",
  "stage-failed": "change",
  "runs-failed": "change",
  "experiment-held": "change",
  "interpretation-disputed": "result",
  promotion: "result",
};

/**
 * What a person's answer to a gate does, as events.
 *
 * @param edit the document that is handed in with the answer `edit`
 * @throws RigorError `not-possible` when the gate is not open, `usage` when the choice is none of its options or lacks
 *   its reason
 */
export function decideGate(
  facts: IssueFacts,
  gate: GateRecord,
  answer: GateAnswer,
  edit: DocumentEdit | null = null,
): DomainEvent[] {
  refuseAnswer(gate, answer, edit !== null);
  const entity = facts.issue.id;
  const { choice, reason } = answer;
  const decided: DomainEvent = { kind: "gate.decided", entity, data: { number: gate.number, ...answer } };
  const resumed: DomainEvent[] =
    facts.issue.state === "blocked"
      ? [{ kind: "issue.resumed", entity, data: { reason: `A person answered gate ${gate.number}: ${choice}.` } }]
      : [];
  switch (choice) {
    case "cancel":
      return [decided, { kind: "issue.cancelled", entity, data: { reason: reason ?? "A person ended it." } }];
    case "edit":
      return [decided, ...(edit === null ? [] : editEvents(facts, edit))];
    case "waive":
      return [decided, ...waived(facts, aboutOf[gate.name], reason ?? ""), ...resumed];
    case "replan":
      return [decided, ...wished(facts, "plan", reason), ...resumed];
    case "revise":
      return [decided, ...wished(facts, aboutOf[gate.name], reason), ...resumed];
    default:
      return [decided, ...resumed];
  }
}

/**
 * @param edits whether a document comes with it
 * @throws RigorError as {@link decideGate}
 */
export function refuseAnswer(gate: GateRecord, { choice, reason, answers }: GateAnswer, edits: boolean): void {
  if (gate.state !== "open") {
    const what = gate.state === "decided" ? `was decided: ${gate.choice}` : `was withdrawn: ${gate.reason}`;
    throw new RigorError("not-possible", `Gate ${gate.number} ${what.replace(/[.]?$/, ".")}`, {
      next: "See what waits: rigor inbox",
    });
  }
  const chosen = gate.options.find((one) => one.choice === choice);
  if (chosen === undefined) {
    const choices = gate.options.map((one) => one.choice).join(", ");
    throw new RigorError("usage", `Gate ${gate.number} has no answer ${JSON.stringify(choice)}.`, {
      next: `Answer one of: ${choices}.`,
    });
  }
  if (chosen.needs_reason && (reason ?? "").trim() === "") {
    throw new RigorError("usage", `The answer ${choice} to gate ${gate.number} needs a reason.`, {
      next: `Give it with -m "WHY". ${chosen.effect}`,
    });
  }
  if (answers.length > 0 && choice !== "answer") {
    throw new RigorError("usage", `Gate ${gate.number} asks no questions that could be answered one by one.`, {});
  }
  const asked = questionsOf(gate).length;
  // One word is so never taken for an answer that was meant as a choice, as of another gate.
  if (choice === "answer" && answers.length !== asked) {
    const what = `${plural(answers.length, "answer was", "answers were")} given`;
    throw new RigorError("usage", `Gate ${gate.number} asks ${plural(asked, "question")}, and ${what}.`, {
      next: `Answer each, in quotation marks; "" takes the proposed answer. The questions: rigor inbox ${gate.number}`,
    });
  }
  if (edits !== (choice === "edit")) {
    const message = edits ? `The answer ${choice} takes no document.` : "The answer edit needs the edited document.";
    throw new RigorError("usage", message, { next: `To edit it: rigor edit ${gate.number}` });
  }
}

/** What a gate asks, one by one. */
function questionsOf({ evidence }: GateRecord): readonly unknown[] {
  const { questions } = (evidence ?? {}) as { questions?: unknown };
  return Array.isArray(questions) ? questions : [];
}

/** What a person wants mended is a blocker like any other. */
function wished(facts: IssueFacts, about: WorkKind | undefined, reason: string | null): DomainEvent[] {
  if (about === undefined || reason === null) return [];
  const kind: SubmissionKind = about;
  return [
    {
      kind: "concern.raised",
      entity: facts.issue.id,
      data: {
        number: facts.concerns.length + 1,
        about,
        subject: newest(facts, kind)?.hash ?? "",
        severity: "blocker",
        location: about,
        evidence: reason,
        fix: "As the person says.",
        source: "person",
        session_id: null,
      },
    },
  ];
}

function waived(facts: IssueFacts, about: WorkKind | undefined, reason: string): DomainEvent[] {
  if (about === undefined) return [];
  return openBlockers(facts, about).map(({ number }): DomainEvent => ({
    kind: "concern.waived",
    entity: facts.issue.id,
    data: { number, reason },
  }));
}
