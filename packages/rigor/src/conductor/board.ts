import { contentHash } from "../domain/canonical.ts";
import { RigorError } from "../domain/errors.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import type { BackendName } from "../domain/issues/agent-settings.ts";
import type { IssueKind, IssueRecord, VariableChange } from "../domain/issues/records.ts";
import { askedAlready } from "../domain/issues/same-question.ts";
import type { Store, Transaction } from "../store/store.ts";
import { gatherFacts } from "./gather.ts";
import type { IssueDriving } from "./issue-driving.ts";
import { findIssue, issueById, issuesOf } from "./queries.ts";

/** What people do on the board. Each is one decision in one transaction. */

export interface Filing {
  project: string;
  kind: IssueKind;
  title: string;
  text: string;
  /** Number of the issue that it follows. */
  parent: string | null;
  change: VariableChange | null;
  /** Who does the work of all its roles; null: whom rigor.yaml names. */
  backend: BackendName | null;
  /** Whether it may be worked on at once. */
  accepted: boolean;
}

export async function fileIssue(
  store: Store,
  issues: IssueDriving,
  actor: string,
  filing: Filing,
): Promise<IssueRecord> {
  return store.transact(actor, async (transaction) => {
    if (filing.parent !== null) refuseAgain(await issuesOf(transaction.db, filing.project), filing);
    const [event] = await issueFiled(transaction, [filing]);
    if (event === undefined) throw new Error("an issue that is filed is an event");
    await transaction.append([event]);
    await issues.bringHome(transaction, event.entity);
    return issueById(transaction.db, event.entity);
  });
}

/** As for the proposals of agents: what is on the board already is not filed once more. */
function refuseAgain(known: readonly IssueRecord[], filing: Filing): void {
  const found = askedAlready(known, filing);
  if (found === null) return;
  const { number, state, title } = found;
  throw new RigorError(
    "not-possible",
    `Not filed, as nothing new is asked: issue ${number} (${state}) is "${title}".`,
    {
      next:
        state === "proposed"
          ? `Let that one be worked on: rigor issue accept ${number}`
          : `See how that one stands: rigor issue show ${number}`,
    },
  );
}

/** The events that file issues of one project, numbered on from the last. */
export async function issueFiled(transaction: Transaction, filings: readonly Filing[]): Promise<DomainEvent[]> {
  const [first] = filings;
  if (first === undefined) return [];
  const row = await transaction.db
    .selectFrom("issues")
    .select(({ fn }) => fn.max("number").as("last"))
    .where("project", "=", first.project)
    .executeTakeFirst();
  return filings.map((filing, index) => {
    const number = (row?.last ?? 0) + index + 1;
    const entity = contentHash([transaction.origin, filing.project, number]).slice(0, 16);
    return { kind: "issue.proposed", entity, data: { ...filing, number } };
  });
}

type Place = { project: string; number: number };

async function change(
  store: Store,
  actor: string,
  { project, number }: Place,
  decide: (issue: IssueRecord) => DomainEvent[],
): Promise<IssueRecord> {
  return store.transact(actor, async (transaction) => {
    const issue = await findIssue(transaction.db, project, number);
    await transaction.append(decide(issue));
    return issueById(transaction.db, issue.id);
  });
}

export const acceptIssue = (store: Store, actor: string, place: Place): Promise<IssueRecord> =>
  change(store, actor, place, (issue) =>
    issue.accepted ? [] : [{ kind: "issue.accepted", entity: issue.id, data: {} }],
  );

export const commentOnIssue = (store: Store, actor: string, place: Place, text: string): Promise<IssueRecord> =>
  change(store, actor, place, (issue) => [{ kind: "issue.commented", entity: issue.id, data: { text } }]);

export const holdIssue = (store: Store, actor: string, place: Place, reason: string): Promise<IssueRecord> =>
  change(store, actor, place, (issue) => {
    refuseEnded(issue);
    return issue.state === "on-hold" ? [] : [{ kind: "issue.held", entity: issue.id, data: { reason } }];
  });

export const resumeIssue = (store: Store, actor: string, place: Place, reason: string): Promise<IssueRecord> =>
  change(store, actor, place, (issue) => {
    if (issue.state === "on-hold") return [{ kind: "issue.resumed", entity: issue.id, data: { reason } }];
    throw new RigorError("not-possible", `Issue ${issue.number} is ${issue.state}, not on hold.`, {
      next: issue.state === "blocked" ? "Answer its gate: rigor inbox" : `See: rigor issue show ${issue.number}`,
    });
  });

export const cancelIssue = (store: Store, actor: string, place: Place, reason: string): Promise<IssueRecord> =>
  store.transact(actor, async (transaction) => {
    const issue = await findIssue(transaction.db, place.project, place.number);
    if (issue.state === "cancelled") return issue;
    refuseEnded(issue);
    const { gates } = await gatherFacts(transaction.db, issue.id);
    const open = gates.filter((gate) => gate.state === "open");
    await transaction.append([
      ...open.map((gate): DomainEvent => ({
        kind: "gate.withdrawn",
        entity: issue.id,
        data: { number: gate.number, reason: "The issue was cancelled." },
      })),
      { kind: "issue.cancelled", entity: issue.id, data: { reason } },
    ]);
    return issueById(transaction.db, issue.id);
  });

function refuseEnded(issue: IssueRecord): void {
  if (issue.state !== "done" && issue.state !== "cancelled") return;
  throw new RigorError("not-possible", `Issue ${issue.number} is ${issue.state}.`, {
    next: 'Its record stays. File another one: rigor issue new "..."',
  });
}

/** A person lets the work go on in spite of a finding. Nobody else can. */
export const waiveConcern = (
  store: Store,
  actor: string,
  place: Place,
  number: number,
  reason: string,
): Promise<IssueRecord> =>
  store.transact(actor, async (transaction) => {
    const issue = await findIssue(transaction.db, place.project, place.number);
    const { concerns } = await gatherFacts(transaction.db, issue.id);
    if (!concerns.some((one) => one.number === number)) {
      throw new RigorError("not-found", `Issue ${issue.number} has no concern ${number}.`, {
        next: `See: rigor issue show ${issue.number}`,
      });
    }
    await transaction.append([{ kind: "concern.waived", entity: issue.id, data: { number, reason } }]);
    return issueById(transaction.db, issue.id);
  });
