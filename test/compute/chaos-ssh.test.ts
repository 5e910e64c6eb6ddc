/** One experiment on two hosts over SSH, while anything that can happen to them and to the daemon happens at random. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AttemptRecord } from "../../packages/rigor/src/domain/records.ts";
import type { LoggedEvent } from "../../packages/rigor/src/store/store.ts";
import { seededRandom } from "../../packages/rigor/src/statistics/random.ts";
import { chaosSeed, expectOneExecutionEach, jobsOn, Mayhem, runScript } from "../chaos/elsewhere.ts";
import { eventually, experimentFile, TestLab } from "../chaos/lab.ts";
import { givenUp, Journal, whatIsRecorded } from "../chaos/victims.ts";
import { type SshLab, sshMissing, startSshHosts } from "../clusters/ssh.ts";

const seed = chaosSeed();

const hostNames = ["hostA", "hostB"] as const;
type HostName = (typeof hostNames)[number];
const cpus = 2;
const seedsPerArm = 15;

/** How often each happens. */
const events = {
  "kill daemon": 5,
  "kill wrapper": 4,
  "kill command": 3,
  "drop connections": 6,
  freeze: 3,
  refuse: 1,
  crash: 2,
  "cancel run": 5,
} as const;
type Happening = keyof typeof events;

/** Seconds for which a host is frozen: the last is longer than ssh waits for an answer. */
const freezes = [2, 4, 25];

describe.skipIf(sshMissing() !== null)("an experiment on hosts over SSH to which anything may happen", () => {
  let hosts: SshLab;
  let lab: TestLab;
  let shared: string;

  beforeAll(async () => {
    lab = new TestLab();
    shared = join(lab.directory, "shared");
    mkdirSync(shared);
    hosts = await startSshHosts({ hostA: { shared: [shared] }, hostB: { shared: [shared], shell: "/bin/dash" } });
    const compute = (host: HostName) => ({ kind: "ssh", host, ssh_config: hosts.config, cpus });
    lab.commit({
      "run.sh": runScript,
      "rigor.yaml": JSON.stringify({ compute: Object.fromEntries(hostNames.map((name) => [name, compute(name)])) }),
      "longer.yaml": experimentFile({
        name: "longer",
        compute: hostNames,
        code: ["run.sh"],
        seeds: [2],
        run: `sleep 8; sh run.sh ${shared}`,
      }),
      "experiment.yaml": experimentFile({
        compute: hostNames,
        code: ["run.sh"],
        outputs: { artifacts: ["where.txt"] },
        seeds: { count: seedsPerArm },
        run: ["sh", "run.sh", shared],
        retry: { infrastructure: 10, code: 1 },
      }),
    });
  });

  afterAll(async () => {
    await hosts.stop();
    await lab.removeUnlessKept();
  });

  test(
    "ends every run once, each in the right state with its cause, and concludes nothing from silence [chaos.ssh] [compute.ssh-runs] [job.left-behind]",
    { timeout: 900_000 },
    async ({ onTestFailed }) => {
      process.stdout.write(`RIGOR_CHAOS_SEED=${seed}\n`);
      const chaos = new Chaos(lab, hosts, seededRandom(seed));
      onTestFailed(() => void process.stdout.write(chaos.clients.told));
      await chaos.run();
      process.stdout.write(`happened: ${JSON.stringify(Object.fromEntries(chaos.happened))}\n`);
      if (process.env["RIGOR_CHAOS_KEEP"] === "1") process.stdout.write(chaos.clients.told);

      // What was cancelled is asked for again.
      expect(await lab.cli("rerun", "small", "--failed")).toMatchObject({ status: 0 });
      const last = await lab.cli("run", "experiment.yaml", "--json");
      expect(last).toMatchObject({ status: 0 });
      const { hosts: seen } = await lab.json<{ hosts: { name: string; cpus_used: number }[] }>("status");
      expect(seen.filter(({ cpus_used }) => cpus_used > 0)).toEqual([]);
      expect(await lab.cli("down")).toMatchObject({ status: 0 });
      await eventually("an end of all processes", () => lab.processes().length === 0);
      for (const name of hostNames) {
        await expect.poll(() => jobsOn(hosts.host(name))).toEqual([]);
        await expect.poll(() => hosts.host(name).run("pgrep -x sleep || :")).toBe("");
      }

      const recorded = await whatIsRecorded(lab);
      const journal = new Journal(join(shared, "journal"));
      expect(recorded.differences).toEqual([]);
      expect(recorded.runs).toHaveLength(2 * seedsPerArm);
      expect(recorded.runs.filter(({ state }) => state !== "done")).toEqual([]);
      expectOneExecutionEach(recorded.attempts, recorded.events, journal);
      expectNamedCauses(recorded.attempts, chaos, journal, givenUp(recorded.events));
      expectNothingFromSilence(recorded.events, recorded.attempts, chaos.silences);
    },
  );

  test("a daemon ends soon while a host does not answer, and the next one finds what ended meanwhile [daemon.graceful] [chaos.ssh]", async () => {
    expect(await lab.cli("run", "longer.yaml", "--detach")).toMatchObject({ status: 0 });
    const running = async () => (await Promise.all(hostNames.map((name) => jobsOn(hosts.host(name))))).flat().length;
    await eventually("both runs on hosts", async () => (await running()) >= 2);
    await Promise.all(hostNames.map((name) => hosts.host(name).freeze()));
    // By now somebody waits for an answer.
    await sleep(4_000);
    const began = performance.now();
    expect(await lab.cli("down")).toMatchObject({ status: 0 });
    // It would be long after that host was given up, which takes ssh some 20 s.
    expect(performance.now() - began).toBeLessThan(18_000);
    await eventually("an end of all jobs", async () => (await running()) === 0);
    await Promise.all(hostNames.map((name) => hosts.host(name).thaw()));
    expect(await lab.cli("run", "longer.yaml")).toMatchObject({ status: 0 });
  });
});

/** A time in which a host could not answer, in epoch milliseconds. */
interface Silence {
  host: HostName;
  from: number;
  until: number;
}

/** What happens, by a plan that the seed gives. Nothing else happens to a host that is frozen or down. */
class Chaos extends Mayhem<Happening> {
  readonly #hosts: SshLab;
  readonly #busy = new Map<HostName, Promise<void>>();
  readonly #freezes = [...freezes];
  readonly silences: Silence[] = [];
  readonly crashes: Silence[] = [];

  constructor(lab: TestLab, hosts: SshLab, random: () => number) {
    super(lab, events, random);
    this.#hosts = hosts;
  }

  async run(): Promise<void> {
    const others = Promise.all([this.clients.follow(), this.clients.mend(hostOf)]);
    await eventually("a first run on a host", async () => {
      const jobs = await Promise.all(hostNames.map((name) => jobsOn(this.#hosts.host(name))));
      return jobs.flat().length > 0;
    });
    await this.carryOut(1_500);
    await Promise.all(this.#busy.values());
    this.clients.finish();
    await others;
  }

  protected async let(what: Happening): Promise<boolean> {
    switch (what) {
      case "kill daemon":
        return this.clients.killDaemon();
      case "kill wrapper":
        return this.strike("wrapper", () => this.#someMachine());
      case "kill command":
        return this.strike("command", () => this.#someMachine());
      case "drop connections":
        return this.#dropConnections(await this.#someHost());
      case "cancel run":
        return this.clients.cancelRun();
      default:
        return this.#silence(what, await this.#someHost());
    }
  }

  async #dropConnections(name: HostName): Promise<boolean> {
    this.clients.tell(`${await this.#hosts.host(name).dropConnections()} connections of ${name} dropped`);
    return true;
  }

  async #someMachine() {
    return this.#hosts.host(await this.#someHost());
  }

  /** One that can be reached, so far as this class knows. */
  async #someHost(): Promise<HostName> {
    for (;;) {
      const free = hostNames.filter((name) => !this.#busy.has(name));
      const host = this.someOf(free);
      if (host !== undefined) return host;
      await Promise.race(this.#busy.values());
    }
  }

  /** Goes on by itself for some seconds, while other things happen. */
  #silence(what: "freeze" | "refuse" | "crash", name: HostName): boolean {
    const host = this.#hosts.host(name);
    const seconds = what === "freeze" ? (this.#freezes.pop() ?? 2) : 1 + this.random() * 4;
    const silence = async (): Promise<void> => {
      const begun = Date.now();
      await { freeze: () => host.freeze(), refuse: () => host.refuse(), crash: () => host.crash() }[what]();
      const from = Date.now();
      if (what === "crash") this.crashes.push({ host: name, from: begun, until: from });
      this.clients.tell(`${what} of ${name} for ${seconds.toFixed(1)} s`);
      await sleep(seconds * 1_000);
      this.silences.push({ host: name, from, until: Date.now() });
      await { freeze: () => host.thaw(), refuse: () => host.serve(), crash: () => host.boot() }[what]();
    };
    const work = silence().finally(() => this.#busy.delete(name));
    this.#busy.set(name, work);
    return true;
  }
}

function hostOf(computeId: string): HostName {
  const name = hostNames.find((one) => computeId.startsWith(`ssh:${one}#`));
  if (name === undefined) throw new Error(`${computeId} rests`);
  return name;
}

const rebooted = "The host was started anew while it ran.";
const died = "Its process died without a record of its end.";
const hardlyBegun = "Its script died before it could start the run, or the host was started anew.";

/** Every attempt that gave no result was struck, or cancelled, or was on a host when that lost its power. */
function expectNamedCauses(
  attempts: readonly AttemptRecord[],
  { struck, crashes }: Chaos,
  journal: Journal,
  given: ReadonlySet<string>,
): void {
  const places = new Map(journal.lines("start").map(([id = "", host = ""]) => [id, host]));
  const wrong = attempts.filter(({ id, state, category, evidence, exit, queued_at, finished_at, compute }) => {
    switch (state) {
      case "succeeded":
        return category !== null || places.get(id) !== compute;
      case "failed":
        return !struck.command.has(id) || exit?.signal !== "KILL" || evidence === null;
      case "lost": {
        const during = crashes.some(
          ({ host, from, until }) =>
            host === compute && Date.parse(queued_at) <= until && from <= Date.parse(finished_at ?? ""),
        );
        // A script that was killed right before its host crashed tells of the later of the two.
        const happened: Record<string, boolean> = {
          [rebooted]: during,
          [died]: struck.wrapper.has(id),
          // A script that is killed before it has recorded its process looks like one whose host crashed then.
          [hardlyBegun]: during || struck.wrapper.has(id),
        };
        return category !== "node-failure" || exit !== null || happened[evidence ?? ""] !== true;
      }
      case "cancelled":
        return !given.has(id);
      default:
        return true;
    }
  });
  expect(wrong).toEqual([]);
}

/** Milliseconds in which what a host said before it fell silent may still be written down. */
const echo = 3_000;

/** No attempt is given up while its host cannot say how it stands. One that succeeded has its host's word. */
function expectNothingFromSilence(
  log: readonly LoggedEvent[],
  attempts: readonly AttemptRecord[],
  silences: readonly Silence[],
): void {
  const places = new Map<string, string>(attempts.map(({ id, compute }) => [id, compute]));
  const well = new Set<string>(attempts.filter(({ state }) => state === "succeeded").map(({ id }) => id));
  const concluded = log.filter(({ kind, entity, time }) => {
    const at = Date.parse(time);
    const isSilent = ({ host, from, until }: Silence) => host === places.get(entity) && at > from + echo && at < until;
    return kind === "attempt.finished" && !well.has(entity) && silences.some(isSilent);
  });
  expect(concluded).toEqual([]);
}
