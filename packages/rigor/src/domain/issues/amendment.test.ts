import { describe, expect, test } from "vitest";
import { contents } from "../events/issue-events.testing.ts";
import { parseExperiment } from "../files/parse-experiment.ts";
import { amendPlan, valueOf } from "./amendment.ts";
import { designDifferences } from "./consistency.ts";

const file = `# What is compared
name: tiny
metrics: { loss: { goal: minimize } }
arms:
  small: { role: baseline, parameters: { step: 0.01, steps: 50 } }
  large: { role: ours, parameters: { step: 0.1, steps: 50 } } # the new one
tasks: { parabola: {} }
parameters: { noise: { values: [0.1] } }
seeds: [0, 1, 2]
run: node train.mjs
decision: { comparisons: [{ better: large, than: small, metric: loss }] }
resources: { gpus: 1 }
budget: { gpu_hours: 4 }
`;
const plan = { ...contents.plan, experiment_path: "experiments/tiny.yaml", experiment_file: file };
const parent = { number: 1, plan, experiment: "tiny@1", commit: "c0ffee", asked_hours: 1 };
const before = parseExperiment(file, { file: "tiny.yaml" });

const amend = (variable: string, to: string, issue = 7) =>
  amendPlan(parent, { variable, from: "it was", to, why: "It is asked." }, issue);

function made(variable: string, to: string, issue = 7) {
  const found = amend(variable, to, issue);
  if ("problem" in found) throw new Error(found.problem);
  return found;
}

describe("a plan with one variable changed by code [issue.follow-up]", () => {
  test.each([
    ["seeds", "[0, 1, 2, 3]", "seeds"],
    ["arms.large.parameters.step", "0.2", "arms.large"],
    ["arms.*.parameters.steps", "200", "arms.*.parameters.steps"],
    ["arms.larger", "{ parameters: { step: 1, steps: 50 } }", "arms.larger"],
    ["tasks.valley", "{}", "tasks.valley"],
    ["parameters.noise", "0.5", "parameters.noise"],
    ["parameters.noise.values", "[0.1, 0.5]", "parameters.noise"],
  ])("%s = %s differs in that alone, and in what it may use", (variable, to, difference) => {
    const { plan: amended, design } = made(variable, to);
    expect(designDifferences(before, design).map((one) => one.variable)).toEqual([difference]);
    expect(design.budget.gpu_hours).toBe(1);
    expect(design.decision).toEqual(before.decision);
    expect(amended).toMatchObject({ parent: "tiny@1", needs_code: false, prediction: plan.prediction });
    expect(amended.changes).toEqual([{ variable, from: "it was", to, why: "It is asked." }]);
  });

  test("is an experiment of its own, and its file keeps what people wrote", () => {
    const { plan: amended } = made("seeds", "[3, 4, 5]");
    expect(amended.experiment_path).toBe("experiments/tiny-issue-7.yaml");
    expect(amended.experiment_file).toContain("name: tiny-issue-7\n");
    expect(amended.experiment_file).toContain("# What is compared");
    expect(amended.experiment_file).toContain("# the new one");
    const later = amendPlan({ ...parent, plan: amended }, { variable: "seeds", from: "", to: "[9]", why: "More." }, 12);
    expect("plan" in later && later.plan.experiment_path).toBe("experiments/tiny-issue-12.yaml");
  });

  test.each([
    ["decision.comparisons", "[]", "no arm, task, parameter, input or seed"],
    ["metrics.loss", "{ goal: maximize }", "no arm, task, parameter, input or seed"],
    ["run", "node other.mjs", "no arm, task, parameter, input or seed"],
    ["parameters.width", "[8]", "is not in the experiment file"],
    ["arms.large.parameters.momentum", "0.9", "is not in the experiment file"],
    ["arms.larger", "{ parameters: { momentum: 1 } }", "knows no parameter momentum"],
    ["seeds", "[0, 1, 2]", "seeds is .0,1,2. there already."],
    ["seeds", "some", "seeds"],
    ["seeds", "[0", "is no value in YAML"],
    ["arms.*.parameters", "{ step: 1, steps: 2 }", "It changes 3 variables"],
  ])("%s = %s is not made: a planner has to", (variable, to, why) => {
    const found = amend(variable, to);
    expect("problem" in found ? found.problem : "it was made").toMatch(new RegExp(why));
  });

  test("what a variable is now can be told", () => {
    expect(valueOf(plan, "seeds")).toBe("[0,1,2]");
    expect(valueOf(plan, "arms.*.parameters.steps")).toBe("50");
    expect(valueOf(plan, "arms.large.parameters")).toBe('{"step":0.1,"steps":50}');
    expect(valueOf(plan, "tasks.valley")).toBeNull();
  });
});
