import { stringify } from "yaml";
import type { Json } from "../domain/canonical.ts";
import { countRuns } from "../domain/design.ts";
import { unifiedDiff } from "../domain/format/line-diff.ts";
import { duration } from "../domain/format/numbers.ts";
import { gridText } from "../domain/format/words.ts";
import { differenceText, type Difference } from "../domain/issues/consistency.ts";
import { concernText } from "../domain/issues/concern-text.ts";
import { isEdit } from "../domain/issues/edit-document.ts";
import {
  allOf,
  checkOf,
  decisionOn,
  newest,
  unsettled,
  type IssueFacts,
  type Submitted,
  type WorkKind,
} from "../domain/issues/facts.ts";
import type { GateName } from "../domain/issues/records.ts";
import type { SubmissionContent } from "../domain/issues/submissions.ts";
import { machineOfId } from "../domain/rules/compute-rules.ts";

/** What a person sees beside the question of a gate. It is kept with the gate, as it was when it was opened. */
export function gateEvidence(facts: IssueFacts, name: GateName): Json {
  switch (name) {
    case "answer-questions": {
      const clarification = newest(facts, "clarification");
      return {
        questions: clarification?.content.questions ?? [],
        assumptions: clarification?.content.assumptions ?? [],
      };
    }
    case "plan-approval":
    case "plan-disputed":
      return {
        ...planEvidence(facts),
        assumptions: assumptionsOf(facts),
        reviews: reviewsOf(facts, newest(facts, "plan")?.hash ?? null),
        concerns: concernsAbout(facts, "plan"),
      };
    case "code-disputed":
    case "test-failed": {
      const commit = newest(facts, "change")?.hash ?? null;
      return { commit, reviews: reviewsOf(facts, commit), concerns: concernsAbout(facts, "change") };
    }
    case "promotion":
    case "interpretation-disputed": {
      // The last who is asked is told all that nobody has settled, nits about plan and code among it.
      const about: WorkKind[] = name === "promotion" ? ["plan", "change", "result"] : ["result"];
      return {
        ...documentEvidence(facts),
        reviews: reviewsOf(facts, newest(facts, "result")?.hash ?? null),
        concerns: about.flatMap((work) => concernsAbout(facts, work)),
      };
    }
    default:
      return null;
  }
}

function planEvidence(facts: IssueFacts): Record<string, Json> {
  const plan = newest(facts, "plan");
  if (plan === null) return {};
  const { hypothesis, prediction, refuted_if, experiment_path, experiment_file, risks, changes, parent } = plan.content;
  const { reasons, needs_code, implementation, uses } = plan.content;
  const found = checkOf(facts, "consistency", plan.hash)?.details ?? null;
  const { differences = [], duplicates = [] } = (found ?? {}) as { differences?: Difference[]; duplicates?: string[] };
  return {
    plan: plan.number,
    changed_since: changesOfPlan(facts, plan),
    hypothesis,
    prediction,
    refuted_if,
    reasons,
    risks,
    compared_with: parent,
    changes: changes.map(({ variable, from, to, why }) => `${variable}: ${from} became ${to}. ${why}`),
    uses,
    experiment_path,
    experiment_file,
    to_build: needs_code ? implementation : "Nothing: the committed code does it.",
    smoke_run: smokeText(facts),
    ...costEvidence(facts),
    differences: differences.map(differenceText),
    duplicates,
  };
}

/** What differs from the plan that a person saw before; null where nobody did. */
function changesOfPlan(facts: IssueFacts, plan: Submitted<"plan">): Json {
  const before = seenBefore(facts, plan);
  if (before === null) return null;
  return { plan: before.number, changes: unifiedDiff(planPage(before), planPage(plan)) || "nothing of the plan" };
}

/** All of a plan as one text, without what its author answered to reviewers. */
function planPage({ content }: Submitted<"plan">): string {
  const { answers: _, ...plan } = content as SubmissionContent<"plan">;
  return stringify(plan, { lineWidth: 0, blockQuote: "literal" });
}

/** The version of a plan or result that a person was shown at a gate, before another one took its place. */
function seenBefore<Kind extends "plan" | "result">(
  facts: IssueFacts,
  { kind, hash }: Submitted<Kind>,
): Submitted<Kind> | null {
  const shown = facts.gates.map(({ binding }) => (binding as Partial<Record<string, Json>> | null)?.[kind]);
  const last = shown.findLast((one) => one !== undefined && one !== hash);
  return allOf(facts, kind as Kind).findLast((one) => one.hash === last) ?? null;
}

/** What is tried before the experiment is started; null where nothing is. */
function smokeText(facts: IssueFacts): string | null {
  const plan = newest(facts, "plan")?.content ?? null;
  if (plan === null || plan.experiment_file === null) return null;
  const smallest = gridText(plan.smoke?.parameters ?? {});
  return `Each arm once, ${smallest === "" ? "with its own parameters" : `with ${smallest}`}.`;
}

/** What was taken for granted when it was planned: what nobody asked, and what nobody answered. */
function assumptionsOf(facts: IssueFacts): string[] {
  const found = newest(facts, "clarification");
  if (found === null) return [];
  const { questions, assumptions } = found.content;
  const answers = decisionOn(facts, "answer-questions", { clarification: found.hash })?.answers ?? [];
  const open = questions.filter((_, index) => (answers[index]?.trim() ?? "") === "");
  return [...assumptions, ...open.map(({ question, proposed_answer }) => `${question} ${proposed_answer}`)];
}

/** What reviewers said of a piece of work. */
function reviewsOf(facts: IssueFacts, work: string | null): string[] {
  return allOf(facts, "review")
    .filter(({ subject }) => subject === work)
    .map(({ role, content }) => `${role}: ${content.verdict}. ${content.summary}`);
}

/** The newest document, what differs from the one that a person saw before, and who edited it after its review. */
function documentEvidence(facts: IssueFacts): Record<string, Json> {
  const found = newest(facts, "result");
  if (found === null) return { document: null };
  const { document } = found.content;
  const before = seenBefore(facts, found);
  if (before === null) return { document };
  const changes = { changes: unifiedDiff(before.content.document, document) || "nothing of the text" };
  return { document, ...(isEdit(found) ? { edited_by: found.submitted_by } : {}), ...changes };
}

/** What is approved with the plan: how many runs, where, and at what cost. */
function costEvidence({ design, computes }: IssueFacts): Record<string, Json> {
  if (design === null) return {};
  const { gpu_hours, wall } = design.budget;
  return {
    runs: countRuns(design),
    budget: {
      gpu_hours: gpu_hours ?? "no limit",
      wall: wall === null ? "no limit" : duration(wall),
    },
    compute: design.compute.map((name) => placeOf(name, computes[name])).join(", "),
  };
}

/** A compute by its name, and by its machine where the name does not tell it. */
function placeOf(name: string, id: string | undefined): string {
  if (id === undefined) return `${name} (not in rigor.yaml)`;
  const machine = machineOfId(id);
  return machine === name ? name : `${name} (${machine})`;
}

/** What reviewers and checks found and nobody has settled, nits among it. */
const concernsAbout = (facts: IssueFacts, about: WorkKind): string[] => unsettled(facts, about).map(concernText);
