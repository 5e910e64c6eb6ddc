import { afterAll, beforeAll, describe } from "vitest";
import { executorSuite } from "../../packages/rigor/src/compute/executors/executor.suite.ts";
import { SchedulerExecutor } from "../../packages/rigor/src/compute/executors/scheduler.ts";
import { CallLine } from "../../packages/rigor/src/compute/schedulers/call-line.ts";
import { PbsScheduler } from "../../packages/rigor/src/compute/schedulers/pbs.ts";
import { pbsCompute } from "../../packages/rigor/src/domain/files/compute-schema.ts";
import { LocalShell } from "../../packages/rigor/src/hosts/local-shell.ts";
import { type PbsCluster, startPbs } from "../clusters/pbs.ts";
import { PbsLogin } from "./pbs.testing.ts";

describe("a cluster", () => {
  let cluster: PbsCluster;
  beforeAll(async () => {
    cluster = await startPbs({ nodes: [{ name: "n1", ncpus: 8, ngpus: 0, mem: "64gb" }], kill_delay: 5 });
  });
  afterAll(() => cluster.stop());

  executorSuite(
    "PBS",
    (dataDirectory) =>
      new SchedulerExecutor({
        shell: new PbsLogin(new LocalShell(), cluster.environment()),
        scheduler: (shell) => new PbsScheduler(shell, pbsCompute.parse({ kind: "pbs" })),
        directory: `${dataDirectory} there`,
        dataDirectory,
        calls: new CallLine(6_000),
      }),
    { shared: () => cluster.home, patience: 40 },
  );
});
