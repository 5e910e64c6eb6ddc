import { fillBrief, type Role, type Slot } from "../agents/roles/role.ts";
import { checkOf, decisionOn, newest, type IssueFacts } from "../domain/issues/facts.ts";
import type { IssueCheckName } from "../domain/issues/records.ts";
import type { SubmissionKind } from "../domain/issues/submissions.ts";
import { detailTexts } from "./checks/details.ts";
import { describeForm } from "./form.ts";

/** What a brief shows that is not among the facts of the issue. */
export interface BriefSources {
  comments: () => Promise<readonly { actor: string; time: string; text: string }[]>;
  diff: () => Promise<string>;
  results: () => Promise<string>;
  document: () => Promise<string>;
  /** What whoever does the role can look things up with. */
  tools: string;
  submits: SubmissionKind | null;
  /** How it is handed in. */
  handingIn: string;
}

const codeChecks: readonly IssueCheckName[] = ["declared-checks", "duplication"];

/** The role's brief with what it may see of the issue. */
export async function writeBrief(role: Role, facts: IssueFacts, sources: BriefSources): Promise<string> {
  const later = {
    comments: role.sees.includes("comments") ? commentsText(await sources.comments()) : "",
    diff: role.sees.includes("diff") ? fenced("diff", await sources.diff()) : "",
    results: role.sees.includes("results") ? await sources.results() : "",
    document: role.sees.includes("document") ? await sources.document() : "",
  };
  const contents: Record<Exclude<Slot, "question">, () => string> = {
    issue: () => issueText(facts),
    comments: () => later.comments,
    clarification: () => clarificationText(facts),
    plan: () => planText(facts),
    experiment_file: () => fenced("yaml", newest(facts, "plan")?.content.experiment_file ?? "# There is none."),
    consistency: () => checkText(facts, "consistency", newest(facts, "plan")?.hash),
    concerns: () => concernsText(facts),
    diff: () => later.diff,
    checks: () => {
      const commit = newest(facts, "change")?.hash;
      return codeChecks.map((name) => checkText(facts, name, commit)).join("\n\n");
    },
    smoke: () => checkText(facts, "smoke", newest(facts, "change")?.hash),
    results: () => later.results,
    document: () => later.document,
    tools: () => sources.tools,
    form: () => (sources.submits === null ? "" : `${describeForm(sources.submits)}\n\n${sources.handingIn}`),
  };
  return fillBrief(role, contents);
}

function issueText({ issue }: IssueFacts): string {
  const change =
    issue.change === null
      ? ""
      : `\n\nIt changes one variable of its parent: \`${issue.change.variable}\` from ${issue.change.from} to ${issue.change.to}, because ${issue.change.why}`;
  const text = issue.text.trim() === issue.title ? "" : `\n\n${issue.text}`;
  return `Issue ${issue.number} (${issue.kind}): ${issue.title}${text}${change}`;
}

function commentsText(comments: readonly { actor: string; time: string; text: string }[]): string {
  if (comments.length === 0) return "Nobody has commented.";
  return comments.map(({ actor, time, text }) => `- ${actor}, ${time}: ${text}`).join("\n");
}

function clarificationText(facts: IssueFacts): string {
  const found = newest(facts, "clarification");
  if (found === null) return "It was not clarified.";
  const { understanding, questions, assumptions, related } = found.content;
  const answers = decisionOn(facts, "answer-questions", { clarification: found.hash })?.answers ?? [];
  const asked = questions.map(({ question, proposed_answer }, index) => {
    const answer = answers[index]?.trim() ?? "";
    return `- ${question} ${answer === "" ? `Assumed: ${proposed_answer}` : `A person answered: ${answer}`}`;
  });
  return [
    understanding,
    ...list("Questions", asked),
    ...list("Assumptions", bullets(assumptions)),
    ...list("Earlier work", bullets(related)),
  ].join("\n\n");
}

function planText(facts: IssueFacts): string {
  const found = newest(facts, "plan");
  if (found === null) return "There is no plan yet.";
  const plan = found.content;
  const changes = plan.changes.map((one) => `- \`${one.variable}\`: ${one.from} became ${one.to}. ${one.why}`);
  return [
    `Plan ${found.number}`,
    `Hypothesis: ${plan.hypothesis}`,
    `Prediction: ${plan.prediction}`,
    `Refuted if: ${plan.refuted_if}`,
    `Reasons: ${plan.reasons}`,
    ...(plan.parent === null ? [] : [`Compared with: ${plan.parent}`]),
    ...list("Differences from the parent", changes),
    ...list("Risks", bullets(plan.risks)),
    ...(plan.needs_code ? [`To build: ${plan.implementation}`] : ["No code is to be built."]),
    ...(plan.experiment_path === null ? [] : [`The experiment file is \`${plan.experiment_path}\`.`]),
  ].join("\n\n");
}

function concernsText(facts: IssueFacts): string {
  if (facts.concerns.length === 0) return "No concern was raised so far.";
  return facts.concerns
    .map((one) => {
      const answer = one.answer === null ? "" : ` The author answered: ${one.answer}`;
      const settled = one.settled === null ? "" : ` ${one.settled.by} said: ${one.settled.reason}`;
      return `- Concern ${one.number} (${one.severity}, about the ${one.about}, ${one.state}, from ${one.source}) at ${one.location}: ${one.evidence} Suggested: ${one.fix}${answer}${settled}`;
    })
    .join("\n");
}

function checkText(facts: IssueFacts, name: IssueCheckName, subject: string | undefined): string {
  const found = subject === undefined ? undefined : checkOf(facts, name, subject);
  if (found === undefined) return `The check \`${name}\` was not made so far.`;
  const verdict = found.passed
    ? `The check \`${name}\` passed${found.findings.length === 0 ? "." : ": what it finds is waived, accepted, or for the reviewer to settle."}`
    : `The check \`${name}\` failed.`;
  const findings = found.findings.length === 0 ? [] : [bullets(found.findings).join("\n")];
  return [verdict, ...findings, ...detailTexts(found)].join("\n\n");
}

const bullets = (texts: readonly string[]): string[] => texts.map((text) => `- ${text}`);
const list = (title: string, items: readonly string[]): string[] =>
  items.length === 0 ? [] : [`${title}:\n\n${items.join("\n")}`];

/** A block that its content cannot end. */
function fenced(language: string, text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text.trimEnd()}\n${fence}`;
}
