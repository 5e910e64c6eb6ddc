import { join, posix } from "node:path";
import type { Logger } from "pino";
import type { Connect } from "../bench/lab/lanes.ts";
import type { DataDirectory } from "../bench/lab/lab.ts";
import type { Connection } from "../bench/lab/lane.ts";
import { LocalExecutor } from "../compute/executors/local.ts";
import { SchedulerExecutor } from "../compute/executors/scheduler.ts";
import { SshExecutor } from "../compute/executors/ssh.ts";
import type { Scheduler } from "../compute/schedulers/scheduler.ts";
import { CallLine } from "../compute/schedulers/call-line.ts";
import { CallNotes } from "../compute/schedulers/call-notes.ts";
import { CommandScheduler } from "../compute/schedulers/command.ts";
import { PbsScheduler } from "../compute/schedulers/pbs.ts";
import { SlurmScheduler } from "../compute/schedulers/slurm.ts";
import { contentHash } from "../domain/canonical.ts";
import type { CommandCompute, PbsCompute, SlurmCompute, SshCompute } from "../domain/files/compute-schema.ts";
import { machineOf } from "../domain/rules/compute-rules.ts";
import { dialHere, type Dial } from "../hosts/dial.ts";
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
  const calls = new CallLines(options.data);
  return (_id, configuration) => {
    switch (configuration.kind) {
      case "local":
        return connectHere(options);
      case "ssh":
        return connectSsh(configuration, options);
      case "slurm":
        return connectScheduler(configuration, (shell) => new SlurmScheduler(shell, configuration), options, calls);
      case "pbs":
        return connectScheduler(configuration, (shell) => new PbsScheduler(shell, configuration), options, calls);
      default:
        return connectScheduler(configuration, (shell) => new CommandScheduler(shell, configuration), options, calls);
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
  return { executor, stager, dial: dialHere, scheduler: null };
}

function connectSsh(compute: SshCompute, { data, origin }: ConnectorOptions): Connection {
  const shell = new SshShell({ host: compute.host, config: compute.ssh_config });
  const executor = new SshExecutor({
    shell,
    directory: labDirectory(compute.workdir, origin),
    dataDirectory: data.root,
    excludedGpus: compute.exclude_gpus,
  });
  return {
    executor,
    stager: remoteStager(shell, compute.workdir, { data, origin }),
    dial: dialThrough(shell),
    scheduler: null,
  };
}

/** Also a scheduler whose commands work on this machine starts jobs on others. */
function connectScheduler(
  compute: SchedulerCompute,
  scheduler: (shell: HostShell) => Scheduler,
  { data, origin }: ConnectorOptions,
  calls: CallLines,
): Connection {
  const { via, workdir } = compute;
  const shell = via === null ? new LocalShell() : new SshShell({ host: via.ssh, config: via.ssh_config });
  const executor = new SchedulerExecutor({
    shell,
    directory: labDirectory(workdir, origin),
    dataDirectory: data.root,
    scheduler,
    calls: calls.of(compute),
  });
  executor.limitCalls(compute.calls_per_minute);
  const dial = shell instanceof SshShell ? dialThrough(shell) : dialHere;
  return { executor, stager: remoteStager(shell, workdir, { data, origin }), dial, scheduler: executor };
}

const dialThrough =
  (shell: SshShell): Dial =>
  (host, port) =>
    shell.dial(host, port);

/** Computes of one kind behind one login are taken for one scheduler, whose calls they share. */
class CallLines {
  readonly #data: DataDirectory;
  readonly #lines = new Map<string, CallLine>();

  constructor(data: DataDirectory) {
    this.#data = data;
  }

  of(compute: SchedulerCompute): CallLine {
    const scheduler = { machine: machineOf(compute), config: compute.via?.ssh_config ?? null };
    const name = `${scheduler.machine.replaceAll(/[^\w.-]+/g, "-")}-${contentHash(scheduler).slice(0, 8)}`;
    const known = this.#lines.get(name);
    if (known !== undefined) return known;
    const notes = new CallNotes(join(this.#data.root, "calls", `${name}.json`));
    const line = new CallLine(compute.calls_per_minute, notes);
    this.#lines.set(name, line);
    return line;
  }
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
    send: async (request) => (await stager()).send(request),
    stageOutputs: async (source, progress) => (await stager()).stageOutputs(source, progress),
    cleanUp: async (request) => (await stager()).cleanUp(request),
  };
}
