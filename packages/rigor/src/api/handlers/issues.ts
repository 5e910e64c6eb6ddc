import { amendmentOf } from "../../conductor/parent.ts";
import * as board from "../../conductor/board.ts";
import { findGate, findIssue, issueById, issuesOf, openGates } from "../../conductor/queries.ts";
import { answerGate, editAtGate } from "../../conductor/gates.ts";
import { gatherFacts } from "../../conductor/gather.ts";
import { newest } from "../../domain/issues/facts.ts";
import type { GateRecord, IssueRecord } from "../../domain/issues/records.ts";
import { sameTitle } from "../../domain/issues/same-question.ts";
import { findRepository } from "../../provenance/git.ts";
import { api } from "../implementation.ts";
import { presentDocument } from "../present/document-versions.ts";
import { lackingDisk } from "../present/progress.ts";
import { personsWork, presentGate, presentIssue, presentSession, presentStory } from "../present/issues.ts";
import type { ApiContext } from "../context.ts";

const unexplained = "no reason was given";

/** The place of an issue, in the repository that a directory belongs to. */
async function placeOf({ project, number }: { project: string; number: number }) {
  return { project: await findRepository(project), number };
}

/** Whether an issue may have been filed twice. */
const isAlike = (one: IssueRecord, filed: IssueRecord): boolean =>
  one.id !== filed.id && one.state !== "cancelled" && sameTitle(one, filed);

const present = (context: ApiContext, issue: { id: string }) => presentIssue(context, issue.id);

export const issues = {
  file: api.issues.file.handler(async ({ context, input }) => {
    const { store } = context.lab;
    const project = await findRepository(input.project);
    const { kind, title, text } = input;
    const parent = input.parent === undefined ? null : await findIssue(store.db, project, input.parent);
    const change =
      input.change === undefined ? null : await amendmentOf(store.db, parent, { ...input.change, why: text });
    const backend = input.backend ?? null;
    const filing = { project, kind, title, text, parent: parent?.id ?? null, change, backend, accepted: true };
    const filed = await board.fileIssue(store, context.board.issues, context.actor, filing);
    const alike = (await issuesOf(store.db, project)).filter((one) => isAlike(one, filed));
    return {
      ...(await present(context, filed)),
      alike: alike.map(({ number, state }) => ({ number, state })),
    };
  }),

  list: api.issues.list.handler(async ({ context, input }) => {
    const { db } = context.lab.store;
    const all = await issuesOf(db, await findRepository(input.project));
    const shown = input.all ? all : all.filter(({ state }) => state !== "done" && state !== "cancelled");
    return { issues: await Promise.all(shown.map((issue) => presentIssue(context, issue.id))) };
  }),

  get: api.issues.get.handler(async ({ context, input }) => {
    const { db } = context.lab.store;
    const { project, number } = await placeOf(input);
    return presentStory(context, (await findIssue(db, project, number)).id);
  }),

  document: api.issues.document.handler(async ({ context, input }) => {
    const { db } = context.lab.store;
    const { project, number } = await placeOf(input);
    const facts = await gatherFacts(db, (await findIssue(db, project, number)).id);
    const { documents } = context.board.parts;
    return presentDocument(facts, await documents(), input.version ?? null);
  }),

  accept: api.issues.accept.handler(async ({ context, input }) =>
    present(context, await board.acceptIssue(context.lab.store, context.actor, await placeOf(input))),
  ),

  comment: api.issues.comment.handler(async ({ context, input }) =>
    present(context, await board.commentOnIssue(context.lab.store, context.actor, await placeOf(input), input.text)),
  ),

  hold: api.issues.hold.handler(async ({ context, input }) => {
    const { lab, actor } = context;
    return present(context, await board.holdIssue(lab.store, actor, await placeOf(input), input.reason ?? unexplained));
  }),

  resume: api.issues.resume.handler(async ({ context, input }) => {
    const { lab, actor } = context;
    return present(
      context,
      await board.resumeIssue(lab.store, actor, await placeOf(input), input.reason ?? unexplained),
    );
  }),

  cancel: api.issues.cancel.handler(async ({ context, input }) => {
    const { lab, actor } = context;
    return present(
      context,
      await board.cancelIssue(lab.store, actor, await placeOf(input), input.reason ?? unexplained),
    );
  }),

  waive: api.issues.waive.handler(async ({ context, input }) => {
    const { lab, actor } = context;
    const { concern, reason } = input;
    return present(context, await board.waiveConcern(lab.store, actor, await placeOf(input), concern, reason));
  }),
};

export const gates = {
  list: api.gates.list.handler(async ({ context, input }) => {
    const { db } = context.lab.store;
    const project = input.project === undefined ? null : await findRepository(input.project);
    const open = await Promise.all(
      (await openGates(db)).map(async (gate) => presentGate(gate, await issueById(db, gate.issue_id))),
    );
    const work = (await personsWork(db)).filter(({ issue }) => project === null || issue.project === project);
    return {
      gates: open.filter((gate) => project === null || gate.project === project),
      lacks_room: lackingDisk(context.lab),
      sessions: await Promise.all(
        work.map(async ({ session, issue }) => ({
          ...(await presentSession(context, session, issue.number)),
          title: issue.title,
        })),
      ),
    };
  }),

  get: api.gates.get.handler(async ({ context, input }) => {
    const { db } = context.lab.store;
    const gate = await findGate(db, input.number);
    const view = presentGate(gate, await issueById(db, gate.issue_id));
    return { ...view, evidence: await asRead(context, gate) };
  }),

  answer: api.gates.answer.handler(async ({ context, input }) => {
    const { actor } = context;
    const { store } = context.lab;
    const { number, choice, reason = null, answers, document } = input;
    const answer = { choice, reason, answers };
    const { documents } = context.board.parts;
    const gate =
      document === undefined
        ? await answerGate(store, actor, number, answer)
        : await editAtGate({ store, documents }, actor, number, answer, document);
    return presentGate(gate, await issueById(store.db, gate.issue_id));
  }),
};

/** What a gate shows. A person approves numbers, and not their names: a document is shown with its values filled in. */
async function asRead({ lab, board }: ApiContext, { issue_id, evidence }: GateRecord): Promise<GateRecord["evidence"]> {
  if (typeof evidence !== "object" || evidence === null || !("document" in evidence)) return evidence;
  const facts = await gatherFacts(lab.store.db, issue_id);
  const source = newest(facts, "result")?.content.document;
  if (source === undefined || evidence["document"] !== source) return evidence;
  return { ...evidence, document: await (await board.parts.documents()).present(facts) };
}
