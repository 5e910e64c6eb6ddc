/** A result document from the command line: drafted, filled in, checked, rendered. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { experiment, rule, script, UserLab } from "./lab.ts";

let lab: UserLab;
const file = (name: string): string => join(lab.repository, name);

beforeAll(async () => {
  lab = new UserLab().init();
  lab.commit({
    "run.sh": script,
    "small.yaml": experiment({ code: ["run.sh"], seeds: { count: 4 }, decision: rule }),
  });
  await lab.rigor("run", "small.yaml");
});
afterAll(() => lab.close());

test("is drafted, refused until it is written, then rendered with its numbers [document.cli] [document.draft]", async () => {
  const drafted = await lab.rigor("document", "draft", "small", "-o", "small.md");
  expect(drafted.status, drafted.text).toBe(0);
  expect((await lab.rigor("document", "draft", "small", "-o", "small.md")).status).toBe(2);

  const unwritten = await lab.rigor("document", "check", "small.md");
  expect(unwritten.status).toBe(2);
  expect(unwritten.stdout).toMatch(/^small\.md:\d+:1: error: Still to be written: /m);
  const refused = await lab.rigor("document", "render", "small.md", "-o", "report");
  expect(refused.status).toBe(2);
  expect(refused.text).toContain("--draft renders it as it is");
  expect(existsSync(file("report"))).toBe(false);

  const written = readFileSync(file("small.md"), "utf8").replace(/^::write\[.*$/gm, "As planned.");
  writeFileSync(file("small.md"), written);
  const checked = await lab.rigor("document", "check", "small.md");
  expect(checked.text).toContain("0 errors");
  expect(checked.status).toBe(0);

  const rendered = await lab.json<{ files: string[]; hash: string }>("document", "render", "small.md", "-o", "report");
  expect(rendered.hash).toMatch(/^[0-9a-f]{64}$/);
  expect(rendered.files).toEqual(["document.md", "document.html", "figure-1.svg"].map((one) => file(`report/${one}`)));
  const { runs } = await lab.json<{ runs: { id: string }[] }>("list", "small");
  for (const name of ["document.md", "document.html"]) {
    const text = readFileSync(file(`report/${name}`), "utf8");
    for (const { id } of runs) expect(text).toContain(id.slice(0, 10));
  }
  expect(readFileSync(file("report/document.md"), "utf8")).toContain("(figure-1.svg)");
  expect(readFileSync(file("report/figure-1.svg"), "utf8")).toContain("</svg>");
});

test("that names an experiment that is not there, or none, is one clear error", async () => {
  writeFileSync(file("other.md"), "---\nexperiment: nobody@1\n---\n\n# Title\n");
  const other = await lab.rigor("document", "check", "other.md");
  expect(other.status).toBe(2);
  expect(other.stderr).toContain("nobody");
  writeFileSync(file("none.md"), "# Title\n");
  expect((await lab.rigor("document", "check", "none.md")).stderr).toContain("names no experiment");
  const missing = await lab.rigor("document", "check", "missing.md");
  expect([missing.status, missing.stderr]).toEqual([2, expect.stringContaining("missing.md cannot be read")]);
});
