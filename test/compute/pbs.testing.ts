import { PbsScheduler } from "../../packages/rigor/src/compute/schedulers/pbs.ts";
import { pbsCompute } from "../../packages/rigor/src/domain/files/compute-schema.ts";
import type { HostShell } from "../../packages/rigor/src/hosts/shell.ts";
import type { PbsCluster } from "../clusters/pbs.ts";
import { CountingLogin, SchedulerBench } from "./scheduler.testing.ts";

/** What a login may have set, and what must not change how PBS's commands work, nor reach a job. */
const misleading = {
  PBS_DPREFIX: "#OTHER",
  PBS_O_WORKDIR: "/nowhere",
  PBS_O_QUEUE: "other",
  PBS_JOBID: "1.other",
  PBS_ARRAY_INDEX: "7",
  PBS_ENVIRONMENT: "PBS_BATCH",
  LEAKED: "yes",
};

const programs = ["qsub", "qstat", "qselect", "qdel"];

/** A login on which PBS's commands are counted. */
export class PbsLogin extends CountingLogin {
  constructor(shell: HostShell, variables: Readonly<Record<string, string>>) {
    super(shell, variables, programs);
  }
}

/** Batches on a cluster of PBS. */
export class PbsBench extends SchedulerBench {
  readonly cluster: PbsCluster;

  constructor(cluster: PbsCluster, shell: HostShell, options: Readonly<Record<string, unknown>> = {}) {
    const login = new PbsLogin(shell, { ...cluster.environment(), ...misleading });
    super(new PbsScheduler(login, pbsCompute.parse({ kind: "pbs", ...options })), login, cluster.home);
    this.cluster = cluster;
  }
}
