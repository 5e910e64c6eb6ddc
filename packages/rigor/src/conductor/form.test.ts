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
  const form = formTemplate("result", { document });
  expect(parse(form)).toEqual({ document, answers: [] });
  expect(form).toContain("  ::write[What it means.]\n");
});
