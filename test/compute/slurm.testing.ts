import { SlurmScheduler } from "../../packages/rigor/src/compute/schedulers/slurm.ts";
import { slurmCompute } from "../../packages/rigor/src/domain/files/compute-schema.ts";
import type { HostShell } from "../../packages/rigor/src/hosts/shell.ts";
import type { SlurmCluster } from "../clusters/slurm.ts";
import { CountingLogin, SchedulerBench } from "./scheduler.testing.ts";

/** What a login may have set, and what must not change how Slurm's commands work, nor reach a job. */
const misleading = {
  SQUEUE_FORMAT: "%i",
  SQUEUE_FORMAT2: "JobID",
  SQUEUE_STATES: "PENDING",
  SQUEUE_PARTITION: "short",
  SBATCH_ARRAY_INX: "0-3",
  SBATCH_PARTITION: "short",
  SBATCH_JOB_NAME: "other",
  SLURM_TIME_FORMAT: "relative",
  SLURM_JOB_ID: "1",
  SLURM_CPUS_PER_TASK: "7",
  LEAKED: "yes",
};

const programs = ["sbatch", "squeue", "scancel", "sacct", "scontrol"];

/** A login on which Slurm's commands are counted. */
export class Login extends CountingLogin {
  constructor(shell: HostShell, variables: Readonly<Record<string, string>>) {
    super(shell, variables, programs);
  }
}

/** Batches on a cluster of Slurm. */
export class Bench extends SchedulerBench {
  readonly cluster: SlurmCluster;

  constructor(cluster: SlurmCluster, shell: HostShell, options: Readonly<Record<string, unknown>> = {}) {
    const login = new Login(shell, { ...misleading, ...cluster.environment });
    const settings = slurmCompute.parse({ kind: "slurm", signal: null, ...options });
    super(new SlurmScheduler(login, settings), login, cluster.scratch);
    this.cluster = cluster;
  }
}
