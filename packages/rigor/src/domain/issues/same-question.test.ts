import { expect, test } from "vitest";
import { PaperBoard } from "./paper-board.testing.ts";
import type { IssueState } from "./issue-lifecycle.ts";
import type { IssueRecord } from "./records.ts";
import { askedAlready } from "./same-question.ts";

const asks = (
  state: IssueState,
  change: { variable: string; to: string } | null,
  title = "More seeds",
): IssueRecord => ({
  ...new PaperBoard().facts.issue,
  ...{ state, title, parent: "i1", change: change === null ? null : { from: "[0]", why: "?", ...change } },
});
const seven = { variable: "seeds", to: "[0, 1, 2]" };

test("what an issue asks already is not asked again by a person's follow-up [follow-up.again]", () => {
  const again = { parent: "i1", title: "Other words", change: { variable: "seeds", to: "[0,1,  2]" } };
  expect(askedAlready([asks("proposed", seven)], again)).not.toBeNull();
  expect(askedAlready([asks("done", seven)], again)).not.toBeNull();
  expect(askedAlready([asks("cancelled", seven)], again)).toBeNull();
  expect(askedAlready([asks("proposed", seven)], { ...again, parent: "i2" })).toBeNull();
  expect(askedAlready([asks("proposed", { ...seven, to: "[0, 1]" })], { ...again, title: "More seeds" })).toBeNull();
});

test("without a change a follow-up is known by its title, as long as that one is open [follow-up.again]", () => {
  const again = { parent: "i1", title: "more SEEDS?", change: null };
  expect(askedAlready([asks("running", seven)], again)).not.toBeNull();
  expect(askedAlready([asks("running", null)], { ...again, change: seven })).not.toBeNull();
  expect(askedAlready([asks("done", seven)], again)).toBeNull();
  expect(askedAlready([asks("running", seven, "Less noise")], again)).toBeNull();
});
