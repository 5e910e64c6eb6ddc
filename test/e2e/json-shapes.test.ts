/** What `--json` prints, command by command. Programs rely on it: members are added, never renamed or removed. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonAnswers } from "../../scripts/json-answers.ts";
import { experiment, rule, script, UserLab } from "./lab.ts";

let lab: UserLab;
let id: string;

beforeAll(async () => {
  lab = new UserLab().init();
  lab.commit({
    "run.sh": script,
    "small.yaml": experiment({ code: ["run.sh"], seeds: { count: 4 }, decision: rule }),
    "other.yaml": experiment({ name: "other", code: ["run.sh"], run: "sh run.sh other" }),
  });
  await lab.rigor("run", "small.yaml");
  await lab.rigor("run", "other.yaml");
  id = (await lab.runs("small"))[0]?.id ?? "";
});
afterAll(() => lab.close());

/** Members of mappings with their kinds; lists by their first entry. Values of records with free names are kept out. */
function shape(value: unknown): unknown {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? [] : [shape(value[0])];
  if (typeof value !== "object") return typeof value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([name, member]) => [name, freeNames.has(name) ? "record" : shape(member)]),
  );
}
// The last two depend on how fast a run is: one that ends before it is looked at has no process on record.
const freeNames = new Set(["definition", "gpus", "found", "remedy", "process", "active"]);

test.each<[string, string[]]>([
  ["init", ["init", "."]],
  ["plan", ["plan", "small.yaml"]],
  ["run", ["run", "small.yaml"]],
  ["run --detach", ["run", "small.yaml", "--detach"]],
  ["status", ["status"]],
  ["list", ["list"]],
  ["list EXPERIMENT", ["list", "small"]],
  ["show EXPERIMENT", ["show", "small"]],
  ["show RUN", ["show", "RUN"]],
  ["results", ["results", "small"]],
  ["export", ["export", "small", "--format", "markdown"]],
  ["document draft", ["document", "draft", "small"]],
  ["rerun EXPERIMENT --failed", ["rerun", "other", "--failed"]],
  ["rerun --failed", ["rerun", "--failed"]],
  ["rerun --stale", ["rerun", "--stale"]],
  ["rerun RUN", ["rerun", "RUN"]],
  ["backup", ["backup", "copy.db"]],
  ["doctor", ["doctor"]],
  ["up", ["up"]],
  ["an error", ["show", "none"]],
  ["down", ["down"]],
])("%s [cli.commands]", async (name, words) => {
  const answer = await lab.json(...words.map((word) => (word === "RUN" ? id : word)));
  expect(shape(answer)).toMatchSnapshot();
  // Members that docs/json.md does not tell of are taken out by its schemas.
  expect(jsonAnswers[name === "rerun --stale" ? "rerun --failed" : name]?.parse(answer)).toEqual(answer);
  for (const file of ["copy.db", "experiments", "rigor.yaml"])
    rmSync(join(lab.repository, file), { recursive: true, force: true });
});

test("every command has help with examples [cli.commands]", async () => {
  const { stdout, status } = await lab.rigor("--help");
  expect(status).toBe(0);
  const names = [...stdout.matchAll(/^ {2}([a-z]+) .* {2,}\S/gm)]
    .map(([, name]) => name ?? "")
    .filter((name) => name !== "rigor");
  expect(names.length).toBeGreaterThanOrEqual(19);
  for (const name of names) {
    const help = await lab.rigor(name, "--help");
    expect(help.status, name).toBe(0);
    expect(help.stdout, name).toMatch(/Usage: rigor [^]*--json[^]*Examples:\n {2}\S.* {3}\S/);
  }
});
