import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { databaseError, isEverywhere } from "../store/errors.ts";
import type { ConductorParts } from "./parts.ts";
import { issueById, issuesOf, liveSessions, openIssues, projectsOfIssues } from "./queries.ts";

/** How long is waited until what is everywhere, such as a lost database, may be over. */
const retryMs = 5_000;

/** What may have ended elsewhere while nobody here heard of it: ids. */
export interface Found {
  issues: readonly string[];
  sessions: readonly string[];
}

/** What is left on this machine, workspaces and processes, of issues and sessions that are over. */
export class Remains {
  readonly #parts: ConductorParts;

  constructor(parts: ConductorParts) {
    this.#parts = parts;
  }

  /** Ends what a crash left behind. Nothing may be begun meanwhile. @returns what was not over then */
  async sweep(): Promise<Found> {
    const { lab, sessions } = this.#parts;
    const [open, live] = [await openIssues(lab.store.db), await liveSessions(lab.store.db)];
    await this.#sweepWorkspaces();
    await sessions.sweep();
    return { issues: open.map(({ id }) => id), sessions: live.map(({ id }) => id) };
  }

  /** In repositories that have issues open, or of which something is here: issues may have ended while nobody was. */
  async #sweepWorkspaces(): Promise<void> {
    const { lab, workspaces } = this.#parts;
    const open = await openIssues(lab.store.db);
    const live = await liveSessions(lab.store.db);
    const isOpen = new Set(open.map(({ id }) => id));
    for (const project of await projectsOfIssues(lab.store.db)) {
      if (!existsSync(project)) continue;
      const here = open.filter((issue) => issue.project === project);
      if (here.length === 0 && !(await workspaces.hasAny(project))) continue;
      const needed = here.map((issue) => ({ issue, sessions: live.filter((one) => one.issue_id === issue.id) }));
      const over = (await issuesOf(lab.store.db, project)).filter(({ id }) => !isOpen.has(id));
      // What cannot be swept now is swept next time; nobody waits for it.
      await workspaces
        .sweep(project, needed, over)
        .catch((error: unknown) => lab.log.warn({ err: error, project }, "workspaces could not be swept"));
    }
  }

  /** Ends what is left of those that ended since they were found. */
  async endSince({ issues, sessions }: Found): Promise<void> {
    const stillOpen = new Set((await openIssues(this.#parts.lab.store.db)).map(({ id }) => id));
    for (const id of issues) if (!stillOpen.has(id)) void this.endOfIssue(id);
    for (const id of sessions) void this.endOfSession(id);
  }

  /** An issue that was worked on here before another daemon took it over has ended there. */
  async endOfIssue(issueId: string): Promise<void> {
    const { issues, lab, workspaces } = this.#parts;
    if (issues.drives(issueId)) return;
    await this.#inTheEnd({ issue: issueId }, async () => {
      const issue = await issueById(lab.store.db, issueId);
      if (existsSync(issue.project)) await workspaces.removeAll(issue);
    });
  }

  /** A session of a daemon that was gone has ended elsewhere, while its successor was here already. */
  async endOfSession(sessionId: string): Promise<void> {
    await this.#inTheEnd({ session: sessionId }, () => this.#parts.sessions.endRemainsOf(sessionId));
  }

  /** Tries again where the database is lost or a disk is full: nobody hears of that end another time. */
  async #inTheEnd(whose: { issue: string } | { session: string }, work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        this.#parts.lab.log.warn({ err: error, ...whose }, "what is left of what has ended could not be removed");
        if (!isEverywhere(databaseError(error))) return;
        await sleep(retryMs, undefined, { ref: false });
      }
    }
  }
}
