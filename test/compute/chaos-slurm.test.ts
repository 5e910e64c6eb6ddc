/** One experiment on a real Slurm cluster, while anything that can happen to it and to the daemon happens at random. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AttemptRecord } from "../../packages/rigor/src/domain/records.ts";
import { seededRandom } from "../../packages/rigor/src/statistics/random.ts";
import { chaosSeed, expectOneExecutionEach, jobsOn, Mayhem, runScript } from "../chaos/elsewhere.ts";
import { eventually, experimentFile, TestLab } from "../chaos/lab.ts";
import { givenUp, Journal, whatIsRecorded } from "../chaos/victims.ts";
import { type SlurmCluster, slurmMissing, startSlurm } from "../clusters/slurm.ts";
import { type SshLab, sshMissing, startSshHosts } from "../clusters/ssh.ts";
import { countOf, mostInAMinute, noting, readCalls } from "./noted-calls.testing.ts";

const seed = chaosSeed();

const seedsPerArm = 30;
const callsPerMinute = 60;
const nodes = ["n1", "n2"] as const;
type NodeName = (typeof nodes)[number];

/** How often each happens. */
const events = {
  "kill daemon": 5,
  "kill wrapper": 3,
  "kill command": 3,
  "kill slurmd": 3,
  "kill slurmctld": 2,
  "stop slurmctld": 2,
  "crash node": 1,
  scancel: 3,
  "drop connections": 4,
  "cancel run": 3,
} as const;
type Happening = keyof typeof events;

/** How `squeue` lists for how long the jobs of a node run. */
const running = (node: NodeName): string[] => ["--array", "--states=RUNNING", `--nodelist=${node}`, "--format=%M"];

const programs = ["squeue", "sbatch", "scancel", "scontrol", "sacct"];

describe.skipIf((slurmMissing() ?? sshMissing()) !== null)(
  "an experiment on Slurm to which anything may happen",
  () => {
    let cluster: SlurmCluster;
    let hosts: SshLab;
    let lab: TestLab;
    let shared: string;

    beforeAll(async () => {
      cluster = await startSlurm();
      shared = join(cluster.scratch, "shared");
      mkdirSync(shared);
      hosts = await startSshHosts({
        login: {
          ...cluster.loginHost,
          programs: Object.fromEntries(
            programs.map((one) => [one, noting(one, `/usr/bin/${one}`, join(shared, "calls"))]),
          ),
        },
      });
      lab = new TestLab();
      const via = { ssh: "login", ssh_config: hosts.config };
      const marlowe = { kind: "slurm", via, workdir: `${cluster.scratch}/work`, calls_per_minute: callsPerMinute };
      lab.commit({
        "run.sh": runScript,
        "rigor.yaml": JSON.stringify({ compute: { marlowe } }),
        "experiment.yaml": experimentFile({
          compute: ["marlowe"],
          code: ["run.sh"],
          outputs: { artifacts: ["where.txt"] },
          resources: { cpus: 4 },
          seeds: { count: seedsPerArm },
          run: ["sh", "run.sh", shared],
          retry: { infrastructure: 10, code: 1 },
        }),
      });
    });

    afterAll(async () => {
      await lab.removeUnlessKept();
      await hosts.stop();
      await cluster.stop();
    });

    test(
      "ends every run in the right state once, names each cause, and keeps to the calls that are allowed [chaos.slurm] [compute.calls-per-minute] [F10] [F11] [F15] [F16]",
      { timeout: 900_000 },
      async ({ onTestFailed }) => {
        process.stdout.write(`RIGOR_CHAOS_SEED=${seed}\n`);
        const chaos = new Chaos(lab, cluster, hosts, seededRandom(seed));
        onTestFailed(async () => void process.stdout.write(`${chaos.clients.told}${await chaos.present()}`), 60_000);
        const administrator = chaos.administer();
        await chaos.run();
        process.stdout.write(`happened: ${JSON.stringify(Object.fromEntries(chaos.happened))}\n`);
        if (process.env["RIGOR_CHAOS_KEEP"] === "1") process.stdout.write(chaos.clients.told);

        // What was cancelled is asked for again.
        expect(await lab.cli("rerun", "small", "--failed")).toMatchObject({ status: 0 });
        expect(await lab.cli("run", "experiment.yaml", "--json")).toMatchObject({ status: 0 });
        chaos.finish();
        await administrator;
        expect(await lab.cli("down")).toMatchObject({ status: 0 });
        await eventually("an end of all processes", () => lab.processes().length === 0);
        for (const node of nodes)
          await eventually(`no job on ${node}`, async () => (await jobsOn(cluster.node(node))).length === 0);
        // That a job runs Slurm goes on to say after its node has crashed, until it asks the node.
        const waiting = () => cluster.client("squeue", "--noheader", "--states=PENDING", "--format=%i %T %r");
        await expect.poll(waiting).toBe("");

        const recorded = await whatIsRecorded(lab);
        const journal = new Journal(join(shared, "journal"));
        expect(recorded.differences).toEqual([]);
        expect(recorded.runs).toHaveLength(2 * seedsPerArm);
        expect(recorded.runs.filter(({ state }) => state !== "done")).toEqual([]);
        expectOneExecutionEach(recorded.attempts, recorded.events, journal, true);
        expectNamedCauses(recorded.attempts, chaos, givenUp(recorded.events));
        expectFewCalls(join(shared, "calls"));
      },
    );
  },
);

class Chaos extends Mayhem<Happening> {
  readonly #cluster: SlurmCluster;
  readonly #hosts: SshLab;
  /** Daemons of Slurm that are down, and will be started. */
  readonly #down = new Map<string, Promise<void>>();
  /** When the cluster lost jobs: its controller forgot them, or a node lost its power. Epoch milliseconds. */
  readonly losses: { from: number; until: number }[] = [];
  /** Jobs of Slurm that somebody else ended, as it names them. */
  readonly ended: string[] = [];
  #isOver = false;

  constructor(lab: TestLab, cluster: SlurmCluster, hosts: SshLab, random: () => number) {
    super(lab, events, random);
    this.#cluster = cluster;
    this.#hosts = hosts;
  }

  async run(): Promise<void> {
    const others = Promise.all([this.clients.follow(), this.clients.mend(() => "marlowe")]);
    await eventually("a first job on a node", async () => (await this.#jobs()).length > 0);
    await this.carryOut(2_000);
    await this.#allUp();
    this.clients.finish();
    await others;
  }

  /** Nothing is left for the administrator. */
  finish(): void {
    this.#isOver = true;
  }

  /** How it stands with the cluster and the laboratory, for people. */
  async present(): Promise<string> {
    const ask = (program: string, ...words: string[]) => this.#cluster.client(program, ...words).catch(String);
    return [
      await ask("sinfo", "--Node", "--format=%N %T %E"),
      await ask("squeue", "--array", "--states=all", "--format=%i %T %r %N %R"),
      ...["attempts", "runs"].map((table) =>
        JSON.stringify(this.lab.look(`select * from ${table} where state not in ('succeeded', 'done')`), null, 1),
      ),
    ].join("\n");
  }

  /**
   * What Slurm leaves to a person: nodes that it drained, and jobs that it holds, because a launch went wrong; and nodes
   * whose places are taken by jobs that ended while nobody could say so.
   */
  async administer(): Promise<void> {
    const ask = (program: string, ...words: string[]) => this.#cluster.client(program, ...words).catch(() => "");
    while (!this.#isOver) {
      await sleep(2_000);
      const states = await ask("sinfo", "--noheader", "--Node", "--partition=main", "--format=%N %T");
      for (const [, node = ""] of states.matchAll(/^(\S+) drain/gm)) {
        await ask("scontrol", "update", `NodeName=${node}`, "State=RESUME");
        this.clients.tell(`${node} resumed by the administrator`);
      }
      const held = await ask("squeue", "--noheader", "--array", "--states=PENDING", "--format=%i %r");
      for (const [, job = ""] of held.matchAll(/^(\S+) .*(?:requeued held|JobHeld)/gm)) {
        await ask("scontrol", "release", job);
        this.clients.tell(`${job} released by the administrator`);
      }
      for (const node of nodes) await this.#endGhosts(node, await ask("squeue", "--noheader", ...running(node)));
    }
    await this.#allUp();
  }

  async #allUp(): Promise<void> {
    while (this.#down.size > 0) await Promise.all(this.#down.values());
  }

  /**
   * A job that the controller believes to run, and that is on no node, is ended when its node registers. The controller
   * gives such a job 10 s to begin.
   */
  async #endGhosts(node: NodeName, times: string): Promise<void> {
    const old = [...times.matchAll(/^(?:(\d+):)?(\d+):(\d+)$/gm)].filter(
      ([, hours = 0, minutes = 0, seconds = 0]) => (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds) > 30,
    ).length;
    if (old === 0 || this.#down.size > 0) return;
    const there = await jobsOn(this.#cluster.node(node)).catch(() => null);
    if (there !== null && this.#down.size === 0 && old > new Set(there.map(({ attempt }) => attempt)).size)
      this.#registerAnew(node);
  }

  async #jobs() {
    return (await Promise.all(nodes.map((node) => jobsOn(this.#cluster.node(node))))).flat();
  }

  protected async let(what: Happening): Promise<boolean> {
    switch (what) {
      case "kill daemon":
        return this.clients.killDaemon();
      case "kill wrapper":
        return this.strike("wrapper", () => this.#someMachine());
      case "kill command":
        return this.strike("command", () => this.#someMachine());
      case "kill slurmd":
        return this.#interrupt(`slurmd-${await this.#someNode()}`, "KILL");
      case "kill slurmctld":
        return this.#interrupt("slurmctld", "KILL");
      case "stop slurmctld":
        return this.#interrupt("slurmctld", "TERM");
      case "crash node":
        return this.#crash();
      case "scancel":
        return this.#scancel();
      case "drop connections":
        this.clients.tell(`${await this.#hosts.host("login").dropConnections()} connections dropped`);
        return true;
      default:
        return this.clients.cancelRun();
    }
  }

  async #someMachine() {
    return this.#cluster.node(await this.#someNode());
  }

  /** One that is up. */
  async #someNode(): Promise<NodeName> {
    for (;;) {
      const up = nodes.filter((node) => !this.#down.has(`slurmd-${node}`));
      const node = this.someOf(up);
      if (node !== undefined) return node;
      await Promise.race(this.#down.values());
    }
  }

  /** Ends a daemon of Slurm and starts it some seconds later, while other things happen. */
  #interrupt(daemon: "slurmctld" | `slurmd-${NodeName}`, signal: "KILL" | "TERM"): boolean {
    if (this.#down.has(daemon)) return false;
    const seconds = 1 + this.random() * 4;
    this.#whileDown(daemon, async () => {
      const from = Date.now();
      await this.#cluster.end(daemon, signal);
      this.clients.tell(`${daemon} ended by ${signal} for ${seconds.toFixed(1)} s`);
      if (signal === "KILL") this.losses.push({ from, until: Date.now() });
      await sleep(seconds * 1_000);
      await this.#cluster.start(daemon);
      this.clients.tell(`${daemon} started`);
      if (daemon === "slurmctld" && signal === "KILL") this.#registerNodes();
    });
    return true;
  }

  /**
   * A controller that has read an old state again says of jobs that have ended that they run, and gives nobody their
   * place, until their nodes register: an administrator starts them anew.
   */
  #registerNodes(): void {
    for (const node of nodes.filter((one) => !this.#down.has(`slurmd-${one}`))) this.#registerAnew(node);
  }

  #registerAnew(node: NodeName): void {
    this.#whileDown(`slurmd-${node}`, async () => {
      await this.#cluster.end(`slurmd-${node}`, "TERM");
      await this.#cluster.start(`slurmd-${node}`);
      this.clients.tell(`slurmd-${node} started anew by the administrator`);
    });
  }

  /** The controller hears of it from somebody, as it would by its timeout. */
  async #crash(): Promise<boolean> {
    await this.#down.get("slurmctld");
    const node = await this.#someNode();
    this.#whileDown(`slurmd-${node}`, async () => {
      const from = Date.now();
      await this.#cluster.crashNode(node);
      this.losses.push({ from, until: Date.now() });
      this.clients.tell(`${node} crashed`);
      await sleep(3_000);
      await this.#down.get("slurmctld");
      await eventually(`that ${node} is declared down`, () =>
        this.#cluster.declareDown(node).then(
          () => true,
          () => false,
        ),
      );
      await this.#cluster.bootNode(node);
      this.clients.tell(`${node} booted`);
    });
    return true;
  }

  #whileDown(what: string, work: () => Promise<void>): void {
    this.#down.set(
      what,
      work().finally(() => this.#down.delete(what)),
    );
  }

  /** Somebody ends a job by Slurm's own command. */
  async #scancel(): Promise<boolean> {
    const answer = await this.#cluster
      .client("squeue", "--noheader", "--array", "--states=RUNNING,PENDING", "--format=%A %i %j")
      .catch(() => "");
    const jobs = answer.split("\n").filter((line) => line.includes("rigor-"));
    const [, job] = this.someOf(jobs)?.split(" ") ?? [];
    if (job === undefined) return false;
    const isDone = await this.#cluster.client("scancel", job).then(
      () => true,
      () => false,
    );
    if (isDone) this.ended.push(job);
    this.clients.tell(`scancel ${job}: ${isDone ? "yes" : "no"}`);
    return isDone;
  }
}

/** Every attempt that gave no result was struck, or cancelled, or the cluster lost it, and says so. */
function expectNamedCauses(attempts: readonly AttemptRecord[], chaos: Chaos, given: ReadonlySet<string>): void {
  const { struck, losses, ended } = chaos;
  const wrong = attempts.filter(({ id, state, category, evidence, exit, queued_at, finished_at }) => {
    const isLoss = losses.some(
      ({ from, until }) => Date.parse(queued_at) <= until && from <= Date.parse(finished_at ?? ""),
    );
    switch (state) {
      case "succeeded":
        return category !== null;
      case "failed":
        return !struck.command.has(id) || exit?.signal !== "KILL" || evidence === null;
      case "lost": {
        if (evidence === null || exit !== null) return true;
        if (evidence.startsWith("Slurm says CANCELLED of job"))
          return category !== "killed" || (ended.length === 0 && !isLoss);
        if (struck.wrapper.has(id)) {
          // A controller that was killed before it wrote down the end of a job calls it completed afterwards.
          const ends = isLoss ? /^Slurm says (?:FAILED|COMPLETED) of job/ : /^Slurm says FAILED of job/;
          return category !== "killed" || !ends.test(evidence) || !evidence.includes("left no record");
        }
        return !isLoss || !["node-failure", "not-started", "killed"].includes(category ?? "");
      }
      case "cancelled":
        return !given.has(id);
      default:
        return true;
    }
  });
  expect(wrong).toEqual([]);
}

/** All calls are within what is allowed, whoever died between them. */
function expectFewCalls(notes: string): void {
  const calls = readCalls(notes);
  const counts = programs.map((one) => `${one} ${countOf(calls, new RegExp(`^${one} `))}`);
  process.stdout.write(`calls: ${counts.join(", ")}; ${mostInAMinute(calls)} in a minute\n`);
  expect(countOf(calls, /^squeue /)).toBeGreaterThan(0);
  expect(mostInAMinute(calls)).toBeLessThanOrEqual(callsPerMinute);
}
