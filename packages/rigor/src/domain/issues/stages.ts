import { planCritics } from "./plan-steps.ts";
import type { workingStates } from "./issue-lifecycle.ts";
import type { GateName, IssueCheckName, RoleName } from "./records.ts";

/** Who and what is at work in a state of an issue, and where a person may be asked. */
export interface IssueStage {
  roles: readonly RoleName[];
  checks: readonly IssueCheckName[];
  gates: readonly GateName[];
}

/** Gates that open wherever sessions or checks fail, or money is used up. */
export const gatesAnywhere: readonly GateName[] = ["session-failed", "check-failed", "budget-used"];

/** What `nextStep` may do in each state; a test compares the two, and ARCHITECTURE.md shows it. */
export const issueStages: Record<(typeof workingStates)[number] | "cancelled", IssueStage> = {
  clarifying: { roles: ["clarifier"], checks: ["amendment"], gates: ["answer-questions"] },
  planning: { roles: ["planner"], checks: [], gates: [] },
  "plan-review": { roles: planCritics, checks: ["consistency"], gates: ["plan-disputed", "plan-approval"] },
  implementing: { roles: ["implementer"], checks: ["workspace"], gates: [] },
  "code-review": {
    roles: ["code-reviewer"],
    checks: ["scope", "declared-checks", "duplication"],
    gates: ["code-disputed"],
  },
  testing: { roles: ["tester"], checks: ["smoke", "merge", "clean-up"], gates: ["test-failed", "merge-conflict"] },
  running: { roles: [], checks: ["dispatch"], gates: ["stage-failed", "runs-failed", "experiment-held"] },
  verifying: { roles: [], checks: ["reproducibility"], gates: ["verification-failed"] },
  analyzing: { roles: ["analyzer"], checks: [], gates: [] },
  "result-review": { roles: ["interpretation-critic"], checks: [], gates: ["interpretation-disputed"] },
  promotion: {
    roles: ["follow-up-proposer"],
    checks: ["document", "merge", "follow-ups", "clean-up"],
    gates: ["promotion", "merge-conflict"],
  },
  cancelled: { roles: [], checks: ["clean-up"], gates: [] },
};
