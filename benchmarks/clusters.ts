import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SchedulerExecutor } from "../packages/rigor/src/compute/executors/scheduler.ts";
import type { JobSpec } from "../packages/rigor/src/compute/attempt/job.ts";
import { CallLine } from "../packages/rigor/src/compute/schedulers/call-line.ts";
import { SlurmScheduler } from "../packages/rigor/src/compute/schedulers/slurm.ts";
import { slurmCompute } from "../packages/rigor/src/domain/files/compute-schema.ts";
import type { Answer, HostShell, ScriptOptions } from "../packages/rigor/src/hosts/shell.ts";
import { openDirectory } from "../packages/rigor/src/hosts/open-directory.ts";
import { SshShell } from "../packages/rigor/src/hosts/ssh-shell.ts";
import { RemoteStager } from "../packages/rigor/src/provenance/staging/remote-stager.ts";
import { type SlurmCluster, slurmMissing, startSlurm } from "../test/clusters/slurm.ts";
import { startSshHosts, type SshLab } from "../test/clusters/ssh.ts";
import { defineBenchmark } from "./support/benchmark.ts";
import { inLaboratory } from "./support/laboratory.ts";

const jobs = 10_000;
const looks = 5;

/** Real Slurm behind a login node that is reached through ssh, all on this machine. */
export const benchmark = defineBenchmark({
  title: `${jobs} runs as arrays on a real Slurm behind an SSH login node, and staging there`,
  measures: {
    submission: {
      what: "submissions, with their directories written on the cluster",
      unit: "/s",
      goal: { atLeast: 200 },
    },
    look: { what: `one look at ${jobs} waiting runs, the cluster's time included`, unit: "s" },
    calls: { what: "calls of Slurm's commands in a look", unit: "calls", goal: { below: 3 } },
    shells: { what: "scripts sent to the login node in a look", unit: "scripts" },
    cancel: { what: `to cancel ${jobs} waiting runs`, unit: "s" },
    firstCommit: { what: "staging the first commit of a repository", unit: "s" },
    sameCommit: { what: "staging the same commit again", unit: "s" },
    nextCommit: { what: "staging a second commit", unit: "s" },
  },
  async run(record, note) {
    const missing = slurmMissing();
    if (missing !== null) return note(missing);
    const cluster = await startSlurm({ settings: ["MaxJobCount=30000"] });
    const hosts = await startSshHosts({ login: cluster.loginHost });
    try {
      await measureJobs(cluster, hosts, record);
      await measureStaging(hosts, record);
    } finally {
      await hosts.stop();
      await cluster.stop();
    }
  },
});

type Note = (
  name: "submission" | "look" | "calls" | "shells" | "cancel" | "firstCommit" | "sameCommit" | "nextCommit",
  ...samples: number[]
) => void;

async function measureJobs(cluster: SlurmCluster, hosts: SshLab, record: Note): Promise<void> {
  // Nothing starts, so that what is measured is Rigor and not the load of the runs.
  await cluster.client("scontrol", "update", "PartitionName=main", "State=DOWN");
  const dataDirectory = mkdtempSync(join(tmpdir(), "rigor-benchmark-"));
  const shell = new CountingShell(new SshShell({ host: "login", config: hosts.config }));
  const options = slurmCompute.parse({ kind: "slurm", calls_per_minute: 6_000 });
  const executor = new SchedulerExecutor({
    shell,
    directory: "~/.rigor/labs/benchmark",
    dataDirectory,
    scheduler: (metered) => new SlurmScheduler(metered, options),
    calls: new CallLine(options.calls_per_minute),
  });
  try {
    await executor.probe();
    const began = performance.now();
    const handles = await executor.submit(Array.from({ length: jobs }, (_, index) => noOp(index)));
    record("submission", jobs / secondsSince(began));
    for (let look = 0; look < looks; look += 1) {
      shell.reset();
      const start = performance.now();
      await executor.status(handles);
      record("look", secondsSince(start));
      record("calls", shell.calls);
      record("shells", shell.scripts);
    }
    const start = performance.now();
    await executor.cancel(handles);
    record("cancel", secondsSince(start));
  } finally {
    await executor.close();
    rmSync(dataDirectory, { recursive: true, force: true });
  }
}

async function measureStaging(hosts: SshLab, record: Note): Promise<void> {
  const shell = new SshShell({ host: "login", config: hosts.config });
  const files = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`src/${index}.py`, `x = ${index}\n`]));
  await inLaboratory(files, async (laboratory) => {
    const root = await openDirectory(shell, "~/.rigor");
    const stager = new RemoteStager({ shell, root, owner: "benchmark", inputHashes: null });
    const stage = async (): Promise<number> => {
      const start = performance.now();
      const environment = { manager: "none" as const, lock: null, setup: null, variables: {}, pass: [] };
      const { repository } = laboratory;
      await stager.stage({ repository, commit: laboratory.head(), environment, inputs: {}, say: () => undefined });
      return secondsSince(start);
    };
    record("firstCommit", await stage());
    record("sameCommit", await stage(), await stage(), await stage());
    for (let commit = 0; commit < looks; commit += 1) {
      laboratory.commit({ "src/0.py": `x = "changed ${commit}"\n` });
      record("nextCommit", await stage());
    }
  });
  await shell.close();
}

const secondsSince = (start: number): number => (performance.now() - start) / 1_000;

function noOp(index: number): JobSpec {
  return {
    attempt: `benchmark-${index}-1`,
    run: `${(index % 256).toString(16).padStart(2, "0")}-${index}`,
    command: ["true"],
    working_directory: "/",
    environment: {},
    parameters: {},
    time_limit: 600,
    grace: 1,
    heartbeat: 10,
  };
}

/** Counts what is asked of a host, and the calls of Slurm's commands in it. */
class CountingShell implements HostShell {
  readonly host: string;
  readonly #shell: HostShell;
  scripts = 0;
  calls = 0;

  constructor(shell: HostShell) {
    this.#shell = shell;
    this.host = shell.host;
  }

  reset(): void {
    this.scripts = 0;
    this.calls = 0;
  }

  run(script: string, options?: ScriptOptions): Promise<Answer> {
    this.scripts += 1;
    this.calls += script.match(/\b(?:sbatch|squeue|scancel|sacct|scontrol)\b/g)?.length ?? 0;
    return this.#shell.run(script, options);
  }

  close(): Promise<void> {
    return this.#shell.close();
  }
}
