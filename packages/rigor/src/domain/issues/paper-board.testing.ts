import { definition, MemoryLog } from "../events/events.testing.ts";
import { contents } from "../events/issue-events.testing.ts";
import type { DomainEvent } from "../events/registry.ts";
import type { ExperimentState } from "../lifecycle.ts";
import type { IssueState } from "./issue-lifecycle.ts";
import { nothingSpent, type Spent } from "./agent-budget.ts";
import { agentSettingsSchema, type BackendName } from "./agent-settings.ts";
import type { ParentFacts } from "./amendment.ts";
import { decideGate } from "./decide-gate.ts";
import type { DocumentEdit } from "./edit-document.ts";
import { count, newest, openConcerns, type IssueFacts, type WorkKind } from "./facts.ts";
import { judgeFindings } from "./check-concerns.ts";
import { handInEvents, handInProblems, toSettle, type HandIn } from "./hand-in.ts";
import { nextStep } from "./next-step.ts";
import { noUsage, type GateRecord, type IssueCheckName, type IssueKind, type RoleName } from "./records.ts";
import { roleWork } from "./roles.ts";
import { whoDoes, type IssueStep } from "./steps.ts";
import type { SubmissionContent } from "./submissions.ts";

/** What agents, code and persons do on the paper board: asked whenever something could come out in several ways. */
export interface Fate {
  /** Whether a session hands in what it was asked for. */
  works: (role: RoleName) => boolean;
  /** Whether a reviewer finds a blocker. */
  objects: (role: RoleName) => boolean;
  passes: (check: IssueCheckName) => boolean;
  /** Whether a check cannot be made, as when git fails. */
  fails: (check: IssueCheckName) => boolean;
  answers: (gate: GateRecord) => string;
  ends: () => { state: ExperimentState; hold: string | null };
  asksBack: () => boolean;
  /** Whether a change touches nothing but configuration. */
  configures: () => boolean;
}

/** Everything goes well, and persons say yes. */
export const smooth: Fate = {
  works: () => true,
  objects: () => false,
  passes: () => true,
  fails: () => false,
  answers: (gate) => gate.options[0]?.choice ?? "",
  ends: () => ({ state: "decided", hold: null }),
  asksBack: () => false,
  configures: () => false,
};

const issueId = "i1";
const usage = { ...noUsage, turns: 1, input_tokens: 100, output_tokens: 10, seconds: 60, cost: 0.1 };
const checkAbout: Partial<Record<IssueCheckName, WorkKind>> = {
  consistency: "plan",
  scope: "change",
  "declared-checks": "change",
  duplication: "change",
  smoke: "change",
  document: "result",
};

/** An issue whose work is done on paper: the rules are real, and nobody else is. */
export class PaperBoard {
  readonly log = new MemoryLog();
  readonly steps: IssueStep[] = [];
  readonly #fate: Fate;
  spentToday: Spent = nothingSpent;
  now = "2026-01-01T00:00:00.000Z";
  /** What rigor.yaml says now. */
  settings;
  computes: Record<string, string> = { local: "local" };
  #sessions = 0;
  #works = 0;
  #experiment: IssueFacts["experiment"] = null;
  #times = 0;

  readonly #parent: ParentFacts | null;

  /** @param parent what it follows */
  constructor(
    fate: Partial<Fate> = {},
    kind: IssueKind = "experiment",
    settings: object = {},
    parent: ParentFacts | null = null,
    backend: BackendName | null = null,
  ) {
    this.#parent = parent;
    this.#fate = { ...smooth, ...fate };
    this.settings = agentSettingsSchema.parse(settings);
    const change = parent === null ? null : { variable: "seeds", from: "[0]", to: "[0, 1]", why: "Two are more." };
    const proposed = { project: "/r", number: 2, kind, title: "Tiny", text: "?", parent: parent && "i0", change };
    this.append({ kind: "issue.proposed", entity: issueId, data: { ...proposed, backend, accepted: true } });
  }

  append(...events: DomainEvent[]): void {
    for (const event of events) this.log.append(event);
  }

  get facts(): IssueFacts {
    const { state } = this.log;
    const issue = state.get("issues", issueId);
    if (issue === undefined) throw new Error("the issue was never filed");
    const rows = <Name extends "submissions" | "concerns" | "gates" | "sessions" | "issue_checks">(table: Name) =>
      state.entries(table).map(([, row]) => row);
    return {
      issue,
      submissions: rows("submissions"),
      concerns: rows("concerns"),
      gates: rows("gates"),
      sessions: rows("sessions"),
      checks: rows("issue_checks"),
      design: rows("submissions").some((one) => one.kind === "plan") ? design : null,
      experiment: this.#experiment,
      code_failures: this.#experiment?.hold?.code === "runs-failed" ? ["TypeError: x is undefined"] : [],
      parent: this.#parent,
      settings: this.settings,
      computes: this.computes,
      now: this.now,
      spent_today: this.spentToday,
      busy_agents: 0,
    };
  }

  /** Takes one step; false when there is nothing left to do. */
  step(): boolean {
    const step = nextStep(this.facts);
    this.steps.push(step);
    switch (step.do) {
      case "rest":
        return this.#person();
      case "move":
        this.append({ kind: "issue.moved", entity: issueId, data: { to: step.to, reason: step.reason } });
        break;
      case "session":
        this.#session(step.role, step.subject);
        break;
      case "check":
        this.#check(step.check, step.subject);
        break;
      case "gate":
        this.append({
          kind: "gate.opened",
          entity: issueId,
          data: { ...step.gate, number: this.facts.gates.length + 1, evidence: null },
        });
        if (step.blocks) this.append({ kind: "issue.blocked", entity: issueId, data: { reason: step.gate.why } });
        break;
      case "withdraw":
        this.append({ kind: "gate.withdrawn", entity: issueId, data: { number: step.gate, reason: step.reason } });
        break;
      case "stop-sessions":
        throw new Error("on paper nobody is at work between two steps");
      case "resume-experiment":
        this.#experiment = { id: this.#experiment?.id ?? "e", ...this.#ended() };
    }
    return true;
  }

  /** Goes on until a state is entered. */
  runTo(state: IssueState): void {
    while (this.facts.issue.state !== state) if (!this.step()) throw new Error(`the issue never came to ${state}`);
  }

  /** Goes on until nothing is left to do, and says how many steps that took. */
  run(most: number): number {
    let taken = 0;
    while (taken < most && this.step()) taken += 1;
    return taken;
  }

  #person(): boolean {
    const gate = this.facts.gates.find((one) => one.state === "open");
    if (gate === undefined) return false;
    const choice = this.#fate.answers(gate);
    const answer = { choice, reason: "Because.", answers: [] };
    this.append(...decideGate(this.facts, gate, answer, choice === "edit" ? this.#edit() : null));
    return true;
  }

  /** Something else than the document says; sometimes what was handed in long ago. */
  #edit(): DocumentEdit {
    this.#works += 1;
    const text = this.#works % 3;
    return { document: `# Question ${text}\n`, hash: `text ${text}` };
  }

  #session(role: RoleName, subject: string): void {
    if (role === "investigator") throw new Error("no issue asks for an investigator");
    this.#sessions += 1;
    const entity = `s${this.#sessions}`;
    const who = { ...whoDoes(this.facts, role, subject), member: null };
    const started = { issue_id: issueId, role, subject, ...who, directory: "/s" };
    this.append({ kind: "session.started", entity, data: started });
    if (this.#fate.works(role)) this.#handIn(role, subject, entity);
    this.append({ kind: "session.ended", entity, data: { outcome: "finished", evidence: null, next: null, usage } });
  }

  #handIn(role: Exclude<RoleName, "investigator">, subject: string, session_id: string): void {
    this.#works += 1;
    const kind = roleWork[role].submits;
    const review = kind === "review";
    const handIn: HandIn = {
      kind,
      role,
      session_id,
      hash: `w${this.#works}`,
      subject: review ? subject : null,
      content: this.#content(role),
    };
    const problems = handInProblems(this.facts, handIn);
    if (problems.length > 0) throw new Error(problems.join(" "));
    this.append(...handInEvents(this.facts, handIn));
  }

  #content(role: Exclude<RoleName, "investigator">): HandIn["content"] {
    const { submits, makes, reviews } = roleWork[role];
    if (reviews !== null) return this.#review(role, reviews);
    const content = structuredClone(contents[submits]);
    if (submits === "clarification" && this.#fate.asksBack()) {
      const [question] = contents.clarification.questions;
      if (question !== undefined) (content as SubmissionContent<"clarification">).questions.push(question);
    }
    if (makes === null) return content;
    const answers = openConcerns(this.facts, makes).map((one) => ({
      concern: one.number,
      answer: "fixed" as const,
      reason: "Mended.",
    }));
    return { ...content, answers };
  }

  #review(role: RoleName, about: WorkKind): SubmissionContent<"review"> {
    const objects = this.#fate.objects(role);
    const finding = { severity: "blocker" as const, location: "seeds", evidence: "Two.", fix: "Five." };
    const settled = toSettle(this.facts, role, about).map((one) => ({
      concern: one.number,
      status: "verified" as const,
      reason: "Seen.",
    }));
    return { verdict: objects ? "revise" : "approve", summary: "Read.", concerns: objects ? [finding] : [], settled };
  }

  #check(check: IssueCheckName, subject: string): void {
    this.#times += 1;
    const fault = this.#fate.fails(check);
    const evidence = fault ? ["git failed."] : this.#fate.passes(check) ? [] : ["It does not hold."];
    const findings = evidence.map((one) => ({ location: null, evidence: one }));
    const about = checkAbout[check];
    const { passed, events } =
      about === undefined || fault
        ? { passed: findings.length === 0, events: [] }
        : judgeFindings(this.facts, { name: check, about, subject, findings });
    if (check === "dispatch" && passed) {
      this.#experiment = { id: `e${this.#times}`, ...this.#ended() };
    }
    const scope: Record<string, boolean> = check === "scope" ? { configuration_only: this.#fate.configures() } : {};
    const details = { time: this.#times, base: `base${this.#times}`, target: "main", ...scope };
    if (check === "amendment" && passed) this.#inherit();
    if (check === "workspace" && passed) this.#build(details.base);
    this.append(
      { kind: "issue.checked", entity: issueId, data: { check, subject, passed, fault, findings: evidence, details } },
      ...events,
    );
  }

  /** As code makes the plan of a follow-up. */
  #inherit(): void {
    this.#works += 1;
    const identity = { role: "planner" as const, hash: `w${this.#works}`, subject: null, session_id: null };
    const content = { ...contents.plan, needs_code: false };
    this.append({ kind: "plan.submitted", entity: issueId, data: { ...identity, number: 1, content } });
  }

  /** As code makes the change of a plan that needs no code. */
  #build(hash: string): void {
    const needsCode = newest(this.facts, "plan")?.content.needs_code ?? true;
    if (needsCode || openConcerns(this.facts, "change").length > 0) return;
    const identity = { role: "implementer" as const, hash, subject: null, session_id: null };
    const number = count(this.facts, "change") + 1;
    this.append({ kind: "change.submitted", entity: issueId, data: { ...identity, number, content: contents.change } });
  }

  #ended(): Pick<NonNullable<IssueFacts["experiment"]>, "state" | "hold"> {
    this.#times += 1;
    const { state, hold } = this.#fate.ends();
    const held = { reason: "It is so.", options: [], since: `t${this.#times}` };
    return { state, hold: hold === null ? null : { ...held, code: hold as "budget" } };
  }
}

const design = { ...definition, resources: { ...definition.resources, gpus: 1 }, budget: { gpu_hours: 1, wall: null } };

/** A finished issue, for follow-ups on paper. */
export const finished: ParentFacts = {
  number: 1,
  plan: contents.plan,
  experiment: "tiny@1",
  commit: "c0ffee",
  asked_hours: null,
  hours_left: 1,
};

/** Fates from a list of numbers: each question takes the next one. */
export function fated(numbers: readonly number[]): Fate {
  let at = 0;
  const draw = (): number => numbers[at++ % numbers.length] ?? 0;
  return {
    works: () => draw() % 4 !== 0,
    objects: () => draw() % 4 === 0,
    passes: () => draw() % 4 !== 0,
    fails: () => draw() % 12 === 0,
    answers(gate: GateRecord) {
      const choices = gate.options.map((one) => one.choice).filter((one) => one !== "cancel" || draw() % 8 === 0);
      return choices[draw() % choices.length] ?? "cancel";
    },
    ends() {
      const holds = ["stage-failed", "runs-failed", "budget", "preparation"];
      return draw() % 3 === 0
        ? { state: "held", hold: holds[draw() % holds.length] ?? null }
        : { state: "decided", hold: null };
    },
    asksBack: () => draw() % 3 === 0,
    configures: () => draw() % 3 === 0,
  };
}

/** More steps than any issue takes. */
export const enough = 400;

export const statesOf = ({ steps }: PaperBoard): string[] =>
  steps.flatMap((step) => (step.do === "move" ? [step.to] : []));

export const gatesOf = ({ facts }: PaperBoard): string[] => facts.gates.map((gate) => gate.name);
export const rolesOf = ({ facts }: PaperBoard): string[] => facts.sessions.map((session) => session.role);
