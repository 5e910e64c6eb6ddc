/**
 * A real Slurm cluster: a controller and two nodes with two GPUs each, every one of them a host of its own (`host.ts`),
 * so that two clusters run side by side. Debian: `apt-get install slurm-wlm munge`, and `slurmdbd mariadb-server` for job
 * history. Debian 12 has Slurm 22.05.8.
 *
 *     const cluster = await startSlurm({ accounting: true });
 *     const job = await cluster.submit("nvidia-smi", "--gres=gpu:1", "--array=1-20");
 *     await cluster.client("squeue", `--jobs=${job}`, "--format=%i|%T|%r");
 *     await startSshHosts({ login: cluster.loginHost });
 *     await cluster.stop();
 *
 * Traps found:
 * - 22.05 has `squeue --json`, `sacct --json` and `sbatch --parsable`; it lacks `--only-job-state` and `squeue --json=...`.
 * - A job that is queued again waits for the life of its credential (`cred_expire`, 120 s by default): `requeueDelay`.
 * - The backfill scheduler looks again only when something has changed, and that a time has come is no change. Without a
 *   small `sched_interval` such a job waits up to a minute more.
 * - The controller writes its state every few seconds: after KILL it has forgotten the jobs of the last ones, and it ends
 *   those that run. After TERM it knows them all.
 * - A node that crashes and boots again within its timeout tells nobody: its jobs stay RUNNING, see `declareDown`.
 * - Time limits count in minutes and are looked at twice a minute: see `expire`.
 * - Jobs that have ended are forgotten `forgetAfter` seconds later, but only at the next round of cleaning.
 * - Clients of slurmdbd take the path of munge's socket from AccountingStoragePass, not from AuthInfo.
 * - A job that asks for what no node has is refused, and yet leaves a FAILED record with an id that nobody was told.
 * - A node that claims other GPUs than `gres.conf` lists is drained; its devices must exist when slurmd starts.
 */
import { type ExecFileException, execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, type Host, hostsMissing, memoryGroups, Site, until } from "./host.ts";
import {
  cgroupConf,
  gpusPerNode,
  gresConf,
  type NodeName,
  nodeNames,
  slurmConf,
  slurmdbdConf,
  type SlurmOptions,
  type SlurmPorts,
} from "./slurm-settings.ts";
import type { SshHostOptions } from "./ssh.ts";

const run = promisify(execFile);
const startLimitMs = 180_000;
const maxOutputBytes = 64 * 1024 * 1024;

/** The daemons of a cluster; each node has a `slurmd`. */
export type Daemon = "munged" | "mariadbd" | "slurmdbd" | "slurmctld" | `slurmd-${NodeName}`;

/** Why this machine can run no Slurm, or null when it can. */
export function slurmMissing(options: SlurmOptions = {}): string | null {
  const accounting = ["slurmdbd", "mariadbd", "mariadb-install-db", "mariadb-admin", "sacctmgr"];
  const needed = ["munged", "slurmctld", "slurmd", "sbatch", "mknod"];
  const limits = options.memoryLimits === true && !existsSync(join(memoryGroups, "tasks"));
  if (limits) return "Memory limits need control groups of version 1.";
  return hostsMissing([...needed, ...(options.accounting === true ? accounting : [])]);
}

/** Starts a cluster and waits until both nodes are idle. */
export async function startSlurm(options: SlurmOptions = {}): Promise<SlurmCluster> {
  const site = new Site("slurm");
  try {
    const ports: SlurmPorts = {
      controller: await freePort(),
      nodes: { n1: await freePort(), n2: await freePort() },
      accounting: await freePort(),
    };
    writeFiles(site.directory, ports, options);
    const settings = { shared: [site.directory], home: join(site.directory, "home") };
    const [head, n1, n2] = await Promise.all([
      site.host({ name: "head", ...settings }),
      site.host({ name: "n1", ...settings }),
      site.host({ name: "n2", ...settings }),
    ]);
    const cluster = new SlurmCluster(site, { head, n1, n2 }, options);
    await cluster.startAll();
    return cluster;
  } catch (error) {
    await site.close();
    throw error;
  }
}

export class SlurmCluster {
  /** A directory that this machine, the nodes and a login host see at the same path. */
  readonly scratch: string;
  /** What clients such as `sbatch` need in their environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #site: Site;
  readonly #hosts: Readonly<Record<"head" | NodeName, Host>>;
  readonly #options: SlurmOptions;

  constructor(site: Site, hosts: Readonly<Record<"head" | NodeName, Host>>, options: SlurmOptions) {
    this.#site = site;
    this.#options = options;
    this.#hosts = hosts;
    this.scratch = join(site.directory, "scratch");
    this.environment = { SLURM_CONF: join(site.directory, "slurm.conf") };
  }

  /** Options of an SSH host that is this cluster's login node: it shares home and scratch with the nodes. */
  get loginHost(): SshHostOptions {
    return {
      shared: [this.#site.directory],
      home: join(this.#site.directory, "home"),
      environment: this.environment,
    };
  }

  /** A node, to look at what runs on it. */
  node(name: NodeName): Host {
    return this.#hosts[name];
  }

  /** Runs a client such as `squeue` and returns what it prints. @throws Error with what it said on stderr */
  async client(program: string, ...words: string[]): Promise<string> {
    const options = { cwd: this.scratch, env: { ...process.env, ...this.environment }, maxBuffer: maxOutputBytes };
    const { stdout } = await run(program, words, options);
    return stdout;
  }

  /** Submits a script of `sh` with options of `sbatch` and returns the id of the job. */
  async submit(script: string, ...options: string[]): Promise<string> {
    return (await this.client("sbatch", "--parsable", ...options, "--wrap", script)).trim();
  }

  /** State of a job, or of a task of an array (`12_3`), as the controller knows it; empty when it knows none. */
  async state(job: string): Promise<string> {
    return (
      await this.client("squeue", "--noheader", "--states=all", "--array", "--format=%T", `--jobs=${job}`)
    ).trim();
  }

  /** Waits until both nodes take jobs. */
  async ready(): Promise<void> {
    const idle = async () => {
      await this.#expectUp("slurmctld", "slurmd-n1", "slurmd-n2");
      const states = await this.#try("sinfo", "--noheader", "--Node", "--partition=main", "--format=%T");
      return states
        .trim()
        .split("\n")
        .every((state) => /^(idle|mixed|allocated)$/.test(state));
    };
    await until(
      idle,
      startLimitMs,
      () => `Slurm did not come up.\n${this.#logs("slurmctld", "slurmd-n1", "slurmd-n2")}`,
    );
  }

  async start(daemon: Daemon): Promise<void> {
    await this.#hostOf(daemon).start(daemon, this.#command(daemon));
  }

  /** Ends a daemon: KILL is a crash. Jobs go on without `slurmctld` and without their `slurmd`. */
  async end(daemon: Daemon, signal: "KILL" | "TERM" = "KILL"): Promise<void> {
    await this.#hostOf(daemon).end(daemon, signal);
  }

  /**
   * Loss of power on a node: `slurmd` and all jobs there end, and nobody tells the controller. It goes on to say that
   * they run, until the node's timeout or `declareDown`.
   */
  async crashNode(node: NodeName): Promise<void> {
    await this.#hosts[node].crash();
  }

  /** What the controller does when a node has been silent for its timeout: jobs there fail or are queued again. */
  async declareDown(node: NodeName): Promise<void> {
    await this.client("scontrol", "update", `NodeName=${node}`, "State=DOWN", "Reason=silent");
  }

  /** Lets a job's time limit pass; the controller ends it at its next look, within half a minute. */
  async expire(job: string): Promise<void> {
    await this.client("scontrol", "update", `JobId=${job}`, "EndTime=now+1");
  }

  /** Boots a node that has crashed. */
  async bootNode(node: NodeName): Promise<void> {
    await this.#hosts[node].boot();
    await this.#startNode(node);
  }

  /** Ends the cluster with all its jobs, and removes its files. */
  stop(): Promise<void> {
    return this.#site.close();
  }

  /** Called once, by `startSlurm`. */
  async startAll(): Promise<void> {
    await this.start("munged");
    if (this.#options.accounting === true) await this.#startAccounting();
    await Promise.all([this.start("slurmctld"), this.#startNode("n1"), this.#startNode("n2")]);
    await this.ready();
  }

  async #startNode(node: NodeName): Promise<void> {
    if (this.#options.memoryLimits === true) {
      // Slurm names its groups after the node: each node gets a tree of its own, so that two clusters do not meet.
      const group = join(this.#site.memoryGroup, node);
      mkdirSync(group, { recursive: true });
      await this.#hosts[node].run('mount --bind "$1" "$2"', group, memoryGroups);
    }
    await this.start(`slurmd-${node}`);
  }

  async #startAccounting(): Promise<void> {
    const { head } = this.#hosts;
    const directory = this.#site.directory;
    await head.run(
      `mkdir /run/mysqld && mariadb-install-db --no-defaults --user=root --datadir="$1" --skip-name-resolve \\
        --auth-root-authentication-method=normal --skip-test-db >/run/host/log/mariadb-install-db.log 2>&1`,
      join(directory, "mariadb"),
    );
    await this.start("mariadbd");
    await this.#answers("mariadbd", () => head.run("mariadb-admin --no-defaults --user=root ping"));
    await this.start("slurmdbd");
    await this.#answers("slurmdbd", () => this.client("sacctmgr", "--noheader", "list", "cluster"));
    for (const what of ["cluster test", "account lab", "user root account=lab"]) {
      await this.client("sacctmgr", "--immediate", "--quiet", "add", ...what.split(" "));
    }
  }

  #command(daemon: Daemon): string[] {
    const directory = this.#site.directory;
    const configuration = join(directory, "slurm.conf");
    if (isNode(daemon)) return ["slurmd", "-D", "-f", configuration, "-N", nodeOf(daemon)];
    const commands = {
      munged: [
        "munged",
        "--foreground",
        `--socket=${directory}/munge.socket`,
        `--key-file=${directory}/munge/key`,
        `--pid-file=${directory}/munge/pid`,
        `--seed-file=${directory}/munge/seed`,
      ],
      mariadbd: [
        "mariadbd",
        "--no-defaults",
        "--user=root",
        `--datadir=${directory}/mariadb`,
        "--socket=/run/mysqld/mysqld.sock",
        "--skip-networking",
        "--innodb-flush-log-at-trx-commit=0",
      ],
      slurmdbd: ["env", `SLURM_CONF=${configuration}`, "slurmdbd", "-D"],
      slurmctld: ["slurmctld", "-D", "-f", configuration],
    };
    return commands[daemon];
  }

  #hostOf(daemon: Daemon): Host {
    return isNode(daemon) ? this.#hosts[nodeOf(daemon)] : this.#hosts.head;
  }

  #logs(...daemons: Daemon[]): string {
    return daemons.map((daemon) => this.#hostOf(daemon).logTail(daemon)).join("\n");
  }

  async #expectUp(...daemons: Daemon[]): Promise<void> {
    for (const daemon of daemons) {
      if (!(await this.#hostOf(daemon).isUp(daemon))) throw new Error(`${daemon} ended.\n${this.#logs(daemon)}`);
    }
  }

  async #answers(daemon: Daemon, question: () => Promise<string>): Promise<void> {
    let answer = "";
    const answered = async () => {
      await this.#expectUp(daemon);
      return question().then(
        () => true,
        (error: unknown) => {
          answer = String(error);
          return false;
        },
      );
    };
    await until(answered, startLimitMs, () => `${daemon} does not answer: ${answer}\n${this.#logs(daemon)}`);
  }

  /** What a client prints, or nothing while the cluster does not answer it. */
  #try(program: string, ...words: string[]): Promise<string> {
    return this.client(program, ...words).catch((error: unknown) => {
      if (typeof (error as ExecFileException).code === "number") return "";
      throw error;
    });
  }
}

function isNode(daemon: Daemon): daemon is `slurmd-${NodeName}` {
  return daemon === "slurmd-n1" || daemon === "slurmd-n2";
}

function nodeOf(daemon: `slurmd-${NodeName}`): NodeName {
  return daemon === "slurmd-n1" ? "n1" : "n2";
}

function writeFiles(directory: string, ports: SlurmPorts, options: SlurmOptions): void {
  const folders = ["state", "scratch", "home", "dev", "munge", ...nodeNames.map((name) => `spool/${name}`)];
  for (const folder of folders) mkdirSync(join(directory, folder), { recursive: true });
  chmodSync(join(directory, "munge"), 0o700);
  writeFileSync(join(directory, "munge/key"), randomBytes(128), { mode: 0o400 });
  writeFileSync(join(directory, "slurm.conf"), slurmConf(directory, ports, options));
  writeFileSync(join(directory, "gres.conf"), gresConf(directory));
  if (options.memoryLimits === true) writeFileSync(join(directory, "cgroup.conf"), cgroupConf());
  writeFileSync(join(directory, "slurmdbd.conf"), slurmdbdConf(directory, ports), { mode: 0o600 });
  for (const node of nodeNames) {
    for (let gpu = 0; gpu < gpusPerNode; gpu += 1) {
      // The numbers are those of /dev/null: only that it is a device counts.
      execFileSync("mknod", [join(directory, `dev/${node}-gpu${gpu}`), "c", "1", "3"]);
    }
  }
}
