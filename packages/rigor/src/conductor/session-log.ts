import { existsSync } from "node:fs";
import type { SessionEnd } from "../agents/backends/backend.ts";
import { SessionDirectory } from "../agents/backends/session-directory.ts";
import { refusedConnections } from "../agents/sandbox/refusals.ts";
import { refusedFiles } from "../agents/transcripts/refused-files.ts";
import { refusedHandIn } from "../agents/transcripts/refused-hand-in.ts";
import { readTranscript, usageIn } from "../agents/transcripts/transcript.ts";
import type { Lab } from "../bench/lab/lab.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import type { SessionState } from "../domain/issues/issue-lifecycle.ts";
import type { SessionRecord, Usage } from "../domain/issues/records.ts";
import { hangingTools, withHanging } from "./hanging-tools.ts";
import { findSession } from "./queries.ts";

/** How a session ended that has no process. */
export interface Conclusion {
  outcome: string;
  evidence: string;
  next: string | null;
}

/** What is written of sessions. */
export class SessionLog {
  readonly #lab: Lab;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  append(event: DomainEvent): Promise<void> {
    return this.#lab.store.transact("conductor", (transaction) => transaction.append([event]));
  }

  /** Writes an event of a session that is in this state; false where it is in another one by now. */
  appendIf(sessionId: string, state: SessionState, event: DomainEvent): Promise<boolean> {
    return this.#lab.store.transact("conductor", async (transaction) => {
      const isSo = (await findSession(transaction.db, sessionId)).state === state;
      if (isSo) await transaction.append([event]);
      return isSo;
    });
  }

  /** Notes what a session has used so far, as long as it runs. */
  async tellUsage(sessionId: string, usage: SessionEnd["usage"]): Promise<void> {
    await this.appendIf(sessionId, "running", {
      kind: "session.used",
      entity: sessionId,
      data: { usage: recorded(usage) },
    });
  }

  /**
   * @param workspace where it worked
   * @param outcome where it is another one than the back end says
   */
  async end(session: SessionRecord, workspace: string, end: SessionEnd, outcome: string = end.outcome): Promise<void> {
    const refused = [...end.refused, ...(await refusedElsewhere(session, workspace))];
    const emptyHanded = await withoutWork(session);
    await this.#lab.store.transact("conductor", async (transaction) => {
      const now = await findSession(transaction.db, session.id);
      if (now.state === "ended") return;
      const isFinished = end.outcome === "finished";
      const isEmptyHanded = isFinished && now.submission_id === null;
      const told = isEmptyHanded ? emptyHanded : { ...end, outcome };
      const hanging = isFinished && !isEmptyHanded ? [] : await hangingTools(transaction.db, session.id);
      const evidence = withHanging(told.evidence, hanging);
      await transaction.append([
        ...refused.map((one): DomainEvent => ({ kind: "session.refused", entity: session.id, data: one })),
        ended(session, { outcome: told.outcome, evidence, next: told.next, usage: recorded(end.usage) }),
      ]);
    });
  }

  /** Ends a session that has no process, with what its transcript says that it used, or else what was told of that. */
  async conclude(session: SessionRecord, end: Conclusion): Promise<void> {
    const used = recorded(usageIn(await readTranscript(new SessionDirectory(session.directory).transcript)));
    await this.#lab.store.transact("conductor", async (transaction) => {
      const now = await findSession(transaction.db, session.id);
      if (now.state === "ended") return;
      const usage = used.turns < now.usage.turns ? now.usage : used;
      const hanging = end.outcome === "finished" ? [] : await hangingTools(transaction.db, session.id);
      await transaction.append([ended(session, { ...end, evidence: withHanging(end.evidence, hanging), usage })]);
    });
  }
}

/** How a session ends that said it was done, and handed in nothing. What becomes of an investigation is its own record. */
async function withoutWork({ id, issue_id, directory }: SessionRecord): Promise<Conclusion> {
  const refusal = refusedHandIn(await readTranscript(new SessionDirectory(directory).transcript));
  const lastTry = refusal === null ? "." : `; its last try was refused: ${refusal}`;
  return {
    outcome: issue_id === null ? "finished" : "nothing-handed-in",
    evidence: `It ended without handing in anything${lastTry}`,
    next: `See what it did instead: rigor session follow ${id.slice(0, 8)}`,
  };
}

/** What no back end tells: connections as the sandbox saw them, and files as far as tools printed it. */
async function refusedElsewhere({ directory }: SessionRecord, workspace: string) {
  const { refusals, transcript } = new SessionDirectory(directory);
  const sight = { own: [directory, workspace], isThere: (path: string) => existsSync(path) };
  return [...(await refusedConnections(refusals)), ...refusedFiles(await readTranscript(transcript), sight)];
}

const ended = (
  session: SessionRecord,
  data: { outcome: string; evidence: string | null; next: string | null; usage: Usage },
): DomainEvent => ({ kind: "session.ended", entity: session.id, data });

const recorded = (usage: SessionEnd["usage"]): Usage => ({
  turns: usage.turns,
  input_tokens: usage.inputTokens,
  cached_tokens: usage.cachedTokens,
  output_tokens: usage.outputTokens,
  cost: usage.cost,
  seconds: usage.seconds,
});
