import type { DomainEvent } from "../domain/events/registry.ts";
import { decideGate, refuseAnswer, type GateAnswer } from "../domain/issues/decide-gate.ts";
import type { DocumentEdit } from "../domain/issues/edit-document.ts";
import type { IssueFacts } from "../domain/issues/facts.ts";
import { nextStep } from "../domain/issues/next-step.ts";
import type { GateRecord } from "../domain/issues/records.ts";
import type { IssueStep } from "../domain/issues/steps.ts";
import type { Store, Transaction } from "../store/store.ts";
import type { Documents } from "./documents.ts";
import { gateEvidence } from "./evidence.ts";
import { gatherFacts } from "./gather.ts";
import { refused } from "./hand-in.ts";
import { findGate, lastGateNumber } from "./queries.ts";

/** The events that open a gate, with what a person has to see at it. */
export async function gateOpened(
  { db }: Transaction,
  facts: IssueFacts,
  { gate, blocks }: Extract<IssueStep, { do: "gate" }>,
): Promise<DomainEvent[]> {
  const entity = facts.issue.id;
  const number = (await lastGateNumber(db)) + 1;
  const opened: DomainEvent = {
    kind: "gate.opened",
    entity,
    data: { ...gate, number, evidence: gateEvidence(facts, gate.name) },
  };
  const blocked: DomainEvent = { kind: "issue.blocked", entity, data: { reason: gate.why } };
  return blocks ? [opened, blocked] : [opened];
}

/** A person's answer to a gate. It holds for exactly what the gate asks about: that was checked when it was opened. */
export async function answerGate(store: Store, actor: string, number: number, answer: GateAnswer): Promise<GateRecord> {
  return decide(store, actor, number, answer, null);
}

/**
 * A person's answer to a gate that is a new version of the document it is about. The rules are those for what agents hand
 * in. Whether it may be published is asked at once, at a gate of its own.
 *
 * @throws RigorError `refused` with every problem at its line; nothing is changed
 */
export async function editAtGate(
  { store, documents }: { store: Store; documents: () => Promise<Documents> },
  actor: string,
  number: number,
  answer: GateAnswer,
  document: string,
): Promise<GateRecord> {
  const gate = await findGate(store.db, number);
  refuseAnswer(gate, answer, true);
  // Documents are read before the transaction, which holds up all other writers.
  const facts = await gatherFacts(store.db, gate.issue_id);
  const { problems, hash } = await (await documents()).check(facts, document);
  if (problems.length > 0) throw refused("result", problems);
  return decide(store, actor, number, answer, { document, hash });
}

function decide(
  store: Store,
  actor: string,
  number: number,
  answer: GateAnswer,
  edit: DocumentEdit | null,
): Promise<GateRecord> {
  return store.transact(actor, async (transaction) => {
    const { db } = transaction;
    const gate = await findGate(db, number);
    await transaction.append(decideGate(await gatherFacts(db, gate.issue_id), gate, answer, edit));
    if (edit !== null) {
      const now = await gatherFacts(db, gate.issue_id);
      const step = nextStep(now);
      // Whoever edited it can approve it, and need not wait for the conductor to ask.
      if (step.do === "gate") await transaction.append(await gateOpened(transaction, now, step));
    }
    return findGate(db, number);
  });
}
