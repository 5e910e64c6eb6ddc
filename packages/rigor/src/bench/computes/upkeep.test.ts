import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AttemptDirectory } from "../../compute/attempt/attempt-directory.ts";
import type { Staged } from "../../provenance/staging/stager.ts";
import { jobOf } from "../attempts/job.ts";
import { LiveAttempts } from "../attempts/live-attempts.ts";
import { LocalStager } from "../../provenance/staging/local-stager.ts";
import { TestBench } from "../bench.testing.ts";
import { Preparation } from "./preparation.ts";
import { Upkeep } from "./upkeep.ts";

/** A bench whose machine can be prepared, and on which everything can be made old. */
async function openBench() {
  const bench = await TestBench.open((data) => new LocalStager(data));
  const { lab } = bench;
  const preparation = new Preparation(lab);
  const { here } = lab.lanes;
  const prepare = async (id: string): Promise<Staged> => {
    const experiment = await bench.experiment(id);
    await new Promise<void>((done) => preparation.begin(experiment, here, done));
    const staged = preparation.get(id, here.id);
    if (staged === undefined) throw preparation.failure(id, here.id) ?? new Error(`${id} is not prepared`);
    return staged;
  };
  const makeAllOld = () => {
    const used = join(lab.data.root, "used");
    const longAgo = Math.floor(Date.now() / 1_000) - 40 * 86_400;
    for (const name of readdirSync(used)) writeFileSync(join(used, name), `${longAgo}\n`);
  };
  return { bench, lab, here, preparation, prepare, makeAllOld };
}

test("what only ended experiments used goes after its time, and what others use stays [staging.clean-up]", async () => {
  const { bench, lab, here, preparation, prepare, makeAllOld } = await openBench();
  const { experiment_id: running } = await bench.start({ name: "running" });
  const { directory: kept } = await prepare(running);
  bench.write({ "run.sh": "echo other\n" });
  const { experiment_id: ended } = await bench.start({ name: "ended" });
  const { directory: unused } = await prepare(ended);
  makeAllOld();

  await new Upkeep(lab, preparation).cleanUp(here, new Set([running]), { in_use: [], inputs_in_use: [] });
  expect([existsSync(kept), existsSync(unused)]).toEqual([true, false]);
  expect(preparation.get(ended, here.id)).toBeUndefined();
  expect((await prepare(ended)).directory).toBe(unused);
  expect(existsSync(unused)).toBe(true);
});

test("what a job under way uses stays, also where nothing else starts there any more [staging.clean-up]", async () => {
  const { bench, lab, here, preparation, prepare, makeAllOld } = await openBench();
  bench.write({ "data.txt": "1\n" });
  const { experiment_id: id } = await bench.start({ inputs: { data: { path: "data.txt" } } });
  const prepared = await prepare(id);
  const [run] = await bench.runs(id);
  if (run === undefined) throw new Error("no run");
  const attempt = { id: await bench.begin(run), number: 1, lease: { cpus: 1, memory: 0, gpus: [] } };
  const experiment = await bench.experiment(id);
  const directory = AttemptDirectory.in(lab.data.root, run.id, attempt.id);
  const attemptsRoot = join(lab.data.root, "attempts");
  directory.create();
  const job = jobOf({ experiment, run, attempt, prepared, given: {}, attemptsRoot, resume: null, lane: here });
  writeFileSync(directory.spec, JSON.stringify(job));
  await bench.db.updateTable("attempts").set({ directory: directory.path }).execute();
  // As in a daemon that was started when the experiment was held, or after somebody wrote into the checkout.
  const nothingReady = new Preparation(lab);
  const attempts = new LiveAttempts(lab, preparation, () => undefined);
  await attempts.adopt(() => true);
  const cleanUp = (in_use: string[]) =>
    new Upkeep(lab, nothingReady).cleanUp(here, new Set([id]), { in_use, inputs_in_use: [] });
  const used = [prepared.directory, ...Object.values(prepared.inputs)];
  makeAllOld();
  await cleanUp(attempts.stagedFor(here));
  expect(used.map(existsSync)).toEqual([true, true]);
  makeAllOld();
  await cleanUp([]);
  expect(used.map(existsSync), "nobody uses them").toEqual([false, false]);
});
