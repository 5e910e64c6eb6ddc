/** Code that runs share, and that one of them changes. */
import { afterAll, expect, test } from "vitest";
import { experiment, UserLab } from "./lab.ts";

const lab = new UserLab();
afterAll(() => lab.close());

/** For root the mode of a file does not count; another user makes it writable first. */
const run = `set -eu
if [ "$RIGOR_ARM" = writes ]; then chmod u+w . lib lib/value; echo 9 >lib/value; fi
printf '{"metrics": {"loss": %s.%s1}}' "$(cat lib/value)" "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
`;

test("a run that changes its code is invalid, and what starts after it has the code of the commit [provenance.checkout-changed]", async () => {
  lab.init();
  lab.write({
    "run.sh": run,
    "lib/value": "3\n",
    "writes.yaml": experiment({
      name: "writes",
      arms: { writes: {} },
      seeds: [1],
      run: "sh run.sh",
      code: ["run.sh", "lib"],
    }),
    "reads.yaml": experiment({ name: "reads", arms: { reads: {} }, run: "sh run.sh", code: ["run.sh", "lib"] }),
  });
  const answer = await lab.rigor("run", "writes.yaml");
  const [written] = await lab.runs("writes");
  expect(written, answer.text).toMatchObject({ state: "invalid", reason: { code: "code-unchanged" } });
  expect(answer.text).toContain("The checkout of the commit was written to by this run");
  expect(written?.reason?.message).toContain("lib/value");
  expect(answer.status).toBe(1);

  const after = await lab.rigor("run", "reads.yaml");
  expect(after.status, after.text).toBe(0);
  const losses = (await lab.runs("reads")).map(({ metrics }) => metrics?.["loss"]);
  expect(losses.toSorted((a = 0, b = 0) => a - b)).toEqual([3.01, 3.11, 3.21]);
});
