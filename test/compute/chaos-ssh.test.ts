/** One experiment on two hosts over SSH, while anything that can happen to them and to the daemon happens at random. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AttemptRecord } from "../../packages/rigor/src/domain/records.ts";
import type { LoggedEvent } from "../../packages/rigor/src/store/store.ts";
import { seededRandom } from "../../packages/rigor/src/statistics/random.ts";
import { eventually, experimentFile, killIfThere, TestLab } from "../chaos/lab.ts";
import { givenUp, Journal, victimsOf, whatIsRecorded } from "../chaos/victims.ts";
import { type SshHost, type SshLab, sshMissing, startSshHosts } from "../clusters/ssh.ts";

/** Set `RIGOR_CHAOS_SEED` to repeat the choices; what the machine does meanwhile differs all the same. */
const seed = Number(process.env["RIGOR_CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

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

/**
 * Writes to the journal, which all hosts share, that it begins and that it ends. A lock that is held as long as any of its
 * processes lives shows two attempts of one run at one time, on whatever hosts. Some leave a process behind.
 */
const script = `
place=$1
attempt=\${RIGOR_OUTPUT%/output} attempt=\${attempt##*/}
say() { printf '%s\\n' "$*" >>"$place/journal"; }
exec 9>"$place/lock-$RIGOR_RUN_ID"
flock -n 9 || say overlap "$attempt"
read -r host </proc/sys/kernel/hostname
say start "$attempt" "$host"
case $RIGOR_SEED in *1) setsid sleep 600 9>&- & ;; esac
echo "$attempt begins"
sleep "$((RIGOR_SEED % 3 + 1)).$((RIGOR_SEED % 10))"
echo "$attempt" >"$RIGOR_OUTPUT/where.txt"
printf '{"metrics":{"loss":1.%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
say end "$attempt" "$host"
`;

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
      "run.sh": script,
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

  /** `RIGOR_CHAOS_KEEP=1` leaves the files of this machine as they are when the test ends, to be looked at. */
  afterAll(async () => {
    await hosts.stop();
    if (process.env["RIGOR_CHAOS_KEEP"] === "1") process.stdout.write(`kept: ${lab.directory}\n`);
    else await lab.remove();
  });

  test(
    "ends every run once, each in the right state with its cause, and concludes nothing from silence [chaos.ssh] [compute.ssh-runs] [job.left-behind]",
    { timeout: 400_000 },
    async () => {
      process.stdout.write(`RIGOR_CHAOS_SEED=${seed}\n`);
      const chaos = new Chaos(lab, hosts, seededRandom(seed));
      await chaos.run();
      process.stdout.write(`happened: ${JSON.stringify(Object.fromEntries(chaos.happened))}\n`);
      if (process.env["RIGOR_CHAOS_KEEP"] === "1") process.stdout.write(`${chaos.story.join("\n")}\n`);

      // What was cancelled is asked for again.
      expect(await lab.cli("rerun", "small", "--failed")).toMatchObject({ status: 0 });
      const last = await lab.cli("run", "experiment.yaml", "--json");
      expect(last).toMatchObject({ status: 0 });
      const { hosts: seen } = await lab.json<{ hosts: { name: string; cpus_used: number }[] }>("status");
      expect(seen.filter(({ cpus_used }) => cpus_used > 0)).toEqual([]);
      expect(await lab.cli("down")).toMatchObject({ status: 0 });
      await eventually("an end of all processes", () => lab.processes().length === 0);
      for (const name of hostNames) {
        expect(await jobsOn(hosts.host(name))).toEqual([]);
        expect(await hosts.host(name).run("pgrep -x sleep || :")).toBe("");
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
    expect(performance.now() - began).toBeLessThan(10_000);
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
class Chaos {
  readonly #lab: TestLab;
  readonly #hosts: SshLab;
  readonly #random: () => number;
  readonly #plan: Happening[];
  readonly #busy = new Map<HostName, Promise<void>>();
  readonly #freezes = [...freezes];
  readonly happened = new Map<Happening, number>();
  readonly struck = { wrapper: new Set<string>(), command: new Set<string>() };
  readonly silences: Silence[] = [];
  readonly crashes: { host: HostName; at: number }[] = [];
  /** What happened when, for people. */
  readonly story: string[] = [];
  #ended = false;

  constructor(lab: TestLab, hosts: SshLab, random: () => number) {
    this.#lab = lab;
    this.#hosts = hosts;
    this.#random = random;
    this.#plan = Object.entries(events)
      .flatMap(([what, count]) => Array.from({ length: count }, () => what as Happening))
      .map((what) => ({ what, order: random() }))
      .toSorted((a, b) => a.order - b.order)
      .map(({ what }) => what);
  }

  async run(): Promise<void> {
    const others = Promise.all([this.#follow(), this.#mend()]);
    await eventually("a first run on a host", async () => {
      const jobs = await Promise.all(hostNames.map((name) => jobsOn(this.#hosts.host(name))));
      return jobs.flat().length > 0;
    });
    for (const what of this.#plan) {
      await sleep(this.#random() * 1_500);
      if (await this.#let(what)) this.happened.set(what, (this.happened.get(what) ?? 0) + 1);
    }
    await Promise.all(this.#busy.values());
    this.#ended = true;
    await others;
  }

  /** Comes back until nothing happens any more and the experiment has ended. */
  async #follow(): Promise<void> {
    for (;;) {
      const { status, stdout, stderr } = await this.#lab.startCli(["run", "experiment.yaml", "--json"]).answer;
      if (status === 0 || /"runs-failed"/.test(stdout)) {
        if (this.#ended) return;
        await sleep(500);
      } else if (!/daemon/i.test(stdout + stderr)) throw new Error(`rigor run: ${status}\n${stdout}${stderr}`);
    }
  }

  /** A host on which one job after another was killed is left alone for minutes, unless a person says that it is well. */
  async #mend(): Promise<void> {
    while (!this.#ended) {
      await sleep(2_000);
      for (const { id } of this.#lab.look<{ id: string }>("select id from computes where state = 'resting'")) {
        const name = hostNames.find((one) => id.startsWith(`ssh:${one}#`));
        if (name === undefined) throw new Error(`${id} rests`);
        await this.#ask("compute", "use", name);
        this.#tell(`${name} is to be used again`);
      }
    }
  }

  /** What is asked for can be impossible by now, and the daemon may die before it answers; anything else is a fault. */
  async #ask(...words: string[]): Promise<boolean> {
    const { status, stdout, stderr } = await this.#lab.startCli([...words, "--json"]).answer;
    if (status !== 0 && !/not-possible|daemon|already-running/.test(stdout + stderr))
      throw new Error(`rigor ${words.join(" ")}: ${status}\n${stdout}${stderr}`);
    return status === 0;
  }

  async #let(what: Happening): Promise<boolean> {
    switch (what) {
      case "kill daemon":
        return this.#killDaemon();
      case "kill wrapper":
        return this.#killJob("wrapper");
      case "kill command":
        return this.#killJob("command");
      case "drop connections":
        return this.#dropConnections(await this.#someHost());
      case "cancel run":
        return this.#cancelRun();
      default:
        return this.#silence(what, await this.#someHost());
    }
  }

  #tell(what: string): void {
    this.story.push(`${new Date().toISOString()} ${what}`);
  }

  async #dropConnections(name: HostName): Promise<boolean> {
    this.#tell(`${await this.#hosts.host(name).dropConnections()} connections of ${name} dropped`);
    return true;
  }

  #killDaemon(): boolean {
    const [daemon] = victimsOf(this.#lab, "daemon");
    if (daemon === undefined || !killIfThere(daemon.pid)) return false;
    this.#tell("daemon killed");
    // Half of the dead are replaced at once, the others by the client that comes back.
    if (this.#random() < 0.5) void this.#lab.startDaemon().answer;
    return true;
  }

  /** A run is struck once, so that the pauses before its retries stay short. */
  async #killJob(kind: "wrapper" | "command"): Promise<boolean> {
    const struck = new Set([...this.struck.wrapper, ...this.struck.command].map(runOf));
    const deadline = performance.now() + 8_000;
    while (performance.now() < deadline) {
      const host = this.#hosts.host(await this.#someHost());
      const jobs = (await jobsOn(host)).filter((job) => job.kind === kind && !struck.has(runOf(job.attempt)));
      const victim = jobs[Math.floor(this.#random() * jobs.length)];
      const killed = victim === undefined ? "" : await host.run('kill -s KILL "$1" 2>&- && echo yes || :', victim.pid);
      if (victim !== undefined && killed !== "") {
        this.struck[kind].add(victim.attempt);
        this.#tell(`${kind} of ${victim.attempt} killed on ${host.name}`);
        return true;
      }
      await sleep(50);
    }
    return false;
  }

  /** Wherever it runs: also on a host that cannot be reached now. */
  async #cancelRun(): Promise<boolean> {
    const active = this.#lab.look<{ id: string }>("select id from runs where state = 'active'");
    const run = active[Math.floor(this.#random() * active.length)];
    if (run === undefined) return false;
    const isDone = await this.#ask("cancel", run.id);
    this.#tell(`${run.id.slice(0, 16)} cancelled: ${isDone ? "yes" : "no"}`);
    return isDone;
  }

  /** One that can be reached, so far as this class knows. */
  async #someHost(): Promise<HostName> {
    for (;;) {
      const free = hostNames.filter((name) => !this.#busy.has(name));
      const host = free[Math.floor(this.#random() * free.length)];
      if (host !== undefined) return host;
      await Promise.race(this.#busy.values());
    }
  }

  /** Goes on by itself for some seconds, while other things happen. */
  #silence(what: "freeze" | "refuse" | "crash", name: HostName): boolean {
    const host = this.#hosts.host(name);
    const seconds = what === "freeze" ? (this.#freezes.pop() ?? 2) : 1 + this.#random() * 4;
    const silence = async (): Promise<void> => {
      const from = Date.now();
      if (what === "crash") this.crashes.push({ host: name, at: from });
      await { freeze: () => host.freeze(), refuse: () => host.refuse(), crash: () => host.crash() }[what]();
      this.#tell(`${what} of ${name} for ${seconds.toFixed(1)} s`);
      await sleep(seconds * 1_000);
      this.silences.push({ host: name, from, until: Date.now() });
      await { freeze: () => host.thaw(), refuse: () => host.serve(), crash: () => host.boot() }[what]();
    };
    const work = silence().finally(() => this.#busy.delete(name));
    this.#busy.set(name, work);
    return true;
  }
}

const runOf = (attempt: string): string => attempt.replace(/-\d+$/, "");

interface Job {
  pid: string;
  kind: "wrapper" | "command";
  attempt: string;
}

/** Lists `PID KIND ATTEMPT` for the scripts of attempts, which lead their sessions, and for what they run. */
const listJobs = `
for process in /proc/[0-9]*; do
  pid=\${process#/proc/}
  words=$(tr '\\0' ' ' 2>&- <"$process/cmdline") || continue
  case $words in
    *"/job.sh "*)
      attempt=\${words%/job.sh *} attempt=\${attempt##*/}
      stat=$(cat "$process/stat" 2>&-) || continue
      set -- \${stat##*) }
      if [ "$4" = "$pid" ]; then echo "$pid wrapper $attempt"; fi ;;
    "sh run.sh "*)
      output=$(tr '\\0' '\\n' 2>&- <"$process/environ" | sed -n 's/^RIGOR_OUTPUT=//p')
      attempt=\${output%/output} attempt=\${attempt##*/}
      parent=$(sed -n 's/^PPid:\\t//p' "$process/status" 2>&-)
      case $(tr '\\0' ' ' 2>&- <"/proc/$parent/cmdline") in *"/job.sh "*) echo "$pid command $attempt" ;; esac ;;
  esac
done
exit 0`;

/** What runs on a host for attempts of runs. */
async function jobsOn(host: SshHost): Promise<Job[]> {
  const lines = (await host.run(listJobs)).split("\n");
  return lines.flatMap((line): Job[] => {
    const [, pid, kind, attempt] = /^(\d+) (wrapper|command) ([0-9a-f]{16}-\d+)$/.exec(line) ?? [];
    return pid === undefined || attempt === undefined ? [] : [{ pid, kind: kind as Job["kind"], attempt }];
  });
}

function expectOneExecutionEach(
  attempts: readonly AttemptRecord[],
  log: readonly LoggedEvent[],
  journal: Journal,
): void {
  const starts = journal.attempts("start");
  expect(journal.attempts("overlap")).toEqual([]);
  expect(starts).toHaveLength(new Set(starts).size);
  const known = new Set<string>(attempts.map(({ id }) => id));
  expect(starts.filter((id) => !known.has(id))).toEqual([]);
  const ended = new Set(journal.attempts("end"));
  const succeeded = attempts.filter(({ state }) => state === "succeeded");
  expect(succeeded.filter(({ id }) => !ended.has(id))).toEqual([]);
  for (const { id, directory } of succeeded) {
    expect(readFileSync(join(directory, "output/where.txt"), "utf8")).toBe(`${id}\n`);
    expect(readFileSync(join(directory, "stdout.log"), "utf8")).toBe(`${id} begins\n`);
  }
  const entitiesOf = (kind: string) => log.filter((event) => event.kind === kind).map(({ entity }) => entity);
  expect(entitiesOf("attempt.finished").toSorted()).toEqual(attempts.map(({ id }) => id).toSorted());
  expect(entitiesOf("run.completed")).toHaveLength(2 * seedsPerArm);
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
          ({ host, at }) => host === compute && Date.parse(queued_at) <= at && at <= Date.parse(finished_at ?? ""),
        );
        // A script that was killed right before its host crashed tells of the later of the two.
        const happened: Record<string, boolean> = {
          [rebooted]: during,
          [died]: struck.wrapper.has(id),
          [hardlyBegun]: during,
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
const echo = 2_000;

/** No attempt ends while its host cannot say so. */
function expectNothingFromSilence(
  log: readonly LoggedEvent[],
  attempts: readonly AttemptRecord[],
  silences: readonly Silence[],
): void {
  const places = new Map<string, string>(attempts.map(({ id, compute }) => [id, compute]));
  const concluded = log.filter(({ kind, entity, time }) => {
    const at = Date.parse(time);
    const isSilent = ({ host, from, until }: Silence) => host === places.get(entity) && at > from + echo && at < until;
    return kind === "attempt.finished" && silences.some(isSilent);
  });
  expect(concluded).toEqual([]);
}
