import { posix } from "node:path";
import type { Logger } from "pino";
import type { Connect } from "../bench/lanes.ts";
import type { DataDirectory } from "../bench/lab.ts";
import type { Connection } from "../bench/lane.ts";
import { LocalExecutor } from "../compute/executors/local.ts";
import { SchedulerExecutor } from "../compute/executors/scheduler.ts";
import { SshExecutor } from "../compute/executors/ssh.ts";
import type { Scheduler } from "../compute/schedulers/scheduler.ts";
import { CommandScheduler } from "../compute/schedulers/command.ts";
import { PbsScheduler } from "../compute/schedulers/pbs.ts";
import { SlurmScheduler } from "../compute/schedulers/slurm.ts";
import type { CommandCompute, PbsCompute, SlurmCompute, SshCompute } from "../domain/files/compute-schema.ts";
import { LocalShell } from "../hosts/local-shell.ts";
import { openDirectory } from "../hosts/open-directory.ts";
import type { HostShell } from "../hosts/shell.ts";
import { SshShell } from "../hosts/ssh-shell.ts";
import { LocalStager } from "../provenance/staging/local-stager.ts";
import { RemoteStager } from "../provenance/staging/remote-stager.ts";
import type { Stager } from "../provenance/staging/stager.ts";

export interface ConnectorOptions {
  data: DataDirectory;
  /** Names this lab on machines that several use. */
  origin: string;
  log: Logger;
}

type SchedulerCompute = SlurmCompute | PbsCompute | CommandCompute;

/** Makes the executor and the stager of every kind of compute. */
export function connector(options: ConnectorOptions): Connect {
  return (_id, configuration) => {
    switch (configuration.kind) {
      case "local":
        return connectHere(options);
      case "ssh":
        return connectSsh(configuration, options);
      case "slurm":
        return connectScheduler(configuration, (shell) => new SlurmScheduler(shell, configuration), options);
      case "pbs":
        return connectScheduler(configuration, (shell) => new PbsScheduler(shell, configuration), options);
      default:
        return connectScheduler(configuration, (shell) => new CommandScheduler(shell, configuration), options);
    }
  };
}

function connectHere({ data, log }: ConnectorOptions): Connection {
  const { root, checkouts, environments, inputs, inputHashes } = data;
  const executor = new LocalExecutor({
    dataDirectory: root,
    onLeftBehind: (attempt, pid) => log.warn({ attempt, pid }, "ended a process that had outlived its attempt"),
  });
  const stager = new LocalStager({ root, checkouts, environments, inputs, inputHashes });
  return { executor, stager, scheduler: null };
}

function connectSsh(compute: SshCompute, { data, origin }: ConnectorOptions): Connection {
  const shell = new SshShell({ host: compute.host, config: compute.ssh_config });
  const executor = new SshExecutor({
    shell,
    directory: labDirectory(compute.workdir, origin),
    dataDirectory: data.root,
    excludedGpus: compute.exclude_gpus,
  });
  return { executor, stager: remoteStager(shell, compute.workdir, { data, origin }), scheduler: null };
}

/** Also a scheduler whose commands work on this machine starts jobs on others. */
function connectScheduler(
  compute: SchedulerCompute,
  scheduler: (shell: HostShell) => Scheduler,
  { data, origin }: ConnectorOptions,
): Connection {
  const { via, workdir } = compute;
  const shell = via === null ? new LocalShell() : new SshShell({ host: via.ssh, config: via.ssh_config });
  const executor = new SchedulerExecutor({
    shell,
    directory: labDirectory(workdir, origin),
    dataDirectory: data.root,
    scheduler,
    callsPerMinute: compute.calls_per_minute,
  });
  return { executor, stager: remoteStager(shell, workdir, { data, origin }), scheduler: executor };
}

/** Attempts have the same names in every lab. */
const labDirectory = (workdir: string, origin: string): string => posix.join(workdir, "labs", origin);

/** Where a work directory such as `~/.rigor` is, only its host can say. */
function remoteStager(
  shell: HostShell,
  workdir: string,
  { data, origin }: Pick<ConnectorOptions, "data" | "origin">,
): Stager {
  let opened: Promise<RemoteStager> | null = null;
  const open = async (): Promise<RemoteStager> => {
    const root = await openDirectory(shell, workdir);
    return new RemoteStager({ shell, root, owner: origin, inputHashes: data.inputHashes });
  };
  const stager = (): Promise<RemoteStager> => {
    opened ??= open().catch((error: unknown) => {
      opened = null;
      throw error;
    });
    return opened;
  };
  return {
    stage: async (request) => (await stager()).stage(request),
    cleanUp: async (request) => (await stager()).cleanUp(request),
  };
}
