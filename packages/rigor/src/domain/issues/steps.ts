import { usedUp } from "./agent-budget.ts";
import type { Json } from "../canonical.ts";
import type { AgentSettings } from "./agent-settings.ts";
import type { IssueFacts } from "./facts.ts";
import type { IssueState } from "./issue-lifecycle.ts";
import type { GateName, GateOption, IssueCheckName, IssueCheckRecord, RoleName, SessionRecord } from "./records.ts";

/** A gate that is to be opened. */
export interface GateRequest {
  name: GateName;
  question: string;
  why: string;
  options: GateOption[];
  binding: Json;
}

/** What happens next with an issue. Whatever it is, doing it twice does no harm. */
export type IssueStep =
  | { do: "rest"; why: string }
  | { do: "move"; to: Exclude<IssueState, "proposed" | "blocked" | "on-hold" | "cancelled">; reason: string }
  | { do: "session"; role: RoleName; subject: string }
  | { do: "check"; check: IssueCheckName; subject: string }
  | { do: "gate"; gate: GateRequest; blocks: boolean }
  | { do: "withdraw"; gate: number; reason: string }
  | { do: "resume-experiment"; reason: string }
  | { do: "stop-sessions"; whose: "all" | "agents"; reason: string };

export const rest = (why: string): IssueStep => ({ do: "rest", why });

export const move = (to: Extract<IssueStep, { do: "move" }>["to"], reason: string): IssueStep => ({
  do: "move",
  to,
  reason,
});

/** A gate that belongs to the way of an issue. */
export const ask = (gate: GateRequest): IssueStep => ({ do: "gate", gate, blocks: false });

/** A gate that takes an issue off its way: something is wrong that has nothing to do with the work itself. */
export const block = (gate: GateRequest): IssueStep => ({ do: "gate", gate, blocks: true });

export const option = (choice: string, effect: string, needs_reason = false): GateOption => ({
  choice,
  effect,
  needs_reason,
});

export const cancelOption: GateOption = option("cancel", "The issue ends here; its record stays.", true);

/** The first thing to do among steps that do not depend on each other; rests if all of them do; null if none is left. */
export function firstOf(steps: readonly (IssueStep | null)[]): IssueStep | null {
  const open = steps.filter((step) => step !== null);
  return open.find((step) => step.do !== "rest") ?? open[0] ?? null;
}

/**
 * What it takes until a role has done its work on a subject; null once it has.
 *
 * @param isDone whether the work was handed in
 */
export function work(facts: IssueFacts, role: RoleName, subject: string, isDone: boolean): IssueStep | null {
  const sessions = facts.sessions.filter((one) => one.role === role && one.subject === subject);
  // Also after it has handed in: what it still does to its workspace must be over before somebody reads it.
  const live = sessions.find((one) => one.state !== "ended");
  if (live?.backend === "human") return rest(`it waits for a person to do the work of the ${role}: rigor inbox`);
  if (live !== undefined) return rest(`the ${role} is at work`);
  if (isDone) return null;
  const failed = withoutLost(sessions.filter((one) => one.submission_id === null && one.outcome !== "set-aside"));
  const forgiven = new Set(
    facts.gates
      .filter((gate) => gate.name === "session-failed" && gate.state === "decided")
      .flatMap((gate) => (gate.binding as { sessions: string[] }).sessions),
  );
  const counted = failed.filter((one) => !forgiven.has(one.id));
  const last = counted.at(-1);
  if (counted.length >= facts.settings.failures || isFinal(last?.outcome)) {
    const times = counted.length === 1 ? "" : ` ${counted.length} times`;
    return block({
      name: "session-failed",
      question:
        last?.outcome === "stopped" ? `The ${role} was stopped. What now?` : `The ${role} failed${times}. What now?`,
      why: `${sentence(last?.evidence ?? `The last session ended as ${last?.outcome}`)} ${last?.next ?? ""}`.trim(),
      options: [
        option("retry", "Another session of this role starts."),
        option("human", "A person does this role's work: it appears in the inbox."),
        cancelOption,
      ],
      binding: { role, subject, sessions: counted.map((one) => one.id) },
    });
  }
  const isPerson = whoDoes(facts, role, subject).backend === "human";
  const why = isPerson ? null : (whyLater(counted, facts.now) ?? whyNoAgent(facts.settings, facts));
  return why === null ? { do: "session", role, subject } : rest(`the ${role} waits: ${why}`);
}

/** How sessions end that find the model's service unable to work, what is said of that, and what may mend it meanwhile. */
const unableService: Readonly<Record<string, readonly [what: string, remedy: string]>> = {
  overloaded: ["the model's service was overloaded", ""],
  "malformed-stream": [
    "what the model's service sent could not be read",
    "; look for a proxy before it, or update the agent",
  ],
};

/**
 * Until when another session would find the model's service as unable to work as the last ones did: a minute after the first,
 * five times as long after each further one, half an hour at most. Null where the time has come.
 */
function whyLater(failed: readonly SessionRecord[], now: string): string | null {
  const last = failed.at(-1);
  const said = unableService[last?.outcome ?? ""];
  if (last === undefined || said === undefined || last.ended_at === null) return null;
  const times = failed.length - 1 - failed.findLastIndex(({ outcome }) => !((outcome ?? "") in unableService));
  const minutes = Math.min(5 ** (times - 1), 30);
  const until = new Date(Date.parse(last.ended_at) + minutes * 60_000).toISOString();
  if (now >= until) return null;
  const [what, remedy] = said;
  return `${what}, and it is tried again at ${until.slice(0, 16).replace("T", " ")} UTC${remedy}`;
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

/** Why no agent may begin now, for an issue or an investigation; null where one may. */
export function whyNoAgent(
  { budget, sessions }: Pick<AgentSettings, "budget" | "sessions">,
  { spent_today, busy_agents }: Pick<IssueFacts, "spent_today" | "busy_agents">,
): string | null {
  const used = usedUp(spent_today, budget.day);
  if (used !== null) return `agents have used ${used} of this day's budget (agents.budget.day in rigor.yaml)`;
  if (busy_agents < sessions) return null;
  const who = busy_agents === 1 ? "1 agent is" : `${busy_agents} agents are`;
  return `${who} at work (agents.sessions in rigor.yaml)`;
}

/** How often a session may be lost with its machine before that counts as a failure: it may be the cause. */
const mostLost = 3;

function withoutLost(failed: readonly SessionRecord[]): SessionRecord[] {
  const forgiven = new Set(failed.filter((one) => one.outcome === "lost").slice(0, mostLost));
  return failed.filter((one) => !forgiven.has(one));
}

/** A person stopped it, or it would fail again for certain: nothing is gained by another try. */
const isFinal = (outcome: string | null | undefined): boolean => outcome === "stopped" || outcome === "credentials";

/**
 * The back end and the model that do a role's work on a subject: a person, where one wanted to after failures; else whom the
 * issue names for all its work; else whom rigor.yaml names.
 */
export function whoDoes(
  facts: IssueFacts,
  role: RoleName,
  subject: string,
): { backend: AgentSettings["backend"]; model: string | null } {
  const { settings } = facts;
  const own = settings.roles[role] ?? {};
  const last = facts.gates.findLast((gate) => {
    const about = gate.binding as { role?: string; subject?: string };
    return gate.name === "session-failed" && about.role === role && about.subject === subject;
  });
  if (last?.choice === "human") return { backend: "human", model: null };
  const configured = own.backend ?? settings.backend;
  const backend = facts.issue.backend ?? configured;
  // A model belongs to the back end that it was configured with.
  if (backend !== configured) return { backend, model: null };
  return { backend, model: own.model === undefined ? settings.model : own.model };
}

/**
 * What it takes until a check has passed; null once it has.
 *
 * @param onFailure what a failed check leads to; by default a person is asked
 */
export function passCheck(
  facts: IssueFacts,
  check: IssueCheckName,
  subject: string,
  question: string,
): IssueStep | null {
  const found = facts.checks.find((one) => one.name === check && one.subject === subject);
  if (found === undefined) return { do: "check", check, subject };
  if (found.passed) return null;
  return tryAgain(facts, found, question);
}

/**
 * What it takes until a check that could not be made was made; null where there is none. Its author can do nothing about
 * that, and no round is lost by it: a person is asked.
 */
export function mendFault(facts: IssueFacts): IssueStep | null {
  const found = facts.checks.find(({ fault }) => fault);
  if (found === undefined) return null;
  return tryAgain(facts, found, `The check ${found.name} of issue ${facts.issue.number} cannot be made.`);
}

function tryAgain(facts: IssueFacts, found: IssueCheckRecord, question: string): IssueStep {
  const { name: check, subject, checked_at, findings } = found;
  const wasDecided = facts.gates.some(
    (gate) =>
      gate.name === "check-failed" &&
      gate.state === "decided" &&
      (gate.binding as { checked_at?: string }).checked_at === checked_at,
  );
  if (wasDecided) return { do: "check", check, subject };
  return block({
    name: "check-failed",
    question: `${question} What now?`,
    why: findings.join(" "),
    options: [option("retry", "It is tried again; mend what is wrong first."), cancelOption],
    binding: { check, subject, checked_at },
  });
}

/** A check whose outcome is judged by reviews or rounds, so that it only has to be made. */
export function makeCheck(facts: IssueFacts, check: IssueCheckName, subject: string): IssueStep | null {
  const made = facts.checks.some((one) => one.name === check && one.subject === subject);
  return made ? null : { do: "check", check, subject };
}
