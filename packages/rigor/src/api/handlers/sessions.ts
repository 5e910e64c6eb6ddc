import { existsSync } from "node:fs";
import { readTranscript } from "../../agents/transcripts/transcript.ts";
import { SessionDirectory } from "../../agents/backends/session-directory.ts";
import { begunWork } from "../../conductor/begun-work.ts";
import { formTemplate } from "../../conductor/form.ts";
import { gatherFacts } from "../../conductor/gather.ts";
import { handIn } from "../../conductor/hand-in.ts";
import { findIssue, findSession, handedInBy, issueById } from "../../conductor/queries.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Json } from "../../domain/canonical.ts";
import type { IssueFacts } from "../../domain/issues/facts.ts";
import type { SessionRecord } from "../../domain/issues/records.ts";
import { roleWork } from "../../domain/issues/roles.ts";
import { findRepository } from "../../provenance/git.ts";
import { decodeRow } from "../../store/tables.ts";
import type { ApiContext } from "../context.ts";
import { api } from "../implementation.ts";
import { presentSession } from "../present/issues.ts";

async function issueNumber({ lab }: ApiContext, session: SessionRecord): Promise<number | null> {
  return session.issue_id === null ? null : (await issueById(lab.store.db, session.issue_id)).number;
}

const present = async (context: ApiContext, session: SessionRecord) =>
  presentSession(context, session, await issueNumber(context, session));

export const sessions = {
  list: api.sessions.list.handler(async ({ context, input }) => {
    const { db } = context.lab.store;
    const project = await findRepository(input.project);
    let query = db
      .selectFrom("sessions")
      .leftJoin("issues", "issues.id", "sessions.issue_id")
      .leftJoin("investigations", "investigations.session_id", "sessions.id")
      .selectAll("sessions")
      .select("issues.number as issue_number")
      .where(({ eb, or }) => or([eb("issues.project", "=", project), eb("investigations.project", "=", project)]));
    if (input.issue !== undefined) {
      query = query.where("issues.id", "=", (await findIssue(db, project, input.issue)).id);
    } else if (!input.all) query = query.where("sessions.state", "!=", "ended");
    const rows = await query.orderBy("sessions.started_at", "desc").limit(1_000).execute();
    const found = rows.map((row) => presentSession(context, decodeRow("sessions", row), row.issue_number));
    return { sessions: await Promise.all(found) };
  }),

  get: api.sessions.get.handler(async ({ context, input }) => {
    const { lab, board } = context;
    const session = await findSession(lab.store.db, input.id);
    const work = (await handedInBy(lab.store.db, session))?.content ?? null;
    const detail = { session: await present(context, session), work, brief: null, form: null, workspace: null };
    if (session.issue_id === null || session.state === "ended") return detail;
    const facts = await gatherFacts(lab.store.db, session.issue_id);
    const { project, number } = facts.issue;
    if (!existsSync(project)) {
      await board.issues.refuseElsewhere(session.member, `The repository of issue ${number} is`);
    }
    const isPerson = session.backend === "human";
    return {
      ...detail,
      brief: await board.orders.brief(facts, session),
      form: isPerson ? await formOf(context, facts, session) : null,
      workspace: await board.parts.workspaces.placeOf(facts, session),
    };
  }),

  transcript: api.sessions.transcript.handler(async ({ context, input }) => {
    const session = await findSession(context.lab.store.db, input.id);
    if (!existsSync(session.directory)) {
      await context.board.issues.refuseElsewhere(session.member, "The transcript of this session is");
    }
    const records = await readTranscript(new SessionDirectory(session.directory).transcript);
    const entries = records.slice(input.after, input.after + 1_000);
    return {
      entries: entries as unknown as Json[],
      next: input.after + entries.length,
      ended: session.state === "ended",
    };
  }),

  submit: api.sessions.submit.handler(async ({ context, input }) => {
    const session = await findSession(context.lab.store.db, input.id);
    if (session.backend !== "human") {
      throw new RigorError("not-possible", `Session ${session.id} is done by ${session.backend}, not by a person.`, {
        next: `Stop it first: rigor session stop ${session.id.slice(0, 8)}`,
      });
    }
    return { message: await handIn(context.board.parts, context.actor, session.id, input.content) };
  }),

  stop: api.sessions.stop.handler(async ({ context, input }) => {
    const session = await findSession(context.lab.store.db, input.id);
    await context.board.parts.sessions.dismiss(session.id, input.reason ?? "A person stopped it.");
    return present(context, await findSession(context.lab.store.db, session.id));
  }),
};

async function formOf({ board }: ApiContext, facts: IssueFacts, { role }: SessionRecord): Promise<string | null> {
  if (role === "investigator") return null;
  const begun = begunWork(facts, role);
  // It shows every value that was measured.
  if (role === "analyzer") begun["document"] = { value: await (await board.parts.documents()).source(facts) };
  return formTemplate(roleWork[role].submits, begun);
}
