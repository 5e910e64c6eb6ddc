/** Code that runs share, and that one of them changes. */
import { afterAll, expect, test } from "vitest";
import { experiment, until, UserLab } from "./lab.ts";

const lab = new UserLab();
afterAll(() => lab.close());

/** For root the mode of a file does not count; another user makes it writable first. */
const script = `set -eu
if [ "$RIGOR_ARM" = writes ]; then chmod u+w . lib; echo 9 >"$RIGOR_OUTPUT/new"; mv "$RIGOR_OUTPUT/new" lib/value; fi
printf '{"metrics": {"loss": %s.%s1}}' "$(cat lib/value)" "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
`;

test("a run that changes its code is invalid, and what starts after it has the code of the commit [provenance.checkout-changed]", async () => {
  lab.init();
  lab.write({
    "run.sh": script,
    "lib/value": "3\n",
    "writes.yaml": experiment({
      name: "writes",
      arms: { writes: {} },
      seeds: { count: 30 },
      run: "sh run.sh",
      code: ["run.sh", "lib"],
    }),
    "reads.yaml": experiment({ name: "reads", arms: { reads: {} }, run: "sh run.sh", code: ["run.sh", "lib"] }),
  });
  const answer = await lab.rigor("run", "writes.yaml");
  expect(answer.status, answer.text).toBe(1);
  expect(answer.text).toContain("changed the code that runs share");
  // What was under way when the first one ended still ends; nothing else starts.
  await until("the others to end", async () => (await lab.runs("--active")).length === 0);
  const tried = (await lab.runs("writes")).filter(({ state }) => state !== "pending");
  expect(tried.length).toBeLessThan(30);
  for (const one of tried) {
    expect(one).toMatchObject({ state: "invalid", reason: { code: "code-unchanged" } });
    expect(one.reason?.message).toContain("lib/value");
  }

  const again = { name: "again", arms: { writes: {} }, seeds: { count: 1 }, run: "sh run.sh", code: ["run.sh", "lib"] };
  lab.write({ "again.yaml": experiment(again) });
  const shared = await lab.rigor("run", "again.yaml");
  expect(shared.status, shared.text).toBe(1);
  expect(
    (await lab.runs("again")).map(({ state }) => state),
    "no check brings them back",
  ).toEqual(["invalid"]);

  const after = await lab.rigor("run", "reads.yaml");
  expect(after.status, after.text).toBe(0);
  const losses = (await lab.runs("reads")).map(({ metrics }) => metrics?.["loss"]);
  expect(losses.toSorted((a = 0, b = 0) => a - b)).toEqual([3.01, 3.11, 3.21]);
});

test("a run that adds a file to its checkout is told of it, and its result counts [provenance.checkout-changed]", async () => {
  const result = `printf '{"metrics": {"loss": 1.%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"`;
  lab.write({
    "adds.yaml": experiment({
      name: "adds",
      arms: { one: {} },
      seeds: [1],
      run: ["sh", "-c", `chmod u+w lib; date >lib/cache; ${result}`],
    }),
  });
  const answer = await lab.rigor("run", "adds.yaml");
  expect(answer.status, answer.text).toBe(0);
  const [run] = await lab.runs("adds");
  const { stdout } = await lab.rigor("show", run?.id ?? "");
  expect(stdout).toContain("added files to the checkout that runs share: lib/cache.");
});
