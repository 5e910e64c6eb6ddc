/**
 * A real Grid Engine: `sge_qmaster` and `sge_execd` of Debian in a cell of their own, on a host of their own (`host.ts`)
 * that has the name of this machine. Debian: `apt-get install gridengine-client gridengine-exec gridengine-master`.
 *
 *     const cluster = await startGridEngine();
 *     await cluster.client("qsub", "-terse", "-b", "y", "sleep", "10");
 *     await cluster.stop();
 *
 * Traps found:
 * - Both daemons refuse a host that is only called localhost, and know a peer by the name of its address: `host_aliases`.
 * - Jobs of root are refused below `min_gid`, and the first one that is puts the whole queue into an error state.
 * - Debian's programs start through a script that sets SGE_ROOT; what is in SGE_ROOT/bin are the programs themselves.
 * - A job that has ended is unknown to `qstat` at once, and to `qacct` a moment later.
 */
import { execFile } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, type Host, hostsMissing, Site, until } from "./host.ts";
import type { SshHostOptions } from "./ssh.ts";

const run = promisify(execFile);
const programs = "/usr/lib/gridengine";
const startLimitMs = 180_000;

/** What the host has for jobs. */
export const gridEngineHost = { slots: 4, gpus: 2 };

/** Why this machine can run no Grid Engine, or null when it can. */
export function gridEngineMissing(): string | null {
  return hostsMissing(["sge_qmaster", "sge_execd", "qsub", "qconf"]);
}

/** Starts a cluster with one queue, and waits until it takes jobs. */
export async function startGridEngine(): Promise<GridEngineCluster> {
  const site = new Site("gridengine");
  try {
    const environment = {
      SGE_ROOT: join(site.directory, "sge"),
      SGE_CELL: "default",
      SGE_ARCH: "lx-amd64",
      SGE_QMASTER_PORT: String(await freePort()),
      SGE_EXECD_PORT: String(await freePort()),
    };
    writeCell(site.directory, environment);
    const settings = { shared: [site.directory], home: join(site.directory, "home") };
    const cluster = new GridEngineCluster(site, await site.host({ name: hostname(), ...settings }), environment);
    await cluster.startAll();
    return cluster;
  } catch (error) {
    await site.close();
    throw error;
  }
}

type Environment = Readonly<
  Record<"SGE_ROOT" | "SGE_CELL" | "SGE_ARCH" | "SGE_QMASTER_PORT" | "SGE_EXECD_PORT", string>
>;

export class GridEngineCluster {
  /** A directory that this machine, the jobs and a login host see at the same path. */
  readonly scratch: string;
  /** The file that a login reads to find the cluster, as sites have it. */
  readonly settings: string;
  readonly #site: Site;
  readonly #host: Host;
  readonly #environment: Environment;

  constructor(site: Site, host: Host, environment: Environment) {
    this.#site = site;
    this.#host = host;
    this.#environment = environment;
    this.scratch = join(site.directory, "scratch");
    this.settings = join(environment.SGE_ROOT, environment.SGE_CELL, "common/settings.sh");
  }

  /** Options of an SSH host that is this cluster's login node. */
  get loginHost(): SshHostOptions {
    return { shared: [this.#site.directory], home: join(this.#site.directory, "home") };
  }

  /** Runs a client such as `qstat` and returns what it prints. @throws Error with what it said on stderr */
  async client(program: string, ...words: string[]): Promise<string> {
    const options = { cwd: this.scratch, env: { PATH: process.env["PATH"], ...this.#environment } };
    return (await run(program, words, options)).stdout;
  }

  /** Ends the master as a crash does. Jobs go on. */
  async endMaster(): Promise<void> {
    await this.#host.end("sge_qmaster");
  }

  async startMaster(): Promise<void> {
    await this.#start("sge_qmaster");
    await this.#answers("qconf", "-sh");
  }

  /** Ends the cluster with all its jobs, and removes its files. */
  stop(): Promise<void> {
    return this.#site.close();
  }

  /** Called once, by `startGridEngine`. */
  async startAll(): Promise<void> {
    const directory = this.#site.directory;
    await this.#host.run(initialization, directory, ...this.#variables());
    await this.startMaster();
    await this.#host.run(installation, directory, ...this.#variables());
    await this.#start("sge_execd");
    const loaded = async () => / lx-amd64 /.test((await this.client("qstat", "-f")).replaceAll(/\s+/g, " "));
    await until(loaded, startLimitMs, () => `sge_execd did not come up.\n${this.#host.logTail("sge_execd")}`);
  }

  #variables(): string[] {
    return Object.entries(this.#environment).map(([name, value]) => `${name}=${value}`);
  }

  async #start(daemon: "sge_qmaster" | "sge_execd"): Promise<void> {
    // SGE_ND keeps it in the foreground.
    await this.#host.start(daemon, ["env", "SGE_ND=1", ...this.#variables(), `${programs}/${daemon}`]);
  }

  async #answers(program: string, ...words: string[]): Promise<void> {
    const answered = () =>
      this.client(program, ...words).then(
        () => true,
        () => false,
      );
    await until(answered, startLimitMs, () => `sge_qmaster does not answer.\n${this.#host.logTail("sge_qmaster")}`);
  }
}

function writeCell(directory: string, environment: Environment): void {
  const root = environment.SGE_ROOT;
  const common = join(root, environment.SGE_CELL, "common");
  const spool = join(directory, "spool/qmaster");
  for (const folder of ["scratch", "home", "spool/qmaster/job_scripts", "spool/execd"]) {
    mkdirSync(join(directory, folder), { recursive: true });
  }
  mkdirSync(common, { recursive: true });
  for (const folder of ["bin", "lib", "utilbin"]) {
    mkdirSync(join(root, folder));
    symlinkSync(programs, join(root, folder, environment.SGE_ARCH));
  }
  symlinkSync("/usr/share/gridengine/util", join(root, "util"));
  const bootstrap = {
    Version: "6.2",
    admin_user: "none",
    default_domain: "none",
    ignore_fqdn: "false",
    spooling_method: "classic",
    spooling_lib: "libspoolc",
    spooling_params: `${common};${spool}`,
    binary_path: programs,
    qmaster_spool_dir: spool,
    security_mode: "none",
    listener_threads: "2",
    worker_threads: "2",
    scheduler_threads: "1",
  };
  const lines = Object.entries(bootstrap).map(([name, value]) => `${name}${name === "Version" ? ":" : ""} ${value}\n`);
  writeFileSync(join(common, "bootstrap"), lines.join(""));
  writeFileSync(join(common, "act_qmaster"), `${hostname()}\n`);
  writeFileSync(join(common, "host_aliases"), `${hostname()} localhost\n`);
  const exports = Object.entries(environment).map(([name, value]) => `${name}=${value}; export ${name}\n`);
  writeFileSync(join(common, "settings.sh"), `${exports.join("")}PATH=$SGE_ROOT/bin/$SGE_ARCH:$PATH\n`);
}

/** Fills the spool of a cell before its master starts. Arguments: the directory, and variables. */
const initialization = `directory=$1; shift; export "$@"
cd ${programs}
./spoolinit classic libspoolc "$SGE_ROOT/$SGE_CELL/common;$directory/spool/qmaster" init
sed -e "s#^execd_spool_dir .*#execd_spool_dir $directory/spool/execd#" -e 's#^min_\\([ug]\\)id .*#min_\\1id 0#' \\
  -e 's#^mailer .*#mailer /bin/true#' -e 's#^load_report_time .*#load_report_time 00:00:02#' \\
  /usr/share/gridengine/default-configuration >"$directory/configuration"
./spooldefaults configuration "$directory/configuration"
./spooldefaults complexes /usr/share/gridengine/util/resources/centry
./spooldefaults usersets /usr/share/gridengine/util/resources/usersets
./spooldefaults managers root`;

/** Makes a queue on this host, with GPUs that jobs ask for by `-l gpu=1`, and looks for jobs once a second. */
const installation = `directory=$1; shift; export "$@"
cd "$directory" && host=$(uname -n)
PATH=$SGE_ROOT/bin/$SGE_ARCH:$PATH
set -e
qconf -as "$host"
qconf -sc >complexes
echo 'gpu gpu INT <= YES YES 0 0' >>complexes
qconf -Mc complexes
cat >host <<END
hostname $host
load_scaling NONE
complex_values slots=${gridEngineHost.slots},gpu=${gridEngineHost.gpus}
user_lists NONE
xuser_lists NONE
projects NONE
xprojects NONE
usage_scaling NONE
report_variables NONE
END
qconf -Ae host
cat >environment <<END
pe_name smp
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule \\$pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
END
qconf -Ap environment
{
  printf '%s\\n' 'qname main.q' "hostlist $host" 'qtype BATCH' 'pe_list smp' 'slots ${gridEngineHost.slots}' 'rerun FALSE' \\
    'tmpdir /tmp' 'shell /bin/csh' 'shell_start_mode posix_compliant' 'notify 00:00:60' 'initial_state default' \\
    'priority 0' 'seq_no 0' 'nsuspend 1' 'suspend_interval 00:05:00' 'min_cpu_interval 00:05:00' 'processors UNDEFINED'
  for name in load_thresholds suspend_thresholds ckpt_list prolog epilog starter_method suspend_method resume_method \\
    terminate_method owner_list user_lists xuser_lists subordinate_list complex_values projects xprojects calendar; do
    echo "$name NONE"
  done
  for limit in rt cpu fsize data stack core rss vmem; do printf 's_%s INFINITY\\nh_%s INFINITY\\n' $limit $limit; done
} >queue
qconf -Aq queue
qconf -ssconf | sed -e 's/^schedule_interval .*/schedule_interval 0:0:1/' -e 's/^flush_\\(.*\\)_sec .*/flush_\\1_sec 1/' \\
  -e 's/^job_load_adjustments .*/job_load_adjustments NONE/' >scheduling
qconf -Msconf scheduling`;
