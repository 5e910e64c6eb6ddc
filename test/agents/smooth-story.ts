import { expect } from "vitest";
import type { IssueView } from "../../packages/rigor/src/api/contract/views/issues.ts";

/** What must have happened once, however often it was begun. */
const smoothStory = [
  "clarification 1 by clarifier",
  "plan 1 by planner",
  "review 1 by alternatives-critic",
  "review 1 by methodology-critic",
  "review 1 by statistics-critic",
  "change 1 by implementer",
  "review 1 by code-reviewer",
  "review 1 by tester",
  "result 1 by analyzer",
  "review 1 by interpretation-critic",
  "proposals 1 by follow-up-proposer",
].toSorted();

function submitted({ submissions }: IssueView): string[] {
  const counts = new Map<string, number>();
  for (const { kind, role } of submissions) counts.set(`${kind} ${role}`, (counts.get(`${kind} ${role}`) ?? 0) + 1);
  return [...counts].map(([name, count]) => name.replace(" ", ` ${count} by `)).toSorted();
}

/** Every step of the small issue was done once, and it is done. */
export function expectSmoothStory(story: IssueView): void {
  expectSmoothWork(story, "tiny@1");
  expect(story.gates).toHaveLength(2);
}

/** The same, where persons may have been asked about sessions and runs that failed. */
export function expectSmoothWork(story: IssueView, experiment: string): void {
  expect(story.issue.state).toBe("done");
  expect(submitted(story)).toEqual(smoothStory);
  const decisions = story.gates.filter(({ choice }) => choice !== "retry").map(({ name, choice }) => [name, choice]);
  expect(decisions).toEqual([
    ["plan-approval", "approve"],
    ["promotion", "approve"],
  ]);
  expect(story.experiment).toBe(experiment);
  const moves = story.timeline.filter(({ kind }) => kind === "issue.moved");
  expect(moves).toHaveLength(12);
}
