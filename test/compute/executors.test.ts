import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { executorSuite } from "../../packages/rigor/src/compute/executors/executor.suite.ts";
import { SchedulerExecutor } from "../../packages/rigor/src/compute/executors/scheduler.ts";
import { CallLine } from "../../packages/rigor/src/compute/schedulers/call-line.ts";
import { SshExecutor } from "../../packages/rigor/src/compute/executors/ssh.ts";
import { SlurmScheduler } from "../../packages/rigor/src/compute/schedulers/slurm.ts";
import { slurmCompute } from "../../packages/rigor/src/domain/files/compute-schema.ts";
import { RigorError } from "../../packages/rigor/src/domain/errors.ts";
import { LocalShell } from "../../packages/rigor/src/hosts/local-shell.ts";
import type { Answer, ScriptOptions } from "../../packages/rigor/src/hosts/shell.ts";
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
    rmSync(shared, { recursive: true, maxRetries: 10 });
  });

  for (const name of ["plain", "busybox"]) {
    const make = (dataDirectory: string) => {
      const shell = new SshShell({ host: name, config: lab.config });
      return new SshExecutor({ shell, directory: `${dataDirectory} there`, dataDirectory, excludedGpus: [] });
    };
    executorSuite(`ssh to a host that is ${name}`, make, {
      shared: () => shared,
      connection: { cut: () => lab.host(name).refuse(), restore: () => lab.host(name).serve() },
    });
  }
});

/** A login that cannot be reached at times. */
class UnsteadyLogin extends Login {
  isUp = true;

  override run(script: string, options?: ScriptOptions): Promise<Answer> {
    if (!this.isUp) return Promise.reject(new RigorError("unreachable", "The connection was refused."));
    return super.run(script, options);
  }
}

describe.skipIf(slurmMissing() !== null)("a cluster", () => {
  let cluster: SlurmCluster;
  let login: UnsteadyLogin;

  beforeAll(async () => {
    cluster = await startSlurm();
  });
  afterAll(() => cluster.stop());

  const make = (dataDirectory: string) => {
    login = new UnsteadyLogin(new LocalShell(), cluster.environment);
    return new SchedulerExecutor({
      shell: login,
      scheduler: (shell) => new SlurmScheduler(shell, slurmCompute.parse({ kind: "slurm" })),
      directory: `${dataDirectory} there`,
      dataDirectory,
      calls: new CallLine(6_000),
    });
  };

  executorSuite("Slurm", make, {
    shared: () => cluster.scratch,
    connection: {
      cut: async () => void (login.isUp = false),
      restore: async () => void (login.isUp = true),
    },
  });
});
