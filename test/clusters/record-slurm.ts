/**
 * Records what Slurm answers, for tests that read its answers without a cluster:
 *
 *     npx node test/clusters/record-slurm.ts packages/rigor/src/compute/fixtures/slurm-22.05
 *
 * As root on Debian 12, in about four minutes. Commands run on a login host, and the cluster's directory is written as
 * `/cluster`, so that nothing of the machine gets into the files.
 */
import { execFile } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "./host.ts";
import { type SlurmCluster, startSlurm } from "./slurm.ts";
import type { SlurmOptions } from "./slurm-settings.ts";
import { type SshLab, startSshHosts } from "./ssh.ts";

const waitLimitMs = 180_000;
/** Ends each field, and appears in none. */
const mark = "|=|";
/** What Rigor asks for: the reader of these answers counts the fields. */
const queueFields = ["ArrayJobID", "ArrayTaskID", "State", "RestartCnt", "BatchHost", "exit_code", "Name", "Reason"];
const historyFields = ["JobID", "State", "ExitCode", "NodeList", "JobName", "Reason"];
/** Options that say what is printed, as the tables of answers name them. */
const formats = {
  QUEUE: `--Format="${queueFields.map((field) => `${field}:0${mark}`).join(",")}"`,
  QUEUE_WIDE: '--format="%i|%F|%K|%A|%T|%t|%r|%N|%V|%S|%e|%L|%k|%j"',
  HISTORY: `--noheader --parsable --delimiter="${mark}" --format=${historyFields.join(",")}`,
  HISTORY_WIDE:
    "--noheader --parsable2 --format=JobID,JobIDRaw,State,ExitCode,DerivedExitCode,Reason,NodeList,Submit,Start,End,Comment,JobName",
};
const oddName = `'a b|c "d" $e;\né'`;

interface Answer {
  status: number;
  stdout: string;
  stderr: string;
}

/** One cluster with a login host, whose answers go to a directory. */
class Recorder {
  readonly cluster: SlurmCluster;
  readonly #lab: SshLab;
  readonly #directory: string;
  readonly #accounting: boolean;
  readonly #rows: string[] = [];

  constructor(cluster: SlurmCluster, lab: SshLab, directory: string, accounting: boolean) {
    this.cluster = cluster;
    this.#lab = lab;
    this.#directory = directory;
    this.#accounting = accounting;
  }

  static async start(directory: string, options: SlurmOptions): Promise<Recorder> {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    const cluster = await startSlurm(options);
    const lab = await startSshHosts({ login: cluster.loginHost });
    return new Recorder(cluster, lab, directory, options.accounting === true);
  }

  /** Writes the table of answers and ends the cluster. */
  async finish(title: string): Promise<void> {
    const options = Object.entries(formats).map(([name, format]) => `    ${name}='${format}'`);
    const table = ["| answer | command | exit | seconds |", "| --- | --- | --- | --- |", ...this.#rows];
    const text = [`# ${title}`, "", "Options that say what is printed:", "", ...options, "", ...table, ""];
    writeFileSync(join(this.#directory, "README.md"), text.join("\n"));
    await this.#lab.stop();
    await this.cluster.stop();
  }

  /** Runs a command on the login host, in the directory that all hosts share. */
  #run(command: string): Promise<Answer> {
    const site = dirname(this.cluster.scratch);
    const script = `cd ${this.cluster.scratch}; ${command}`;
    return new Promise((answer) => {
      execFile("ssh", ["-F", this.#lab.config, "login", script], (error, stdout, stderr) => {
        const [out = "", err = ""] = [stdout, stderr].map((text) =>
          text.replaceAll(site, "/cluster").replaceAll(/ OS=.*(?= RealMemory=)/g, " OS=Linux"),
        );
        answer({ status: error === null ? 0 : Number(error.code), stdout: out, stderr: err });
      });
    });
  }

  /** Runs a command and keeps its answer under a name. */
  async record(name: string, command: string): Promise<void> {
    const start = performance.now();
    const { status, stdout, stderr } = await this.#run(command);
    const seconds = (performance.now() - start) / 1000;
    if (stdout !== "") writeFileSync(join(this.#directory, `${name}.stdout`), stdout);
    if (stderr !== "") writeFileSync(join(this.#directory, `${name}.stderr`), stderr);
    if (status !== 0) writeFileSync(join(this.#directory, `${name}.exit`), `${status}\n`);
    const time = seconds < 2 ? "" : seconds.toFixed(0);
    const named = Object.entries(formats).reduce((text, [key, format]) => text.replaceAll(format, `$${key}`), command);
    this.#rows.push(`| ${name} | \`${named.replaceAll("|", "\\|")}\` | ${status} | ${time} |`);
  }

  /** Submits a job and returns its id; what it does is the last argument of `sbatch`. */
  async submit(options: string, script: string): Promise<string> {
    const { status, stdout, stderr } = await this.#run(`sbatch --parsable ${options} --wrap ${quote(script)}`);
    if (status !== 0) throw new Error(`sbatch ${options}: ${stderr}`);
    return stdout.trim();
  }

  async act(command: string): Promise<void> {
    const { status, stderr } = await this.#run(command);
    if (status !== 0) throw new Error(`${command}: ${stderr}`);
  }

  async reach(state: RegExp, ...jobs: string[]): Promise<void> {
    for (const job of jobs) {
      let last = "";
      const reached = async () => {
        last = await this.cluster.state(job);
        return state.test(last);
      };
      await until(reached, waitLimitMs, () => `Job ${job} is ${last}, not ${String(state)}.`);
    }
  }

  /** Keeps what the cluster says of all its jobs. */
  async snapshot(moment: string): Promise<void> {
    const all = "--noheader --states=all";
    await this.record(`squeue-${moment}`, `squeue ${all} --array ${formats.QUEUE}`);
    await this.record(`squeue-${moment}-collapsed`, `squeue ${all} ${formats.QUEUE}`);
    await this.record(`squeue-${moment}-wide`, `squeue ${all} --array ${formats.QUEUE_WIDE}`);
    await this.record(`scontrol-${moment}`, "scontrol --oneliner show job");
    if (!this.#accounting) return;
    const history = "sacct --allocations --starttime=now-1day";
    await this.record(`sacct-${moment}`, `${history} ${formats.HISTORY}`);
    await this.record(`sacct-${moment}-duplicates`, `${history} --duplicates ${formats.HISTORY}`);
    await this.record(`sacct-${moment}-wide`, `${history} --duplicates ${formats.HISTORY_WIDE}`);
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

async function aboutCluster(recorder: Recorder): Promise<void> {
  await recorder.record("version", "sbatch --version");
  await recorder.record("scontrol-ping", "scontrol ping");
  await recorder.record("scontrol-config", "scontrol show config | grep -vE 'BOOT_TIME|HZ|Node ID|SLURM_CONF'");
  await recorder.record("scontrol-partition", "scontrol --oneliner show partition");
  await recorder.record("scontrol-node", "scontrol --oneliner show node");
  await recorder.record("sinfo", 'sinfo --noheader --format="%R|%a|%l|%D|%t|%c|%m|%G|%N"');
  await recorder.record("sinfo-unknown-partition", "sinfo --noheader --partition=nowhere");
}

async function refusedSubmissions(recorder: Recorder): Promise<void> {
  const refused: Record<string, string> = {
    "bad-partition": "--partition=nowhere",
    "bad-account": "--account=nobody",
    "bad-qos": "--qos=nothing",
    "bad-time": "--time=banana",
    "long-time": "--partition=short --time=10",
    "large-array": "--array=0-1001",
    "bad-array": "--array=5-1",
    "bad-gres": "--gres=tpu:1",
    "many-gpus": "--gres=gpu:9",
    "many-cpus": "--cpus-per-task=1000",
    "much-memory": "--mem=1000G",
    "many-nodes": "--nodes=9",
    "bad-dependency": "--dependency=afterok:999999",
    "bad-feature": "--constraint=a100",
    "bad-option": "--nonsense",
    "bad-directory": "--chdir=/nowhere",
  };
  for (const [name, options] of Object.entries(refused)) {
    await recorder.record(`sbatch-${name}`, `sbatch --parsable ${options} --wrap true`);
  }
  await recorder.record("sbatch-no-script", "sbatch --parsable missing.sh");
  await recorder.record("sbatch-no-shebang", "echo true >plain.sh; sbatch --parsable plain.sh");
  await recorder.act("scancel --user=root");
}

/** One job in each state that a job can wait or run in. */
async function waitingAndRunning(recorder: Recorder): Promise<void> {
  // Those that run come first: a job that waits for GPUs keeps later and longer ones from its nodes.
  const hog = await recorder.submit("--nodes=2 --gres=gpu:2 --time=30 --job-name=running", "sleep 1000");
  const throttled = await recorder.submit("--array=1-4%1 --job-name=throttled", "sleep 1000");
  const special = await recorder.submit("--job-name=special-exit", "sleep 1000");
  const suspended = await recorder.submit("--job-name=suspended", "sleep 1000");
  const hanging = await recorder.submit("--nodelist=n2 --job-name=completing", "sleep 1000");
  const failing = await recorder.submit("--job-name=fails", "false");
  await recorder.reach(/^RUNNING$/, hog, `${throttled}_1`, special, suspended, hanging);
  await recorder.reach(/^FAILED$/, failing);
  await recorder.submit(`--gres=gpu:1 --comment=token-1 --job-name=${oddName}`, "true");
  await recorder.submit("--gres=gpu:1 --comment=token-2 --array=1-3,7", "true");
  await recorder.submit(`--dependency=afterok:${hog} --job-name=dependency`, "true");
  await recorder.submit("--hold --job-name=held", "true");
  const admin = await recorder.submit("--begin=now+1hour --job-name=held-by-admin", "true");
  await recorder.act(`scontrol hold ${admin}`);
  await recorder.submit("--begin=now+1hour --job-name=begin", "true");
  await recorder.submit("--partition=short --time=10 --job-name=partition-limit", "true");
  await recorder.submit(`--dependency=afterok:${failing} --job-name=never-satisfied`, "true");
  await recorder.act(`scontrol requeuehold State=SpecialExit ${special}`);
  await recorder.act(`scontrol suspend ${suspended}`);
  await recorder.act("scontrol update NodeName=n1 State=DRAIN Reason=maintenance");
  await recorder.submit("--nodelist=n1 --job-name=drained-node", "true");
  await recorder.cluster.end("slurmd-n2");
  await recorder.act(`scancel ${hanging}`);
  await recorder.reach(/^COMPLETING$/, hanging);
  await sleep(4000);
  await recorder.snapshot("waiting");
  await recorder.record("sinfo-drained", 'sinfo --noheader --Node --format="%N|%T|%E"');
  await recorder.cluster.start("slurmd-n2");
  await recorder.act("scontrol update NodeName=n1 State=RESUME");
  await recorder.act(`scontrol resume ${suspended}`);
  await recorder.act("scancel --user=root");
  await recorder.reach(/^CANCELLED$/, hog, suspended, hanging);
}

/** One job for each way to end, and for each way to be queued again. Returns an id of a job that has ended. */
async function endings(recorder: Recorder): Promise<string> {
  const { cluster } = recorder;
  const limited = await recorder.submit("--partition=short --job-name=time-limit", "sleep 1000");
  await recorder.reach(/^RUNNING$/, limited);
  await cluster.expire(limited);
  const ended = await recorder.submit("--job-name=completes --comment=token-3", "true");
  await recorder.submit("--job-name=signal", "kill -SEGV $$");
  await recorder.submit("--job-name=missing-command", "no-such-command");
  const hungry = await recorder.submit("--mem=50M --job-name=memory", `python3 -c "x = b'a' * 300_000_000"`);
  const array = await recorder.submit(
    "--array=1-6 --comment=token-4",
    "case $SLURM_ARRAY_TASK_ID in 3) exit 3 ;; 4) kill -KILL $$ ;; 5) sleep 1000 ;; esac",
  );
  await recorder.reach(/^RUNNING$/, `${array}_5`);
  await recorder.act(`scancel ${array}_5`);
  const waits = await recorder.submit("--begin=now+1hour --job-name=cancelled-while-waiting", "true");
  await recorder.act(`scancel ${waits}`);
  await recorder.reach(/^(COMPLETED|FAILED|CANCELLED|\n)+$/, array);
  await recorder.reach(/^OUT_OF_MEMORY$/, hungry);
  await recorder.reach(/^TIMEOUT$/, limited);

  const busy = await recorder.submit("--nodes=2 --gres=gpu:2 --job-name=cancelled", "sleep 1000");
  await recorder.reach(/^RUNNING$/, busy);
  const late = await recorder.submit("--gres=gpu:1 --time=1 --deadline=now+65 --job-name=deadline", "true");
  await recorder.reach(/^DEADLINE$/, late);
  await recorder.act(`scancel ${busy}`);

  const preempted = "--partition=preempt --gres=gpu:2";
  const lost = await recorder.submit(`${preempted} --no-requeue --job-name=preempted`, "sleep 1000");
  const again = await recorder.submit(`${preempted} --requeue --job-name=preempted-and-requeued`, "sleep 1000");
  await recorder.reach(/^RUNNING$/, lost, again);
  const urgent = await recorder.submit("--partition=urgent --nodes=2 --gres=gpu:2", "sleep 1");
  await recorder.reach(/^PREEMPTED$/, lost);
  await recorder.reach(/^PENDING$/, again);
  await recorder.reach(/^COMPLETED$/, urgent);

  const node = "--nodelist=n1";
  const fails = await recorder.submit(`${node} --no-requeue --job-name=node-fails`, "sleep 1000");
  const moves = await recorder.submit(`${node} --requeue --job-name=node-fails-and-requeued`, "sleep 1000");
  await recorder.reach(/^RUNNING$/, fails, moves);
  await cluster.crashNode("n1");
  await recorder.snapshot("silent-node");
  await cluster.declareDown("n1");
  await recorder.reach(/^NODE_FAIL$/, fails);
  await recorder.reach(/^PENDING$/, moves);
  await recorder.snapshot("ended");
  await cluster.bootNode("n1");
  await recorder.reach(/^RUNNING$/, again, moves);
  await recorder.snapshot("restarted");
  return ended;
}

async function unknownJobs(recorder: Recorder, known: string): Promise<void> {
  const job = "--noheader --states=all --format='%i|%T'";
  await recorder.record("squeue-unknown", `squeue ${job} --jobs=999999`);
  await recorder.record("squeue-some-unknown", `squeue ${job} --jobs=${known},999999`);
  await recorder.record("squeue-unknown-task", `squeue ${job} --jobs=${known}_3`);
  await recorder.record("squeue-only-job-state", "squeue --only-job-state");
  await recorder.record("scontrol-unknown", "scontrol --oneliner show job 999999");
  await recorder.record("scancel-unknown", "scancel 999999");
  await recorder.record("scancel-ended", `scancel --verbose ${known}`);
  await recorder.record("scancel-some-unknown", `scancel ${known} 999999`);
}

async function plainCluster(directory: string): Promise<void> {
  const recorder = await Recorder.start(join(directory, "plain"), { memoryLimits: true, requeueDelay: 15 });
  await aboutCluster(recorder);
  await refusedSubmissions(recorder);
  const job = await recorder.submit("--comment=token-0 --array=1-2", "true");
  await recorder.reach(/^COMPLETED\nCOMPLETED$/, job);
  await recorder.record("squeue-json", "squeue --json");
  await waitingAndRunning(recorder);
  const ended = await endings(recorder);
  await unknownJobs(recorder, ended);
  await recorder.record("sacct-disabled", "sacct --noheader");
  await recorder.cluster.end("munged");
  await recorder.record("squeue-no-munge", `squeue --noheader ${formats.QUEUE}`);
  await recorder.record("sbatch-no-munge", "sbatch --parsable --wrap true");
  await recorder.cluster.start("munged");
  await recorder.cluster.ready();
  await recorder.cluster.end("slurmctld", "TERM");
  await recorder.record("squeue-no-controller", `squeue --noheader ${formats.QUEUE}`);
  await recorder.record("sbatch-no-controller", "sbatch --parsable --wrap true");
  await recorder.record("scancel-no-controller", `scancel ${ended}`);
  await recorder.finish("Without job history");
}

async function accountingCluster(directory: string): Promise<void> {
  const recorder = await Recorder.start(join(directory, "accounting"), {
    accounting: true,
    memoryLimits: true,
    requeueDelay: 15,
  });
  await recorder.record("sbatch-bad-account", "sbatch --parsable --account=nobody --wrap true");
  await recorder.record("sbatch-bad-qos", "sbatch --parsable --qos=nothing --wrap true");
  await recorder.record("sacctmgr-associations", "sacctmgr --noheader --parsable2 show associations");
  await recorder.act("sacctmgr --immediate modify user root where account=lab set MaxJobs=1 MaxSubmitJobs=3");
  const limited = await recorder.submit("--account=lab --job-name=association", "sleep 1000");
  await recorder.reach(/^RUNNING$/, limited);
  await recorder.submit("--account=lab --array=1-2 --job-name=association-limit", "true");
  await recorder.record("sbatch-many-jobs", "sbatch --parsable --account=lab --wrap true");
  await sleep(4000);
  await recorder.snapshot("limits");
  await recorder.act("scancel --user=root");
  const ended = await endings(recorder);
  await recorder.act("scancel --user=root");
  await sleep(4000);
  await recorder.snapshot("cancelled");
  await recorder.record("sacct-steps", `sacct --jobs=${ended} ${formats.HISTORY}`);
  await recorder.record("sacct-unknown", `sacct --jobs=999999 ${formats.HISTORY}`);
  await recorder.cluster.end("slurmdbd");
  await recorder.record("sacct-no-slurmdbd", `sacct --jobs=${ended} ${formats.HISTORY}`);
  await recorder.record("sbatch-no-slurmdbd", "sbatch --parsable --wrap true");
  await recorder.finish("With job history (slurmdbd)");
}

async function strictCluster(directory: string): Promise<void> {
  const recorder = await Recorder.start(join(directory, "strict"), {
    settings: [
      "EnforcePartLimits=ALL",
      "PartitionName=closed Nodes=ALL State=DOWN",
      "PartitionName=theirs Nodes=ALL AllowGroups=nogroup",
      "PartitionName=lab Nodes=ALL AllowAccounts=lab",
    ],
  });
  await recorder.record("sbatch-long-time", "sbatch --parsable --partition=short --time=10 --wrap true");
  await recorder.record("sbatch-many-nodes", "sbatch --parsable --nodes=9 --wrap true");
  await recorder.record("sbatch-closed-partition", "sbatch --parsable --partition=closed --wrap true");
  await recorder.record("sbatch-forbidden-partition", "sbatch --parsable --partition=theirs --wrap true");
  await sleep(2000);
  await recorder.snapshot("closed");
  await recorder.finish("Limits of partitions enforced at submission");
}

const about = `# Answers of Slurm 22.05.8

Made by \`npx node test/clusters/record-slurm.ts DIRECTORY\` on the real cluster of \`test/clusters/slurm.ts\`: Debian 12,
two nodes with two GPUs each, root as the only user. That program says how each job came to its state; the table in each
directory says which command gave which answer. A file that is missing was empty, and \`.exit\` is missing for 0. The
cluster's own directory is written as \`/cluster\`.

- \`plain/\`: no job history. \`accounting/\`: \`slurmdbd\`, accounts enforced. \`strict/\`: \`EnforcePartLimits=ALL\`.
- \`*-waiting\`: one job for each reason to wait, and in each state that is not an end, array members among them.
- \`*-silent-node\`: n1 has just crashed, and nobody knows. \`*-ended\`: one job for each way to end, those that were queued
  again still wait. \`*-restarted\`: those run again. \`*-cancelled\`: everything was cancelled.

What is easily overlooked:

- The members of an array that wait are one record with \`2-4%1\`, and once cancelled together one record whose task is
  \`N/A\`, with \`--array\` too. The history calls it \`2_[1-2]\`.
- A job that was queued again is PENDING for the queue, but PREEMPTED or NODE_FAIL in the history until it starts again;
  with \`--duplicates\` each try is a record.
- \`squeue\` gives the exit as the status of \`wait\` (\`256\` is code 1, \`9\` is signal 9), and OUT_OF_MEMORY as 253; \`sacct\`
  gives \`1:0\`, \`0:9\`, \`0:125\`. A job killed by a signal is FAILED with the reason JobLaunchFailure.
- Refused submissions exit with 1, those that \`sbatch\` cannot read with 255. Without accounting an unknown account or QOS
  is accepted. A limit of a partition that is not enforced lets a job wait for ever (PartitionTimeLimit,
  PartitionNodeLimit, PartitionConfig).
- A job that no node can run (\`sbatch-many-gpus\`) is refused, and yet leaves a FAILED record (BadConstraints).
- \`squeue\` for an unknown job exits with 1, for several of which one is known with 0. \`scancel\` of an unknown job says
  nothing and exits with 0.
- Without a controller a client tries for about ten seconds, without munge for almost a minute.
- \`AllowGroups\` of a partition does not hold for root (\`strict/sbatch-forbidden-partition\`).
- \`--only-job-state\` does not exist. \`squeue --json\` does, and lists all jobs whatever else is asked.
- Not reached: BOOT_FAIL, REVOKED, CONFIGURING, RESIZING, STAGE_OUT, STOPPED, REQUEUE_FED, REQUEUE_HOLD.
`;

const directory = process.argv[2];
if (directory === undefined) throw new Error("Give the directory for the answers.");
await Promise.all([plainCluster(directory), accountingCluster(directory), strictCluster(directory)]);
writeFileSync(join(directory, "README.md"), about);
