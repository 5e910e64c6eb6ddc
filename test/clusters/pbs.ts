/**
 * A stand-in for OpenPBS 23.06 that really runs jobs on this machine: `qsub`, `qstat`, `qselect`, `qdel`, `qsig`, `qhold`, `qrls` and
 * `pbsnodes` as programs in a directory, and one server process. It answers as a real server did, whose answers are
 * in `packages/rigor/src/compute/fixtures/openpbs-23.06`; `test/clusters/pbs.test.ts` compares the two.
 *
 * Jobs outlive the server, as under a real `pbs_mom`. Nothing outlives `stop`, or the process that started the cluster.
 * What it does not imitate, it refuses with exit status 99.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const programs = join(import.meta.dirname, "pbs");
const commands = ["qsub", "qstat", "qselect", "qdel", "qsig", "qhold", "qrls", "pbsnodes"];
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface PbsNode {
  name: string;
  ncpus: number;
  ngpus: number;
  /** As PBS writes it: `16gb`. */
  mem: string;
}

export interface PbsQueue {
  name: string;
  enabled?: boolean;
  /** Longer jobs are refused, in seconds. */
  max_walltime?: number;
  max_array_size?: number;
  /** Resources of a job that names none, such as `{ walltime: "01:00:00" }`. */
  defaults?: Record<string, string>;
}

export interface PbsSettings {
  /** The name of the server, and of the host on which jobs are submitted. */
  server?: string;
  nodes?: readonly PbsNode[];
  /** The first is the default. */
  queues?: readonly PbsQueue[];
  /** Names of custom resources, as sites define them. */
  resources?: readonly string[];
  /** The resources that bind a job to free room. A real scheduler does not know of `ngpus` unless it was told. */
  scheduled?: readonly ("ncpus" | "ngpus" | "mem")[];
  /** False for a server that keeps no history of jobs. */
  history?: boolean;
  history_seconds?: number;
  /** Between TERM and KILL, in seconds. */
  kill_delay?: number;
  /** How long a node may be down before its jobs are requeued, in seconds. */
  node_fail_requeue?: number;
  /** The exit status of a job that was deleted while it ran: recorded is zero; other jobs show 271. */
  deleted_status?: "zero" | "signal";
  max_jobs_per_user?: number | null;
  /** Whether `CUDA_VISIBLE_DEVICES` names the GPUs of a job, as the cgroups hook does. */
  gpu_binding?: boolean;
  /** The home of the user who submits; a directory of the cluster's own where it is not given. */
  home?: string;
}

export interface CommandResult {
  stdout: string;
  stderr: string;
  exit: number;
}

/** Starts a cluster that is empty. */
export async function startPbs(settings: PbsSettings = {}): Promise<PbsCluster> {
  const cluster = new PbsCluster(settings);
  await cluster.restartServer();
  return cluster;
}

export class PbsCluster {
  /** Files of the cluster. */
  readonly directory: string;
  /** The directory with the commands. */
  readonly bin: string;
  /** The home of the user who submits, in which jobs start. */
  readonly home: string;
  readonly name: string;
  readonly #python = interpreter();
  readonly #mark = randomBytes(16).toString("hex");
  readonly #keeper: ChildProcess;
  #server: ChildProcess | null = null;

  constructor(settings: PbsSettings) {
    this.directory = mkdtempSync(join(tmpdir(), "rigor-pbs-"));
    // The user of a job must be able to come here.
    chmodSync(this.directory, 0o755);
    this.bin = join(this.directory, "bin");
    this.home = settings.home ?? join(this.directory, "home");
    this.name = settings.server ?? "pbs1";
    mkdirSync(this.bin);
    mkdirSync(this.home, { recursive: true });
    this.#write(settings);
    const command = readFileSync(join(programs, "command.py"), "utf8");
    for (const name of commands)
      writeFileSync(join(this.bin, name), `#!${this.#python} -IS\n${command}`, { mode: 0o755 });
    // Ends everything when this process dies, however it dies: its input is closed then.
    const script = 'read -r _; "$@"; rm -rf "$KEPT"';
    this.#keeper = spawn("sh", ["-c", script, "sh", ...this.#program("--end", this.directory)], {
      env: { PATH: systemPath, KEPT: this.directory },
      detached: true,
      cwd: "/",
      stdio: ["pipe", "ignore", "inherit"],
    });
  }

  /** The environment of somebody who can submit: `PATH` begins with the commands. */
  environment(more: Record<string, string> = {}): Record<string, string> {
    return { PATH: `${this.bin}:${systemPath}`, HOME: this.home, LANG: "C.UTF-8", SHELL: "/bin/bash", ...more };
  }

  /** Calls a command of PBS, or any other program, as that user. */
  async run(
    command: string,
    options: readonly string[] = [],
    { directory = this.home, input = "", environment = {} }: RunOptions = {},
  ): Promise<CommandResult> {
    const path = existsSync(join(this.bin, command)) ? join(this.bin, command) : command;
    const child = spawn(path, options, { cwd: directory, env: this.environment(environment), stdio: "pipe" });
    child.stdin.on("error", () => {}); // A command that reads no input closes it.
    child.stdin.end(input);
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    if (child.exitCode === 98) throw new Error(`A fault of the stand-in for PBS: ${stderr}`);
    return { stdout, stderr, exit: child.exitCode ?? -1 };
  }

  /** Kills the server as a crash does. Jobs go on, and commands find nobody. */
  async killServer(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, "exit");
    server.kill("SIGKILL");
    await ended;
  }

  /** Starts the server, after `killServer` with what it knew before. */
  async restartServer(): Promise<void> {
    await this.killServer();
    const [python = "", ...options] = this.#program(this.directory);
    const server = spawn(python, options, {
      cwd: "/",
      detached: true,
      env: { PATH: systemPath, LANG: "C.UTF-8", PBS_JOBCOOKIE: this.#mark },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#server = server;
    let said = "";
    server.stderr.setEncoding("utf8").on("data", (chunk: string) => (said += chunk));
    const ended = once(server, "exit").then(() => "");
    const first = await Promise.race([once(server.stdout, "data").then(String), ended]);
    if (first.trim() !== "ready") throw new Error(`The server of PBS did not start: ${said}`);
  }

  /** Kills the node with all that runs on it. Its jobs are said to run until `node_fail_requeue` has passed. */
  async failNode(name: string): Promise<void> {
    await this.#control("fail_node", name);
  }

  async recoverNode(name: string): Promise<void> {
    await this.#control("recover_node", name);
  }

  /** Ends the execution of a running job and puts it back into the queue, as a preemption does. */
  async requeue(id: string): Promise<void> {
    await this.#control("requeue", id);
  }

  /** Whether waiting jobs are started. After a start of the server they are. */
  async setScheduling(on: boolean): Promise<void> {
    await this.#control("scheduling", on ? "True" : "False");
  }

  /** Forgets all jobs that have ended, as the server does when their time is over. */
  async dropHistory(): Promise<void> {
    await this.#control("drop_history");
  }

  /** Ends the cluster with everything that its jobs have left, and removes its directory. */
  async stop(): Promise<void> {
    if (this.#keeper.exitCode !== null) return;
    const ended = once(this.#keeper, "exit");
    this.#keeper.stdin?.destroy();
    await ended;
    await this.killServer();
  }

  async #control(control: string, about = ""): Promise<void> {
    const socket = connect(join(this.directory, "socket"));
    socket.end(`${JSON.stringify({ control, about })}\n`);
    const answer = JSON.parse(await text(socket)) as { error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
  }

  #program(...options: string[]): string[] {
    return [this.#python, "-BEsS", join(programs, "server.py"), ...options];
  }

  #write(settings: PbsSettings): void {
    const queues = settings.queues ?? [{ name: "workq" }];
    const complete = {
      server: this.name,
      host: this.name,
      nodes: settings.nodes ?? [{ name: "n1", ncpus: 4, ngpus: 0, mem: "16gb" }],
      queues: queues.map((queue) => ({
        enabled: true,
        max_walltime: null,
        max_array_size: 10_000,
        defaults: {},
        ...queue,
      })),
      resources: settings.resources ?? ["storage", "jobfs"],
      scheduled: settings.scheduled ?? ["ncpus", "ngpus", "mem"],
      history: settings.history ?? true,
      history_seconds: settings.history_seconds ?? 1_209_600,
      kill_delay: settings.kill_delay ?? 1,
      node_fail_requeue: settings.node_fail_requeue ?? 310,
      deleted_status: settings.deleted_status ?? "zero",
      max_jobs_per_user: settings.max_jobs_per_user ?? null,
      gpu_binding: settings.gpu_binding ?? true,
      home: this.home,
      path: systemPath,
      mark: this.#mark,
    };
    writeFileSync(join(this.directory, "settings.json"), JSON.stringify(complete));
  }
}

export interface RunOptions {
  directory?: string;
  input?: string;
  environment?: Record<string, string>;
}

/** The Python that starts at once: the system's own, or what `python3` leads to. */
function interpreter(): string {
  const own = "/usr/bin/python3";
  return existsSync(own)
    ? own
    : execFileSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();
}
