/** Runs that need other runs, by the command line. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { experiment, until, UserLab, type Run } from "./lab.ts";

/** `pretrain` writes a model, `probe` reads it: its loss tells which model it was. */
const program = `set -eu
case $RIGOR_ARM in
pretrain)
  mkdir -p "$RIGOR_OUTPUT/model"
  echo "model of seed $RIGOR_SEED" >"$RIGOR_OUTPUT/model/weights.txt"
  loss=5.\${RIGOR_SEED}1
  ;;
*)
  cat "$RIGOR_NEEDS/pretrain/model/weights.txt"
  ls "$RIGOR_NEEDS/pretrain" "$1"
  loss=3.\${RIGOR_SEED}7
  ;;
esac
printf '{"metrics": {"loss": %s}}' "$loss" >"$RIGOR_OUTPUT/result.json"
`;

const needing = {
  arms: {
    probe: { role: "ours", needs: ["pretrain"], artifacts: [] },
    pretrain: { role: "baseline" },
  },
  code: ["run.sh"],
  outputs: { artifacts: ["model"] },
  run: "sh run.sh {needs.pretrain}",
};

interface Shown {
  attempt_list: { directory: string }[];
}

let lab: UserLab;

beforeAll(() => {
  lab = new UserLab("repository with spaces").init();
  lab.commit({ "run.sh": program });
});

afterAll(() => lab.close());

async function logOf(run: Run): Promise<string> {
  const [attempt] = (await lab.json<Shown>("show", run.id)).attempt_list;
  return readFileSync(join(attempt?.directory ?? "", "stdout.log"), "utf8");
}

test("a run starts when the run that it needs is done, and finds its outputs [needs.order] [F23]", async () => {
  lab.write({ "experiment.yaml": experiment({ ...needing, name: "chain" }) });
  const answer = await lab.rigor("run", "experiment.yaml");
  expect(answer.text).toContain("6 done");
  expect(answer.status).toBe(0);
  const probes = await lab.runs("chain", "--arm", "probe");
  expect(probes).toHaveLength(3);
  for (const probe of probes) {
    const log = await logOf(probe);
    expect(log).toContain(`model of seed ${probe.seed}`);
    // Nothing but what is declared, under the variable and under the placeholder alike.
    expect(log.match(/^model$/gm)).toHaveLength(2);
    expect(log.match(/^result\.json$/gm)).toHaveLength(2);
  }
});

test("the manifest of a run names what it was given by its hash [needs.order] [F59]", async () => {
  const [probe] = await lab.runs("chain", "--arm", "probe");
  const pretrain = (await lab.runs("chain", "--arm", "pretrain")).find(({ seed }) => seed === probe?.seed);
  const [attempt] = (await lab.json<Shown>("show", probe?.id ?? "")).attempt_list;
  const manifest = JSON.parse(readFileSync(join(attempt?.directory ?? "", "manifest.json"), "utf8")) as {
    needs: Record<string, { run_id: string; sha256: string; files: { path: string }[] }>;
  };
  expect(manifest.needs["pretrain"]?.run_id).toBe(pretrain?.id);
  expect(manifest.needs["pretrain"]?.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(manifest.needs["pretrain"]?.files.map(({ path }) => path)).toEqual(["model/weights.txt", "result.json"]);
});

test("a run shows what it needs and what needs it; a plan, which runs wait for which [needs.order]", async () => {
  const [probe] = await lab.runs("chain", "--arm", "probe");
  expect((await lab.rigor("show", probe?.id ?? "")).stdout).toMatch(
    /needs +pretrain: run [0-9a-f]{10} of chain@1, pretrain, seed \d: done \(sha256 [0-9a-f]{10}\)/,
  );
  const [pretrain] = await lab.runs("chain", "--arm", "pretrain");
  expect((await lab.rigor("show", pretrain?.id ?? "")).stdout).toMatch(
    /needed by +pretrain: run [0-9a-f]{10} of chain@1, probe/,
  );
  lab.write({ "more.yaml": experiment({ ...needing, name: "chain", seeds: [0, 1, 2, 3] }) });
  expect((await lab.rigor("plan", "more.yaml")).stdout).toMatch(/needs +probe waits for pretrain: 4 runs, 3 ready/);
});

test("a run that was changed by hand after its end is not given to another, which says so [needs.hosts] [F23]", async () => {
  lab.write({
    "changed.yaml": experiment({ ...needing, name: "changed", seeds: [7], arms: { pretrain: {} }, run: "sh run.sh" }),
  });
  expect((await lab.rigor("run", "changed.yaml")).status).toBe(0);
  const [pretrain] = await lab.runs("changed");
  const [attempt] = (await lab.json<Shown>("show", pretrain?.id ?? "")).attempt_list;
  writeFileSync(join(attempt?.directory ?? "", "output/model/weights.txt"), "something else\n");
  lab.write({
    "reader.yaml": experiment({
      ...needing,
      name: "reader",
      seeds: [7],
      arms: { probe: { needs: [{ from: "changed/pretrain", as: "pretrain" }], artifacts: [] } },
      run: "sh run.sh {needs.pretrain}",
    }),
  });
  const answer = await lab.rigor("run", "reader.yaml");
  expect(answer.status).toBe(1);
  const [probe] = await lab.runs("reader");
  expect(probe).toMatchObject({ state: "failed", attempts: 1, reason: { code: "need-missing" } });
  expect(probe?.reason?.message).toMatch(/no longer what was recorded. Run it again: rigor rerun [0-9a-f]{10}/);
  // The remedy brings both back.
  expect((await lab.rigor("rerun", pretrain?.id ?? "")).text).not.toContain("error");
  await until("reader is decided", async () => (await lab.runs("reader"))[0]?.state === "done");
});

test("a file that is declared after its run was done is never missing in silence: both runs are made anew [needs.kept] [F23]", async () => {
  const late = (artifacts: string[]) =>
    experiment({
      name: "late",
      arms: { pretrain: { artifacts }, probe: { needs: ["pretrain"], artifacts: [] } },
      seeds: [1],
      code: ["late.sh"],
      run: "sh late.sh",
    });
  lab.write({
    "late.sh": `set -eu
case $RIGOR_ARM in
pretrain) echo weights >"$RIGOR_OUTPUT/model.txt"; echo "words of $RIGOR_SEED" >"$RIGOR_OUTPUT/words.txt" ;;
*) cat "$RIGOR_NEEDS/pretrain/words.txt" ;;
esac
echo '{"metrics": {"loss": 2.5}}' >"$RIGOR_OUTPUT/result.json"
`,
    "late.yaml": late(["model.txt"]),
  });
  expect((await lab.rigor("run", "late.yaml")).status).toBe(1);
  const [before] = await lab.runs("late", "--arm", "pretrain");
  const [failed] = await lab.runs("late", "--arm", "probe");
  expect(failed).toMatchObject({ state: "failed", reason: { code: "missing-file" } });
  lab.write({ "late.yaml": late(["model.txt", "words.txt"]) });
  const plan = await lab.rigor("plan", "late.yaml");
  expect(plan.stdout).toMatch(/2 to do/);
  expect(plan.stdout).toMatch(/the plan and what runs keep \(`artifacts`\) changed since late@1/);
  expect((await lab.rigor("run", "late.yaml")).text).toContain("2 done");
  const [after] = await lab.runs("late", "--arm", "pretrain");
  expect(after?.id).not.toBe(before?.id);
  const [probe] = await lab.runs("late", "--arm", "probe");
  expect(await logOf(probe as Run)).toBe("words of 1\n");
  // What was made before is still there.
  expect(await lab.runs("late@1", "--arm", "pretrain")).toMatchObject([{ id: before?.id, state: "done" }]);
});

test("runs of another experiment are needed by name, waited for, and recorded by version [needs.others] [F23]", async () => {
  lab.write({
    "pretraining.yaml": experiment({
      name: "pretraining",
      arms: { small: {}, "large model": {} },
      seeds: [1, 2],
      outputs: { artifacts: ["model.txt"] },
      run: 'while [ ! -e "$GATE" ]; do sleep 0.1; done; echo "$RIGOR_ARM $RIGOR_SEED" >"$RIGOR_OUTPUT/model.txt"; echo "{\\"metrics\\":{\\"loss\\":1.$RIGOR_SEED}}" >"$RIGOR_OUTPUT/result.json"',
      environment: { variables: { GATE: join(lab.directory, "gate") } },
    }),
    "evaluation.yaml": experiment({
      name: "evaluation",
      needs: ["pretraining"],
      arms: { probe: { needs: [{ from: "pretraining/small", as: "teacher", seed: 1 }] } },
      seeds: [1, 2],
      run: 'cat {needs.pretraining}/*/model.txt "$RIGOR_NEEDS/teacher/model.txt" && echo "{\\"metrics\\":{\\"loss\\":2.$RIGOR_SEED}}" >{output}/result.json',
    }),
  });
  const early = await lab.rigor("plan", "evaluation.yaml");
  expect(early.text).toMatch(/evaluation\.yaml:\d+:\d+: needs\[0\]: there is no experiment `pretraining` in this lab/);
  await lab.rigor("run", "--detach", "pretraining.yaml");
  await lab.rigor("run", "--detach", "evaluation.yaml");
  const listed = await lab.rigor("list", "evaluation");
  expect(listed.stdout).toMatch(/waits for pretraining\/large model \(run [0-9a-f]{10}, (active|pending)\)/);
  expect((await lab.rigor("status")).stdout).toContain("2 waiting for pretraining@1 (running)");
  // Whoever restarts the daemon in between changes nothing.
  await lab.rigor("down");
  writeFileSync(join(lab.directory, "gate"), "");
  await lab.rigor("up");
  await until("evaluation is done", async () => (await lab.runs("evaluation")).every(({ state }) => state === "done"));
  const probe = (await lab.runs("evaluation")).find(({ seed }) => seed === 2);
  if (probe === undefined) throw new Error("there is no run with seed 2");
  expect(await logOf(probe)).toBe("large model 2\nsmall 2\nsmall 1\n");
});

test("a plan tells at line and column which needs cannot be met, and what to write [needs.file]", async () => {
  const problem = async (changes: Record<string, unknown>): Promise<string> => {
    lab.write({ "bad.yaml": experiment({ ...needing, run: "sh run.sh", name: "bad", ...changes }) });
    const answer = await lab.rigor("plan", "bad.yaml");
    expect(answer.status).toBe(2);
    return answer.stderr;
  };
  const probe = (needs: unknown) => ({ arms: { probe: { needs: [needs] }, pretrain: {} } });
  expect(await problem(probe("pretrian"))).toMatch(
    /bad\.yaml:\d+:\d+: arms\.probe\.needs\[0\]: there is no arm `pretrian`; did you mean `pretrain`\?/,
  );
  expect(await problem(probe("chain/pretrian"))).toMatch(
    /chain@1 has no run of an arm `pretrian`; did you mean `pretrain`\?/,
  );
  expect(await problem(probe("chian/pretrain"))).toMatch(
    /there is no experiment `chian` in this lab; did you mean `chain`\?/,
  );
  expect(await problem(probe("chain@9/pretrain"))).toMatch(/there is no chain@9; the newest version is chain@1/);
  expect(await problem({ ...probe("chain/pretrain"), seeds: [8] })).toMatch(
    /has no run with the seed 8 .* `\{ from: chain\/pretrain, seed: 0 \}`/,
  );
  expect(await problem({ ...probe("chain/pretrain"), tasks: { other: {} } })).toMatch(
    /has no run on the task `other` .*`\{ from: chain\/pretrain, task: only \}`/,
  );
});
