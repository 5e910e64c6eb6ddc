/** A smoke run that its machine, or a person, keeps from ending well. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import type { IssueView } from "../../packages/rigor/src/api/contract/views/issues.ts";
import { UserLab } from "../e2e/lab.ts";
import { built, Persons } from "./persons.ts";
import { design, plan, tinyWork, training } from "./tiny-issue.ts";

let lab: UserLab;
let persons: Persons;
const fullDisk = (): string => join(lab.directory, "the-disk-is-full");

/** Writes to a disk that is full, as long as the test wants it to be. */
const code = () =>
  training
    .replace("{ readFileSync,", "{ existsSync, readFileSync,")
    .replace(
      "writeFileSync(process.env",
      `if (existsSync(${JSON.stringify(fullDisk())})) writeFileSync("/dev/full", "x");\nwriteFileSync(process.env`,
    );

const smokes = ({ checks }: IssueView) => checks.filter(({ name }) => name === "smoke");
const openGate = ({ gates }: IssueView) => gates.find(({ name, state }) => name === "check-failed" && state === "open");

beforeAll(() => {
  lab = new UserLab().init();
  lab.commit({ "rigor.yaml": "agents: { backend: human }\n", "README.md": "# A repository of somebody\n" });
  const patient = { ...design, retry: { infrastructure: 1 } };
  persons = new Persons(
    lab,
    {
      planner: () => ({ ...plan, experiment_file: stringify(patient) }),
      implementer: (detail) => built(detail, { ...tinyWork, code: code() }),
    },
    ({ name, number }) => (name === "check-failed" ? null : ["approve", String(number)]),
  );
});
afterAll(() => lab.close());

describe("a smoke run that fails without fault of its code [check.fault]", () => {
  const asked = async (after: number) => {
    const story = await persons.workUntil("the gate", (one) => (openGate(one)?.number ?? 0) > after);
    return { story, gate: openGate(story) };
  };

  test(
    "is tried again, and then a person is asked; it is no finding and costs no round",
    { timeout: 900_000 },
    async () => {
      lab.write({ "../the-disk-is-full": "" });
      expect((await lab.rigor("issue", "new", "Does the larger step learn faster?")).status).toBe(0);
      const { story, gate } = await asked(0);
      expect(gate?.why).toMatch(
        /The smoke run of small \(run \w+\) is failed on local after 2 tries \(disk-full\): .*no space left on device/i,
      );
      expect(gate?.why).toContain("Nothing shows that the code is wrong.");
      expect(story.concerns).toEqual([]);
      expect(smokes(story)).toMatchObject([{ passed: false, fault: true }]);
      expect(story.sessions.filter(({ role }) => role === "implementer")).toHaveLength(1);
      expect(story.sessions.filter(({ role }) => role === "tester")).toEqual([]);
    },
  );

  test("is run again when the person says so, as often as it takes", { timeout: 900_000 }, async () => {
    const { gate: first } = await asked(0);
    expect((await lab.rigor("answer", String(first?.number), "retry")).status).toBe(0);
    const { gate: second } = await asked(first?.number ?? 0);
    expect(second?.why).toContain("disk-full");
    rmSync(fullDisk());
    expect((await lab.rigor("answer", String(second?.number), "retry")).status).toBe(0);
    const story = await persons.workUntil("its run", ({ issue }) => issue.state === "running");
    expect(smokes(story)).toMatchObject([{ passed: true, fault: false }]);
    expect(story.submissions.filter(({ kind }) => kind === "change")).toHaveLength(1);
  });
});
