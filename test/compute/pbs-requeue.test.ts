import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { AttemptDirectory, attemptPath } from "../../packages/rigor/src/compute/attempt/attempt-directory.ts";
import type { Handle } from "../../packages/rigor/src/compute/executor.ts";
import { makeJob, untilExists } from "../../packages/rigor/src/compute/executors/executor.testing.ts";
import { SchedulerExecutor } from "../../packages/rigor/src/compute/executors/scheduler.ts";
import { CallLine } from "../../packages/rigor/src/compute/schedulers/call-line.ts";
import { PbsScheduler } from "../../packages/rigor/src/compute/schedulers/pbs.ts";
import { pbsCompute } from "../../packages/rigor/src/domain/files/compute-schema.ts";
import { LocalShell } from "../../packages/rigor/src/hosts/local-shell.ts";
import { type PbsCluster, startPbs } from "../clusters/pbs.ts";
import { PbsLogin } from "./pbs.testing.ts";

let cluster: PbsCluster;
let executor: SchedulerExecutor;
let folder: string;

beforeAll(async () => {
  cluster = await startPbs({ nodes: [{ name: "n1", ncpus: 8, ngpus: 0, mem: "64gb" }] });
});
afterAll(() => cluster.stop());
beforeEach(() => {
  folder = mkdtempSync(join(cluster.home, "rigor 'x' "));
  executor = new SchedulerExecutor({
    shell: new PbsLogin(new LocalShell(), cluster.environment()),
    scheduler: (shell) => new PbsScheduler(shell, pbsCompute.parse({ kind: "pbs" })),
    directory: join(folder, "there"),
    dataDirectory: join(folder, "data"),
    calls: new CallLine(6_000),
  });
});
afterEach(() => executor.close());

const directoryOf = ({ run, attempt }: Handle) =>
  new AttemptDirectory(join(folder, "there/attempts", attemptPath(run, attempt)));

test("a member of an array that PBS starts again goes on from its checkpoint, and was never lost [F16] [compute.requeue] [compute.restarts]", async () => {
  const command = `echo "from \${RIGOR_RESUME-nothing}"; mkdir -p "$RIGOR_OUTPUT/checkpoints"
    echo x >>"$RIGOR_OUTPUT/checkpoints/step"; while [ ! -e "$RIGOR_OUTPUT/end" ]; do sleep 0.1; done`;
  const handles = await executor.submit([makeJob(folder, command), makeJob(folder, command)]);
  const states = new Set<string>();
  const look = async () => {
    const all = [...(await executor.status(handles)).values()].map(({ state }) => state);
    for (const state of all) states.add(state);
    return all;
  };
  for (const handle of handles) await untilExists(join(directoryOf(handle).checkpoints, "step"), 30);
  const [first] = handles;
  if (first === undefined) throw new Error("nothing was submitted");
  await expect.poll(look).toEqual(["running", "running"]);
  await cluster.setScheduling(false);
  const { claim } = directoryOf(first);
  await cluster.requeue(readFileSync(claim, "utf8").trim());
  await expect.poll(look).toEqual(["waiting", "running"]);
  await cluster.setScheduling(true);
  const output = () => readFileSync(directoryOf(first).stdout, "utf8");
  await expect
    .poll(async () => [await look(), output()])
    .toEqual([["running", "running"], `from nothing\nfrom ${directoryOf(first).checkpoints}\n`]);
  for (const handle of handles) writeFileSync(join(directoryOf(handle).output, "end"), "");
  await expect.poll(look).toEqual(["ended", "ended"]);
  expect(states).toEqual(new Set(["waiting", "running", "ended"]));
  expect(handles.map((handle) => directoryOf(handle).readExit())).toMatchObject([
    { restarts: 1, resumed: true },
    { restarts: 0, resumed: false },
  ]);
});
