import { expect, test } from "vitest";
import type { Entry, TranscriptRecord } from "./entry.ts";
import { refusedHandIn } from "./refused-hand-in.ts";

const told = (...entries: Entry[]): TranscriptRecord[] =>
  entries.map((entry) => ({ time: "2026-01-01T00:00:00.000Z", source: null, entry }));
const tried = (id: string, tool = "lab.submit_review"): Entry => ({ kind: "tool-call", id, tool, input: {} });
const answered = (id: string, text: string, error: boolean): Entry => ({ kind: "tool-result", id, text, error });

test("the last hand-in that was refused is found by its answer [session.hand-in]", () => {
  const first = [tried("1"), answered("1", "The review was not taken: 1 problem.", true)];
  const second = [tried("2"), answered("2", "The review was not taken: 2 problems.\n", true)];
  expect(refusedHandIn(told(...first))).toBe("The review was not taken: 1 problem.");
  expect(refusedHandIn(told(...first, ...second))).toBe("The review was not taken: 2 problems.");
  expect(refusedHandIn(told(...first, tried("3"), answered("3", "The review was taken.", false)))).toBeNull();
  // Other tools, and a try that nothing answered.
  expect(refusedHandIn(told(tried("4", "lab.search_lab"), answered("4", "Nothing.", true)))).toBeNull();
  expect(refusedHandIn(told(tried("5")))).toBeNull();
});
