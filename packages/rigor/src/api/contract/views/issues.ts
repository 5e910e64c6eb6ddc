import { z } from "zod";
import { issueLifecycle, type IssueState } from "../../../domain/issues/issue-lifecycle.ts";
import { gateNames, issueKinds, roleNames } from "../../../domain/issues/records.ts";
import { submissionKinds } from "../../../domain/issues/submissions.ts";
import { json } from "./states.ts";

const issueState = z.enum(Object.keys(issueLifecycle.transitions) as IssueState[]);
export const issueKind = z.enum(issueKinds);

/** Whoever looks at issues learns it too: nothing that runs start from, or that is answered, may have room. */
export const lacksRoom = z.string().nullable().describe("What the disk of the data directory lacks; null for nothing");

const usage = z.object({
  turns: z.number(),
  input_tokens: z.number(),
  cached_tokens: z.number(),
  output_tokens: z.number(),
  cost: z.number().nullable().describe("US dollars; null where it is not known"),
  seconds: z.number(),
});

export const issueSummary = z.object({
  id: z.string(),
  project: z.string(),
  number: z.int(),
  kind: issueKind,
  title: z.string(),
  state: issueState,
  reason: z.string().describe("Why it is in its state"),
  waits_for: z.string().describe("What happens next, or what it waits for"),
  gate: z.int().nullable().describe("Number of the open gate"),
  cost: z.number().describe("US dollars that its sessions used"),
  accepted: z.boolean(),
  driver: z
    .object({ host: z.string(), pid: z.int(), is_alive: z.boolean(), is_this: z.boolean() })
    .nullable()
    .describe("Where several daemons share the lab: the one that takes it further, or did so last"),
  parent: z.int().nullable(),
  created_at: z.string(),
  changed_at: z.string(),
});

export const filedIssue = issueSummary.extend({
  alike: z
    .array(z.object({ number: z.int(), state: issueSummary.shape.state }))
    .describe("Other issues of the repository with the same title"),
});

export const gateView = z.object({
  number: z.int(),
  issue: z.int(),
  project: z.string(),
  title: z.string().describe("Title of the issue"),
  name: z.enum(gateNames),
  state: z.enum(["open", "decided", "withdrawn"]),
  question: z.string(),
  why: z.string(),
  options: z.array(z.object({ choice: z.string(), effect: z.string(), needs_reason: z.boolean() })),
  evidence: json,
  choice: z.string().nullable(),
  reason: z.string().nullable(),
  opened_at: z.string(),
  decided_at: z.string().nullable(),
  decided_by: z.string().nullable(),
});

export const sessionView = z.object({
  id: z.string(),
  issue: z.int().nullable(),
  investigation: z.int().nullable().describe("Its number, for a session that belongs to no issue"),
  role: z.enum(roleNames),
  backend: z.string(),
  model: z.string().nullable(),
  state: z.enum(["starting", "running", "ended"]),
  outcome: z.string().nullable(),
  evidence: z.string().nullable().describe("What shows how it ended"),
  next: z.string().nullable(),
  usage: usage.describe("So far, while it works"),
  refused: z.array(z.object({ tool: z.string(), why: z.string() })),
  machine: z.string().nullable().describe("Where its files are, if that is another machine of the lab"),
  handed_in: z
    .object({ kind: z.enum(submissionKinds), number: z.int() })
    .nullable()
    .describe("What it handed in for its issue; null for nothing"),
  started_at: z.string(),
  ended_at: z.string().nullable(),
});

/** Work that waits for a person. */
export const personsSessionView = sessionView.extend({ title: z.string().describe("Title of the issue") });

export const concernView = z.object({
  number: z.int(),
  about: z.enum(["plan", "change", "result"]),
  severity: z.enum(["blocker", "concern", "nit"]),
  state: z.enum(["open", "fixed", "disputed", "verified", "waived"]),
  source: z.string(),
  location: z.string(),
  evidence: z.string(),
  fix: z.string(),
  answer: z.string().nullable(),
  settled: z.object({ by: z.string(), reason: z.string() }).nullable(),
});

export const issueView = z.object({
  issue: issueSummary,
  text: z.string(),
  change: z
    .object({ variable: z.string(), from: z.string(), to: z.string(), why: z.string() })
    .nullable()
    .describe("Of a follow-up: the one variable that differs from its parent"),
  submissions: z.array(
    z.object({
      kind: z.string(),
      number: z.int(),
      role: z.enum(roleNames),
      hash: z.string(),
      submitted_by: z.string(),
      submitted_at: z.string(),
      content: json,
    }),
  ),
  concerns: z.array(concernView),
  gates: z.array(gateView),
  sessions: z.array(sessionView),
  checks: z.array(
    z.object({
      name: z.string(),
      subject: z.string(),
      passed: z.boolean(),
      fault: z.boolean().describe("It could not be made, through no fault of the work"),
      findings: z.array(z.string()),
      checked_at: z.string(),
    }),
  ),
  experiment: z.string().nullable().describe("NAME@VERSION of what its plan became"),
  lacks_room: lacksRoom,
  comments: z.array(z.object({ actor: z.string(), time: z.string(), text: z.string() })),
  timeline: z
    .array(z.object({ time: z.string(), actor: z.string(), kind: z.string(), text: z.string() }))
    .describe("What happened, oldest first"),
});

export const sessionDetail = z.object({
  session: sessionView,
  brief: z.string().nullable().describe("What it was told; null for one that has ended"),
  work: json.describe("What it handed in, whole; null for nothing"),
  form: z.string().nullable().describe("What it hands in, as YAML to be filled in"),
  workspace: z.string().nullable().describe("Where its files are"),
});

export type IssueSummary = z.output<typeof issueSummary>;
export type FiledIssue = z.output<typeof filedIssue>;
export type IssueView = z.output<typeof issueView>;
export type GateView = z.output<typeof gateView>;
export type SessionView = z.output<typeof sessionView>;
export type PersonsSessionView = z.output<typeof personsSessionView>;
export type SessionDetail = z.output<typeof sessionDetail>;
export type ConcernView = z.output<typeof concernView>;
