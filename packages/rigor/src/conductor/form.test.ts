import { expect, test } from "vitest";
import { parse } from "yaml";
import { describeForm, formTemplate } from "./form.ts";

test("a form leaves nothing that is wrong as it stands where nothing has to be said [issue.human]", () => {
  const plan = parse(formTemplate("plan")) as Record<string, unknown>;
  expect(plan).toMatchObject({ parent: null, experiment_path: null, experiment_file: null, changes: [], answers: [] });
  expect(describeForm("plan")).toContain("- `parent` (string or null): ");
  const proposal = formTemplate("proposals");
  expect(proposal).toContain("GPU hours that it may use; 0 without GPUs (number)");
});

test("a form holds what is begun already, as it was [issue.human]", () => {
  const document = '---\nexperiment: tiny@1\n---\n\n# A "title": with a colon\n\n::write[What it means.]\n';
  const form = formTemplate("result", { document: { value: document } });
  expect(parse(form)).toEqual({ document, answers: [] });
  expect(form).toContain("  ::write[What it means.]\n");
});

test("a number that is not filled in is missing, and no text [issue.human]", () => {
  expect(formTemplate("plan")).toMatch(/^#   - concern:$/m);
});

test("an entry of a list is made by taking signs of comments away [issue.human]", () => {
  const form = formTemplate("plan");
  const [, after = ""] = form.split("changes: []\n");
  const [example = ""] = after.split("\n# Why this design");
  expect(parse(`changes:\n${example.replaceAll(/^# ?/gm, "")}`)).toEqual({
    changes: [{ variable: "", from: "", to: "", why: "" }],
  });
});

test("entries that must be filled in say what each is about [issue.human]", () => {
  const form = formTemplate("change", {
    answers: {
      value: [
        { concern: 3, answer: "", reason: "" },
        { concern: 7, answer: "", reason: "" },
      ],
      remarks: ["A blocker of the tester.\nIt fails.", "Another one."],
    },
  });
  expect(form).toContain("# A blocker of the tester.\n  # It fails.\n  - concern: 3\n");
  expect(parse(form)).toMatchObject({ answers: [{ concern: 3 }, { concern: 7 }] });
});
