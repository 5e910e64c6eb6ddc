import { matchingPaths } from "../../agents/workspaces/change.ts";
import { cancelExperiment } from "../../bench/experiments/actions.ts";
import type { Lab } from "../../bench/lab/lab.ts";
import { newest, type IssueFacts } from "../../domain/issues/facts.ts";
import { changedPaths, readCommitted } from "../../provenance/tree.ts";
import { decodeRow } from "../../store/tables.ts";
import type { ConductorParts } from "../parts.ts";
import { startOf } from "../workspaces.ts";
import { judged, passed, type CheckOutcome } from "./check.ts";

/** Makes the implementer's workspace with the approved experiment file in it. */
export async function makeWorkspace({ workspaces }: ConductorParts, facts: IssueFacts): Promise<CheckOutcome> {
  return passed({ ...(await workspaces.makeForPlan(facts)) });
}

/** What the change touches: the approved experiment file must be as it was, and whether it only configures is said. */
export async function checkScope(_: ConductorParts, facts: IssueFacts, commit: string): Promise<CheckOutcome> {
  const { issue, settings } = facts;
  const plan = newest(facts, "plan")?.content;
  const files = (await changedPaths(issue.project, startOf(facts), commit)) ?? [];
  // The approved experiment file is no code, wherever it lies.
  const approved = plan?.experiment_path ?? null;
  const configuring = new Set([...(await matchingPaths(settings.configuration, files)), approved]);
  const details = { configuration_only: files.every((file) => configuring.has(file)), files };
  if (plan === undefined || plan.experiment_file === null || plan.experiment_path === null) return passed(details);
  const committed = await readCommitted(issue.project, commit, plan.experiment_path);
  const unchanged = committed?.toString("utf8") === plan.experiment_file;
  return judged(
    unchanged
      ? []
      : [`${plan.experiment_path} is not the approved experiment file. Bring it back: what was approved is what runs.`],
    details,
  );
}

/** Merges the change, or leaves its branch, as `agents.promotion` says. */
export async function mergeChange(
  { workspaces }: ConductorParts,
  facts: IssueFacts,
  commit: string,
): Promise<CheckOutcome> {
  const promotion = await workspaces.promote(facts, commit);
  if (promotion.outcome === "merged") {
    return passed({ ...promotion, message: `It is part of ${promotion.target} now.` });
  }
  if (promotion.outcome === "left") {
    const { branch, why, command } = promotion;
    return passed({ ...promotion, message: `Its branch ${branch} is left to you: ${why} To merge it: ${command}` });
  }
  const { target, files, command } = promotion;
  return judged([`These files conflict with ${target}: ${files.join(", ")}. By hand: ${command}`]);
}

/** Ends what still runs for an issue that was cancelled, and removes its workspace; its branch stays. */
export async function cleanUp(parts: ConductorParts, facts: IssueFacts): Promise<CheckOutcome> {
  const { issue } = facts;
  const { lab, workspaces } = parts;
  if (issue.state === "cancelled") {
    for (const id of await openExperimentsOf(lab.store.db, facts)) {
      await cancelExperiment(lab, "conductor", id, "its issue was cancelled");
    }
  }
  await workspaces.removeAll(issue);
  return passed();
}

/** Its experiment, and smoke runs that have not ended. */
async function openExperimentsOf(db: Lab["store"]["db"], { issue, experiment }: IssueFacts): Promise<string[]> {
  const rows = await db
    .selectFrom("experiments")
    .select(["id", "name", "source"])
    .where("state", "in", ["draft", "running", "held"])
    .where(({ eb, or }) => or([eb("id", "=", experiment?.id ?? ""), eb("name", "like", `%-smoke-${issue.number}`)]))
    .execute();
  return rows.filter((row) => decodeRow("experiments", row).source.repository === issue.project).map(({ id }) => id);
}
