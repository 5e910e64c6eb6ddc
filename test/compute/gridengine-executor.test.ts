import { afterAll, beforeAll, describe } from "vitest";
import { executorSuite } from "../../packages/rigor/src/compute/executors/executor.suite.ts";
import { SchedulerExecutor } from "../../packages/rigor/src/compute/executors/scheduler.ts";
import { CallLine } from "../../packages/rigor/src/compute/schedulers/call-line.ts";
import { CommandScheduler } from "../../packages/rigor/src/compute/schedulers/command.ts";
import { LocalShell } from "../../packages/rigor/src/hosts/local-shell.ts";
import { type GridEngineCluster, gridEngineMissing, startGridEngine } from "../clusters/gridengine.ts";
import { documented } from "./command.testing.ts";

describe.skipIf(gridEngineMissing() !== null)("a cluster that is described by commands", () => {
  let cluster: GridEngineCluster;
  beforeAll(async () => {
    cluster = await startGridEngine();
  });
  afterAll(() => cluster.stop());

  executorSuite(
    "Grid Engine",
    (dataDirectory) => {
      const settings = documented("gridengine", { "/opt/sge/default/common/settings.sh": cluster.settings });
      const workdir = `${dataDirectory} there`;
      return new SchedulerExecutor({
        shell: new LocalShell(),
        scheduler: (shell) => new CommandScheduler(shell, { ...settings, workdir }),
        directory: workdir,
        dataDirectory,
        calls: new CallLine(6_000),
      });
    },
    { shared: () => cluster.scratch, patience: 40, kills: true },
  );
});
