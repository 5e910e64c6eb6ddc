import { expect, test } from "vitest";
import { z } from "zod";
import { submissionSchemas } from "../issues/submissions.ts";
import { read } from "./explain.ts";

const problems = (schema: z.ZodType, value: unknown): string[] => {
  const found = read(schema, value);
  return "problems" in found ? found.problems : [];
};

test("what is handed in as something else is told in words for people [errors.words]", () => {
  const { review, clarification } = submissionSchemas;
  expect(problems(review, "approve")).toEqual(["found text `approve`, expected a mapping (`key: value`)"]);
  expect(problems(review, { verdict: "aprove", summary: "", concerns: [], setled: [] })).toEqual([
    "verdict: found text `aprove`, expected one of `approve`, `revise`; did you mean `approve`?",
    "summary: found empty text",
    "the key `settled` is missing; expected a list",
    "the key `setled` is unknown; did you mean `settled`? (allowed: verdict, summary, concerns, settled)",
  ]);
  const questions = [{ question: "Which?", why: 3, proposed_answer: "One.", blocking: "no" }];
  expect(problems(clarification, { understanding: "Clear.", questions, assumptions: null, related: [] })).toEqual([
    "questions[0].why: found number `3`, expected text; put it in quotes",
    "questions[0].blocking: found text `no`, expected `true` or `false`",
    "assumptions: found nothing, expected a list",
  ]);
});

test("no kind of issue is told in the schema library's own words [errors.words]", () => {
  const wrong: [z.ZodType, unknown][] = [
    [z.union([z.string(), z.boolean()]), 3],
    [z.enum(["a"]), 3],
    [z.literal("a"), "b"],
    [z.url(), "here"],
    [z.iso.datetime(), "today"],
    [z.string().regex(/^a$/), "b"],
    [z.record(z.string().regex(/^a$/), z.string()), { b: "c" }],
    [z.int().positive(), 1.5],
    [z.number().max(3), 4],
    [z.array(z.string()).max(1), ["a", "b"]],
    [z.tuple([z.number()]), ["a"]],
    [z.strictObject({}), { a: 1 }],
    [z.discriminatedUnion("kind", [z.object({ kind: z.literal("a") })]), { kind: "b" }],
  ];
  for (const [schema, value] of wrong) {
    const told = problems(schema, value).join("; ");
    expect(told).not.toBe("");
    expect(told).not.toMatch(/Invalid|expected string|Too |Unrecognized|undefined|received/);
  }
});
