import { join } from "node:path";
import type { Lab } from "../bench/lab/lab.ts";
import { describeChange } from "../agents/workspaces/change.ts";
import { isAncestor, moveBranch } from "../agents/workspaces/branches.ts";
import { promote, type Promotion } from "../agents/workspaces/promotion.ts";
import type { Sandbox } from "../agents/sandbox/sandbox.ts";
import type { Workspace } from "../agents/workspaces/workspace.ts";
import { Workspaces } from "../agents/workspaces/workspaces.ts";
import { RigorError } from "../domain/errors.ts";
import { isInherited, newest, passedLast, type IssueFacts } from "../domain/issues/facts.ts";
import { disputes } from "../domain/issues/hand-in.ts";
import type { IssueRecord, SessionRecord } from "../domain/issues/records.ts";
import type { SubmissionContent } from "../domain/issues/submissions.ts";
import { commitFile } from "../provenance/commit-file.ts";
import { keepCommit, snapshot } from "../provenance/snapshot.ts";

/** Milliseconds after which a sandbox that was not there is looked for again: a trial starts processes. */
const lookAgainMs = 60_000;

/** Where the work of issues is done: never in the user's checkout. */
export class IssueWorkspaces {
  readonly #lab: Lab;
  readonly #directory: string;
  readonly #find: () => Promise<Sandbox>;
  #trial: Promise<Sandbox> | null = null;
  #known: Sandbox | null = null;
  #lookAgainAt = 0;

  constructor(lab: Lab, sandbox: () => Promise<Sandbox>) {
    this.#lab = lab;
    this.#directory = join(lab.data.root, "workspaces");
    this.#find = sandbox;
  }

  /** What keeps commands to their task. It is proved once; where there was none, it is looked for again after a while. */
  readonly sandbox = async (): Promise<Sandbox> => {
    const known = this.#known;
    if (known !== null && (known.missing === undefined || performance.now() < this.#lookAgainAt)) return known;
    this.#trial ??= this.#find().finally(() => (this.#trial = null));
    this.#known = await this.#trial;
    this.#lookAgainAt = performance.now() + lookAgainMs;
    return this.#known;
  };

  async of(project: string): Promise<Workspaces> {
    return Workspaces.open(project, this.#directory, await this.sandbox());
  }

  /** Whether anything of a repository's workspaces is on this machine. */
  hasAny(project: string): Promise<boolean> {
    return Workspaces.hasAny(project, this.#directory);
  }

  /**
   * Makes the implementer's workspace: what was submitted before, or the repository as it is, with the plan's experiment
   * file. A workspace of an earlier plan is replaced.
   */
  async makeForPlan(facts: IssueFacts): Promise<MadeWorkspace> {
    const { issue } = facts;
    const plan = newest(facts, "plan");
    if (plan === null) throw new Error(`issue ${issue.number} has no plan`);
    const workspaces = await this.of(issue.project);
    const made = madeBefore(facts) ?? (await startNow(facts));
    const before = newest(facts, "change")?.hash ?? made.start;
    const { experiment_path: path, experiment_file: text } = plan.content;
    const message = `Plan ${plan.number} of issue ${issue.number}: ${issue.title}`;
    const base =
      path === null || text === null ? before : await commitFile(issue.project, before, { path, text, message });
    await keepCommit(issue.project, base);
    await workspaces.remove(authorName(issue));
    await workspaces.make({ name: authorName(issue), base });
    return { ...made, base };
  }

  /** What its implementer has made, as a commit of the user's repository. */
  async submit(facts: IssueFacts, session: SessionRecord, change: SubmissionContent<"change">): Promise<string> {
    const { issue } = facts;
    const workspaces = await this.of(issue.project);
    const defended = disputes(change) ? (newest(facts, "change")?.hash ?? null) : null;
    const { commit } = await workspaces.submit(authorName(issue), { message: change.summary, defended });
    if (commit === madeBefore(facts)?.base && newest(facts, "change") === null) {
      throw new RigorError("refused", "Nothing was changed in the workspace, so there is no change to hand in.", {
        next: "Build what the plan asks for, then hand in.",
      });
    }
    this.#lab.log.info({ issue: issue.number, session: session.id, commit }, "a change was taken from its workspace");
    return commit;
  }

  /** Where a session works: the implementer in the issue's workspace, everybody else in a copy that is only read. */
  async forSession(facts: IssueFacts, session: SessionRecord): Promise<Workspace> {
    const { issue } = facts;
    const workspaces = await this.of(issue.project);
    if (session.role === "implementer") return authorsWorkspace(workspaces, facts, session);
    const submitted = newest(facts, "change")?.hash ?? (await startNow(facts)).start;
    const base = madeBefore(facts)?.start ?? submitted;
    return workspaces.makeForReading({ name: readerName(session), base, submitted, access: "read" });
  }

  /** Where a person finds the files of a session; null where nothing is to be changed. */
  async placeOf(facts: IssueFacts, session: SessionRecord): Promise<string | null> {
    if (session.role !== "implementer") return null;
    return (await (await this.of(facts.issue.project)).find(authorName(facts.issue)))?.directory ?? null;
  }

  /** Gives `work` a copy of a submitted change in which commands may write, and removes it afterwards. */
  async withCopy<Value>(facts: IssueFacts, commit: string, work: (copy: Workspace) => Promise<Value>): Promise<Value> {
    const { issue } = facts;
    const workspaces = await this.of(issue.project);
    const name = `checks-${issue.number}-${commit.slice(0, 12)}`;
    const copy = { name, base: startOf(facts), submitted: commit, access: "write" } as const;
    try {
      return await work(await workspaces.makeForReading(copy));
    } finally {
      await workspaces.remove(name);
    }
  }

  /**
   * Removes what a crash left half made, and the workspaces of a repository that none of its issues and no session needs.
   * Work that was not submitted is kept until its issue is over.
   */
  async sweep(
    project: string,
    needed: readonly { issue: IssueRecord; sessions: readonly SessionRecord[] }[],
    over: readonly IssueRecord[],
  ): Promise<void> {
    const workspaces = await this.of(project);
    for (const issue of over) await workspaces.remove(authorName(issue));
    const names = new Set(needed.flatMap(({ issue, sessions }) => [authorName(issue), ...sessions.map(readerName)]));
    const swept = await workspaces.sweep(({ name }) => names.has(name));
    for (const one of swept) this.#lab.log.info({ project, ...one }, "a workspace that nobody needs");
  }

  /** Lets go of a session's copy. The implementer's workspace stays until the issue ends. */
  async release(project: string, session: SessionRecord): Promise<void> {
    if (session.role !== "implementer") await (await this.of(project)).remove(readerName(session));
  }

  async removeAll(issue: IssueRecord): Promise<void> {
    const workspaces = await this.of(issue.project);
    await workspaces.remove(authorName(issue));
  }

  /** What a change is, for a reader, from the files as they were when the issue was begun. */
  async diff(facts: IssueFacts, commit: string): Promise<string> {
    const { diff, leftOut } = await describeChange(facts.issue.project, startOf(facts), commit);
    return leftOut.length === 0 ? diff : `${diff}\nToo long to be shown: ${leftOut.join(", ")}`;
  }

  async promote(facts: IssueFacts, commit: string): Promise<Promotion> {
    const { issue, settings } = facts;
    const own = `rigor/${authorName(issue)}`;
    // What nobody handed in has no branch yet; where one of this name is somebody's, the commit is named.
    const left = await moveBranch(issue.project, own, commit);
    const branch = left === null ? own : commit;
    const { start, target } = madeBefore(facts) ?? { start: commit, target: null };
    if (target === null) {
      const why = "The issue was begun without a branch checked out.";
      return { outcome: "left", branch, why, command: `git merge ${branch}` };
    }
    const message = `Merge issue ${issue.number}: ${issue.title}`;
    return promote({
      repository: issue.project,
      commit,
      base: start,
      branch,
      target,
      message,
      mode: settings.promotion,
    });
  }
}

/** What its author left; anew from what was handed in where it is not on this machine, or fell behind while others worked. */
async function authorsWorkspace(workspaces: Workspaces, facts: IssueFacts, session: SessionRecord): Promise<Workspace> {
  const name = authorName(facts.issue);
  const before = facts.sessions.findLast(({ role, id }) => role === "implementer" && id !== session.id);
  const found = await workspaces.find(name);
  if (found !== null && (before === undefined || before.member === session.member)) return found;
  const base = newest(facts, "change")?.hash ?? madeBefore(facts)?.base;
  if (base === undefined) throw new Error(`issue ${facts.issue.number} has no workspace`);
  await workspaces.remove(name);
  return workspaces.make({ name, base });
}

/** Where an issue's work starts: the user's commit, the commit with the plan on it, and the branch that it may go to. */
export interface MadeWorkspace {
  start: string;
  base: string;
  target: string | null;
}

/** The user's files as they are; for an issue that follows another one, what ran there, if it would be missing otherwise. */
async function startNow(facts: IssueFacts): Promise<Pick<MadeWorkspace, "start" | "target">> {
  const { issue, parent } = facts;
  const { commit, branch: target } = await snapshot(issue.project);
  if (parent === null) return { start: commit, target };
  const isThere = !isInherited(facts) && (await isAncestor(issue.project, parent.commit, commit));
  return { start: isThere ? commit : parent.commit, target };
}

function madeBefore({ checks }: IssueFacts): MadeWorkspace | null {
  return passedLast(checks, "workspace") as unknown as MadeWorkspace | null;
}

/** The commit of the user's that the first workspace was made from. */
export function startOf(facts: IssueFacts): string {
  const made = madeBefore(facts);
  if (made === null) throw new Error(`issue ${facts.issue.number} has no workspace`);
  return made.start;
}

const authorName = (issue: Pick<IssueRecord, "number">): string => `issue-${issue.number}`;
const readerName = (session: Pick<SessionRecord, "id">): string => `session-${session.id}`;
