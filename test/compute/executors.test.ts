import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { executorSuite } from "../../packages/rigor/src/compute/executors/executor.suite.ts";
import { SchedulerExecutor } from "../../packages/rigor/src/compute/executors/scheduler.ts";
import { SshExecutor } from "../../packages/rigor/src/compute/executors/ssh.ts";
import { SlurmScheduler } from "../../packages/rigor/src/compute/schedulers/slurm.ts";
import { slurmCompute } from "../../packages/rigor/src/domain/files/compute-schema.ts";
import { LocalShell } from "../../packages/rigor/src/hosts/local-shell.ts";
import { SshShell } from "../../packages/rigor/src/hosts/ssh-shell.ts";
import { type SlurmCluster, slurmMissing, startSlurm } from "../clusters/slurm.ts";
import { busyboxShell, type SshLab, sshMissing, startSshHosts } from "../clusters/ssh.ts";
import { Login } from "./slurm.testing.ts";

describe.skipIf(sshMissing() !== null)("hosts", () => {
  let lab: SshLab;
  let shared: string;

  beforeAll(async () => {
    shared = mkdtempSync(join(tmpdir(), "rigor-executors-"));
    lab = await startSshHosts({
      plain: { shared: [shared] },
      busybox: { shell: busyboxShell, shared: [shared] },
    });
  });

  afterAll(async () => {
    await lab.stop();
    rmSync(shared, { recursive: true });
  });

  for (const name of ["plain", "busybox"]) {
    const make = (dataDirectory: string) => {
      const shell = new SshShell({ host: name, config: lab.config });
      return new SshExecutor({ shell, directory: `${dataDirectory} there`, dataDirectory, excludedGpus: [] });
    };
    executorSuite(`ssh to a host that is ${name}`, make, { shared: () => shared });
  }
});

describe.skipIf(slurmMissing() !== null)("a cluster", () => {
  let cluster: SlurmCluster;

  beforeAll(async () => {
    cluster = await startSlurm();
  }, 120_000);
  afterAll(() => cluster.stop());

  executorSuite(
    "Slurm",
    (dataDirectory) =>
      new SchedulerExecutor({
        shell: new Login(new LocalShell(), cluster.environment),
        scheduler: (shell) => new SlurmScheduler(shell, slurmCompute.parse({ kind: "slurm" })),
        directory: `${dataDirectory} there`,
        dataDirectory,
        callsPerMinute: 6_000,
      }),
    { shared: () => cluster.scratch, patience: 40 },
  );
});
