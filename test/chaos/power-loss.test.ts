import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { eventually, experimentFile, TestLab } from "./lab.ts";
import { killIfThere } from "./processes.ts";
import { whatIsRecorded } from "./victims.ts";

const countOfRuns = 12;

/** Each run says that it begins and that it has ended. After the first ones, they wait until they may go on. */
const script = `
echo "start $RIGOR_RUN_ID" >>"$1"
until [ "$(grep -c end "$1")" -lt 2 ] || [ -e "$1-go" ]; do sleep 0.1; done
sleep 0.4
printf '{"metrics":{"loss":1.%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
echo "end $RIGOR_RUN_ID" >>"$1"
`;

test("a machine that loses power, and the last moments of the log with it, repeats only what had not ended [store.durable]", async () => {
  const lab = new TestLab();
  onTestFinished(() => lab.remove());
  const journal = join(lab.directory, "journal");
  lab.commit({
    "run.sh": script,
    "rigor.yaml": "compute:\n  local: { kind: local, cpus: 2 }\n",
    "experiment.yaml": experimentFile({ seeds: { count: countOfRuns / 2 }, run: ["sh", "run.sh", journal] }),
  });
  writeFileSync(journal, "");
  const said = (): string[] => readFileSync(journal, "utf8").trimEnd().split("\n");
  const ended = () => lab.look<{ id: string }>("select run_id as id from attempts where state = 'succeeded'");

  expect(await lab.cli("run", "experiment.yaml", "--detach")).toMatchObject({ status: 0 });
  await eventually("two ended runs", () => ended().length >= 2);
  const remembered = join(lab.directory, "remembered");
  expect(await lab.cli("backup", remembered)).toMatchObject({ status: 0 });
  const before = ended().length;
  writeFileSync(`${journal}-go`, "");
  await eventually("more of them", () => ended().length >= before + 4);
  const lost = ended();

  // The daemon first: it would conclude something of what happens to the others.
  killIfThere(lab.daemonFile()?.pid);
  await eventually("an end of all processes", () => {
    for (const { pid } of lab.processes()) killIfThere(pid);
    return lab.processes().length === 0;
  });
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${lab.database}${suffix}`, { force: true });
  copyFileSync(remembered, lab.database);
  const saidBefore = said();

  const answer = await lab.cli("run", "experiment.yaml");
  expect(answer, answer.stdout + answer.stderr).toMatchObject({ status: 0 });
  expect(await lab.cli("down")).toMatchObject({ status: 0 });
  const { runs, differences } = await whatIsRecorded(lab);
  expect(runs.map(({ state }) => state)).toEqual(Array.from({ length: countOfRuns }, () => "done"));
  expect(differences).toEqual([]);
  const startsOf = ({ id }: { id: string }, lines: readonly string[]) => lines.filter((one) => one === `start ${id}`);
  for (const run of lost) expect(startsOf(run, said()), `${run.id} had ended`).toEqual(startsOf(run, saidBefore));
});
