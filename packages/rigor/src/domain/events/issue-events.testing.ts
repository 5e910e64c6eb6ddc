import { workingStates } from "../issues/issue-lifecycle.ts";
import type { SubmissionContent, SubmissionKind } from "../issues/submissions.ts";
import type { DomainEvent } from "./registry.ts";

const reviewed = "a".repeat(64);

const clarification: SubmissionContent<"clarification"> = {
  understanding: "Whether Kneser-Ney still wins when the training text is tiny.",
  questions: [{ question: "How tiny?", why: "It sets the sizes.", proposed_answer: "1,000 words", blocking: true }],
  assumptions: ["English text"],
  related: [],
};

const plan: SubmissionContent<"plan"> = {
  experiment_path: "experiments/tiny.yaml",
  experiment_file: "name: tiny\n",
  hypothesis: "It still wins.",
  prediction: "Perplexity is lower by 5 %.",
  refuted_if: "The interval of the difference holds zero.",
  parent: null,
  changes: [],
  reasons: "Five seeds give power enough.",
  risks: [],
  needs_code: true,
  implementation: "Read a part of the corpus only.",
  smoke: { parameters: { words: 100 } },
  uses: [],
  answers: [],
};

const review: SubmissionContent<"review"> = { verdict: "approve", summary: "Sound.", concerns: [], settled: [] };

export const contents: { [Kind in SubmissionKind]: SubmissionContent<Kind> } = {
  clarification,
  plan,
  review,
  change: { summary: "Reads a part.", how_tested: "npm test", answers: [] },
  result: { document: "# Question\n", answers: [] },
  proposals: {
    proposals: [
      {
        title: "Larger texts",
        text: "Where does it begin to win?",
        change: { variable: "parameters.words", from: "1000", to: "10000", why: "To see the trend." },
        expected: "A crossing.",
        gpu_hours: 0,
      },
    ],
  },
};

/** Every kind of event about one issue and its sessions, whether it fits the present state or not. */
export function issueCandidates(entity: string): DomainEvent[] {
  return [
    ...boardCandidates(entity),
    ...submissionCandidates(entity),
    ...[1, 2].flatMap((number) => [...concernCandidates(entity, number), ...gateCandidates(entity, number)]),
    ...sessionCandidates(`${entity}-session`, entity),
    ...investigationCandidates(`${entity}-investigation`, `${entity}-session`),
  ];
}

export function boardCandidates(entity: string): DomainEvent[] {
  const tos = [...workingStates, "done"] as const;
  const proposed = { project: "/r", number: 1, kind: "experiment" as const, title: "Tiny", text: "Does it?" };
  const checked = {
    check: "consistency" as const,
    subject: reviewed,
    passed: false,
    fault: false,
    findings: ["Seeds differ."],
  };
  return [
    {
      kind: "issue.proposed",
      entity,
      data: { ...proposed, parent: null, change: null, backend: null, accepted: true },
    },
    { kind: "issue.accepted", entity, data: {} },
    { kind: "issue.commented", entity, data: { text: "Use\u0000 the validation part." } },
    ...tos.map((to): DomainEvent => ({ kind: "issue.moved", entity, data: { to, reason: "It is time." } })),
    { kind: "issue.blocked", entity, data: { reason: "Three sessions failed." } },
    { kind: "issue.held", entity, data: { reason: "Later." } },
    { kind: "issue.resumed", entity, data: { reason: "Now." } },
    { kind: "issue.cancelled", entity, data: { reason: "Never." } },
    { kind: "issue.checked", entity, data: { ...checked, details: { seeds: [1, 2] } } },
  ];
}

function submissionCandidates(entity: string): DomainEvent[] {
  const shared = { number: 1, hash: reviewed, subject: null, session_id: `${entity}-session` };
  return [
    {
      kind: "clarification.submitted",
      entity,
      data: { ...shared, role: "clarifier", content: contents.clarification },
    },
    { kind: "plan.submitted", entity, data: { ...shared, role: "planner", content: contents.plan } },
    { kind: "review.submitted", entity, data: { ...shared, role: "code-reviewer", content: contents.review } },
    { kind: "change.submitted", entity, data: { ...shared, role: "implementer", content: contents.change } },
    { kind: "result.submitted", entity, data: { ...shared, role: "analyzer", content: contents.result } },
    {
      kind: "proposals.submitted",
      entity,
      data: { ...shared, role: "follow-up-proposer", content: contents.proposals },
    },
  ];
}

export function concernCandidates(entity: string, number: number): DomainEvent[] {
  const raised = { severity: "blocker" as const, location: "seeds", evidence: "Two of them.", fix: "Use five." };
  return [
    {
      kind: "concern.raised",
      entity,
      data: { number, about: "plan", subject: reviewed, ...raised, source: "statistics-critic", session_id: null },
    },
    { kind: "concern.answered", entity, data: { number, answer: "fixed", reason: "Five now." } },
    { kind: "concern.answered", entity, data: { number, answer: "disputed", reason: "Two suffice." } },
    { kind: "concern.verified", entity, data: { number, by: "statistics-critic", reason: "Seen." } },
    { kind: "concern.reopened", entity, data: { number, by: "statistics-critic", reason: "Still two." } },
    { kind: "concern.waived", entity, data: { number, reason: "A pilot." } },
  ];
}

export function gateCandidates(entity: string, number: number): DomainEvent[] {
  const options = [{ choice: "approve", effect: "It is built.", needs_reason: false }];
  return [
    {
      kind: "gate.opened",
      entity,
      data: {
        number,
        name: "plan-approval",
        question: "Run this plan?",
        why: "A person approves every plan.",
        options,
        binding: { plan: reviewed },
        evidence: null,
      },
    },
    { kind: "gate.decided", entity, data: { number, choice: "approve", reason: null, answers: [] } },
    { kind: "gate.decided", entity, data: { number, choice: "perhaps", reason: null, answers: [] } },
    { kind: "gate.withdrawn", entity, data: { number, reason: "The plan has changed." } },
  ];
}

export function sessionCandidates(entity: string, issue: string): DomainEvent[] {
  const usage = { turns: 3, input_tokens: 100, cached_tokens: 50, output_tokens: 20, cost: 0.01, seconds: 4.5 };
  return [
    {
      kind: "session.started",
      entity,
      data: {
        issue_id: issue,
        role: "planner",
        subject: "1",
        backend: "claude-code",
        model: null,
        member: "0123456789ab",
        directory: "/d/sessions/1",
      },
    },
    { kind: "session.launched", entity, data: { process: { pid: 7, started: "1" } } },
    { kind: "session.interrupted", entity, data: { reason: "The daemon ended." } },
    { kind: "session.dismissed", entity, data: { reason: "A person stopped it." } },
    { kind: "session.stalled", entity, data: { tool: "bench/measure", seconds: 540 } },
    { kind: "session.used", entity, data: { usage: { ...usage, turns: 1 } } },
    { kind: "session.refused", entity, data: { tool: "Bash", why: "not permitted" } },
    { kind: "session.submitted", entity, data: { submission_id: `${issue}:plan:1` } },
    { kind: "session.ended", entity, data: { outcome: "finished", evidence: null, next: null, usage } },
  ];
}

export function investigationCandidates(entity: string, session: string): DomainEvent[] {
  const seen = { kind: "observation" as const, statement: "It is lower.", source: "measure 3" };
  const started = { number: 1, project: "/r", question: "Why?", servers: ["bench"], max_turns: null, directory: "/d" };
  const place = { compute: "lab1", commit: "c".repeat(40) };
  const job = {
    job: `${entity}-job`,
    compute: "lab1",
    compute_id: "ssh-lab1",
    lease: { cpus: 1, memory: 0, gpus: [] },
  };
  return [
    { kind: "investigation.started", entity, data: { ...started, ...place, session_id: session } },
    { kind: "investigation.begun", entity, data: {} },
    { kind: "investigation.placed", entity, data: { ...job, server: "bench" } },
    { kind: "investigation.vacated", entity, data: { job: job.job, evidence: "It ended with status 3." } },
    { kind: "investigation.noted", entity, data: { text: "I expect\u0000 a line." } },
    {
      kind: "investigation.explained",
      entity,
      data: {
        behaviour: "It falls.",
        explanation: "Because of the step.",
        components: [{ name: "step", part: "Sets the speed." }],
        evidence: [seen],
        confidence: 0.5,
        alternatives: [],
        limits: [],
        artifacts: [],
      },
    },
    { kind: "investigation.concluded", entity, data: { answer: "The step.", answered: true, summary: "Measured." } },
    { kind: "investigation.disrupted", entity, data: { server: "bench", evidence: "It ended with status 3." } },
    { kind: "investigation.ended", entity, data: { outcome: "silent", evidence: "Nothing came.", next: null } },
  ];
}
