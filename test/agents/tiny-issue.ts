/** What roles hand in for one small issue whose experiment runs in seconds. */
import { stringify } from "yaml";

export const design = {
  name: "tiny",
  question: "Does the larger step learn faster?",
  hypothesis: "The larger step ends at a lower loss.",
  metrics: { loss: { goal: "minimize", range: [0, null] } },
  arms: {
    small: { role: "baseline", parameters: { step: 0.01, steps: 50 } },
    large: { role: "ours", parameters: { step: 0.1, steps: 50 } },
  },
  tasks: { parabola: {} },
  seeds: [0, 1, 2, 3, 4],
  environment: { manager: "none" },
  run: "node train.mjs",
  decision: {
    comparisons: [{ better: "large", than: "small", metric: "loss", test: "paired-t", alpha: 0.05 }],
  },
  budget: { gpu_hours: 0, wall: "10m" },
};

/** Gradient descent on a noisy parabola. */
export const training = `import { readFileSync, writeFileSync } from "node:fs";
const { step, steps } = JSON.parse(readFileSync(process.env.RIGOR_PARAMETERS, "utf8"));
let state = Number(process.env.RIGOR_SEED) + 1;
const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
let x = 1 + random();
for (let i = 0; i < steps; i++) x -= step * (2 * x + 0.1 * (random() - 0.5));
writeFileSync(process.env.RIGOR_OUTPUT + "/result.json", JSON.stringify({ metrics: { loss: x * x } }));
`;

export const clarification = {
  understanding: "Whether gradient descent with a step of 0.1 ends lower than with 0.01.",
  questions: [
    { question: "Which function?", why: "It sets the task.", proposed_answer: "A parabola.", blocking: false },
  ],
  assumptions: ["Fifty steps are enough."],
  related: [],
};

export const plan = {
  experiment_path: "experiments/tiny.yaml",
  experiment_file: stringify(design),
  hypothesis: "The larger step ends at a lower loss.",
  prediction: "The loss is lower by more than half.",
  refuted_if: "The interval of the difference holds zero.",
  parent: null,
  changes: [],
  reasons: "Five seeds, paired by their noise.",
  risks: [],
  needs_code: true,
  implementation: "train.mjs: gradient descent on a noisy parabola.",
  smoke: { parameters: { steps: 2 } },
  uses: [],
  answers: [],
};

/** What is planned, built and proposed for an issue. */
export interface IssueWork {
  plan: typeof plan;
  /** Where its code lies, and what that is. */
  file: string;
  code: string;
  proposals: object;
}

export const approving = (summary: string) => ({ verdict: "approve", summary, concerns: [], settled: [] });

export const objecting = (evidence: string, settled: object[] = []) => ({
  verdict: "revise",
  summary: "It cannot go on like this.",
  concerns: [{ severity: "blocker", location: "seeds", evidence, fix: "Mend it." }],
  settled,
});

export const proposals = {
  proposals: [
    {
      title: "More noise",
      text: "Does the larger step still win with more noise?",
      change: { variable: "parameters.noise", from: "0.1", to: "1", why: "Noise favours small steps." },
      expected: "A crossing, or none.",
      gpu_hours: 0,
    },
  ],
};

export const tinyWork: IssueWork = { plan, file: "train.mjs", code: training, proposals };

/** The number of the issue that a brief is about. */
export const issueOf = (brief: string): number => Number(/Issue (\d+) \(/.exec(brief)?.[1]);

/** The draft that a brief shows, with what its writer has to say filled in. */
export function completed(brief: string): string {
  const [, draft] = /## The document so far\s+(---\nexperiment:[\s\S]*?)\n## Concerns\n/.exec(brief) ?? [];
  if (draft === undefined) throw new Error(`the brief shows no draft: ${brief}`);
  return draft.replaceAll(/::write\[[^\]]*\]/g, "It does.");
}
