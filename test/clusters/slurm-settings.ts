/** The configuration files of a Slurm cluster for tests: see `slurm.ts`. */

export interface SlurmPorts {
  controller: number;
  /** By name of node. */
  nodes: Readonly<Record<string, number>>;
  accounting: number;
}

export interface SlurmOptions {
  /** Job history with `slurmdbd` and MariaDB, so that `sacct` works and accounts are enforced: root has account `lab`. */
  accounting?: boolean;
  /** Size of the largest array plus one. Slurm's own default is 1001. */
  maxArraySize?: number;
  /** Seconds for which the controller remembers a job that has ended. Slurm's own default is 300. */
  forgetAfter?: number;
  /** Seconds after which a silent node counts as down. Slurm's own default is 300. */
  nodeTimeout?: number;
  /** Seconds that a job which was queued again waits. Slurm's own default is 120: the life of a job's credential. */
  requeueDelay?: number;
  /** Ends jobs that use more memory than they asked for, with the state OUT_OF_MEMORY. Needs cgroups version 1. */
  memoryLimits?: boolean;
  /** More lines of `slurm.conf`. */
  settings?: readonly string[];
}

/** GPUs of each node. */
export const gpusPerNode = 2;
export const nodeNames = ["n1", "n2"] as const;
export type NodeName = (typeof nodeNames)[number];

/**
 * Partitions: `main` (default), `preempt` (jobs give way to `main` and `urgent`), `urgent`, `short` (one minute).
 * @param directory of the cluster, at the same path on each of its hosts
 */
export function slurmConf(directory: string, ports: SlurmPorts, options: SlurmOptions): string {
  const nodes = nodeNames.map(
    (name) =>
      `NodeName=${name} NodeHostname=${name} NodeAddr=127.0.0.1 Port=${ports.nodes[name]} ` +
      `CPUs=8 RealMemory=8000 Gres=gpu:${gpusPerNode}`,
  );
  const accounting = [
    "AccountingStorageType=accounting_storage/slurmdbd",
    "AccountingStorageHost=127.0.0.1",
    `AccountingStoragePort=${ports.accounting}`,
    // Clients of slurmdbd read the path of the socket here, not in AuthInfo.
    `AccountingStoragePass=${directory}/munge.socket`,
    "AccountingStorageEnforce=associations,limits,qos",
    "AccountingStorageTRES=gres/gpu",
  ];
  return lines(
    "ClusterName=test",
    "SlurmctldHost=head(127.0.0.1)",
    `SlurmctldPort=${ports.controller}`,
    "SlurmUser=root",
    "SlurmdUser=root",
    "SlurmctldSyslogDebug=quiet",
    "SlurmdSyslogDebug=quiet",
    "AuthType=auth/munge",
    `AuthInfo=socket=${directory}/munge.socket,cred_expire=${options.requeueDelay ?? 5}`,
    "CredType=cred/munge",
    `StateSaveLocation=${directory}/state`,
    `SlurmdSpoolDir=${directory}/spool/%n`,
    `SlurmctldPidFile=${directory}/slurmctld.pid`,
    `SlurmdPidFile=${directory}/slurmd-%n.pid`,
    "ProctrackType=proctrack/linuxproc",
    `TaskPlugin=task/${options.memoryLimits === true ? "cgroup" : "none"}`,
    "JobAcctGatherType=jobacct_gather/none",
    "SelectType=select/cons_tres",
    "SelectTypeParameters=CR_Core_Memory",
    "DefMemPerCPU=100",
    "GresTypes=gpu",
    // The nodes claim more than the machine has.
    "SlurmdParameters=config_overrides",
    "ReturnToService=2",
    "MpiDefault=none",
    "MailProg=/bin/true",
    "SchedulerType=sched/backfill",
    "SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0,batch_sched_delay=0",
    "PriorityType=priority/basic",
    "PreemptType=preempt/partition_prio",
    "PreemptMode=REQUEUE",
    "JobRequeue=1",
    "KillWait=2",
    `MinJobAge=${options.forgetAfter ?? 300}`,
    `MaxArraySize=${options.maxArraySize ?? 1001}`,
    `SlurmdTimeout=${options.nodeTimeout ?? 300}`,
    ...(options.accounting === true ? accounting : []),
    ...nodes,
    "PartitionName=main Nodes=ALL Default=YES PriorityTier=10 PreemptMode=OFF MaxTime=INFINITE DefaultTime=60",
    "PartitionName=preempt Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE GraceTime=0",
    "PartitionName=urgent Nodes=ALL PriorityTier=20 PreemptMode=OFF",
    "PartitionName=short Nodes=ALL PriorityTier=10 PreemptMode=OFF MaxTime=1",
    ...(options.settings ?? []),
  );
}

/** Each node's GPUs are character devices of its own, made with `mknod`. */
export function gresConf(directory: string): string {
  const each = nodeNames.map(
    (name) => `NodeName=${name} Name=gpu File=${directory}/dev/${name}-gpu[0-${gpusPerNode - 1}]`,
  );
  return lines("AutoDetect=off", ...each);
}

/** Read only where `memoryLimits` is on. */
export function cgroupConf(): string {
  return lines("CgroupPlugin=cgroup/v1", "CgroupMountpoint=/sys/fs/cgroup", "ConstrainRAMSpace=yes");
}

export function slurmdbdConf(directory: string, ports: SlurmPorts): string {
  return lines(
    "AuthType=auth/munge",
    `AuthInfo=socket=${directory}/munge.socket`,
    "DbdHost=head",
    "DbdAddr=127.0.0.1",
    `DbdPort=${ports.accounting}`,
    "SlurmUser=root",
    `PidFile=${directory}/slurmdbd.pid`,
    "StorageType=accounting_storage/mysql",
    "StorageHost=localhost",
    "StorageUser=root",
    "StorageLoc=slurm",
  );
}

function lines(...text: string[]): string {
  return `${text.join("\n")}\n`;
}
