import fc from "fast-check";
import { expect, test } from "vitest";
import { fated, finished, PaperBoard } from "./paper-board.testing.ts";
import { issueKinds } from "./records.ts";
import { gatesAnywhere, issueStages } from "./stages.ts";

const enough = 400;
const listed = Object.entries(issueStages).flatMap(([state, { roles, checks, gates }]) =>
  [...roles, ...checks, ...gates].map((name) => `${state}: ${name}`),
);

/** What an issue of some fate did in its states, but for gates that open anywhere. */
function doneIn(board: PaperBoard): string[] {
  const done: string[] = [];
  for (let taken = 0; taken < enough; taken++) {
    const { state } = board.facts.issue;
    if (!board.step()) break;
    const step = board.steps.at(-1);
    if (step?.do === "session") done.push(`${state}: ${step.role}`);
    if (step?.do === "check") done.push(`${state}: ${step.check}`);
    if (step?.do === "gate" && !gatesAnywhere.includes(step.gate.name)) done.push(`${state}: ${step.gate.name}`);
  }
  return done;
}

test("what happens in each state is what is documented, and all of it happens [issue.life]", () => {
  const seen = new Set<string>();
  const fates = fc.array(fc.nat({ max: 1_000 }), { minLength: 30, maxLength: 200 });
  fc.assert(
    fc.property(fates, fc.constantFrom(...issueKinds), fc.boolean(), (numbers, kind, follows) => {
      const done = doneIn(new PaperBoard(fated(numbers), kind, {}, follows ? finished : null));
      for (const one of done) seen.add(one);
      expect(done.filter((one) => !listed.includes(one))).toEqual([]);
    }),
    { numRuns: 400, seed: 7 },
  );
  expect(listed.filter((one) => !seen.has(one))).toEqual([]);
});
