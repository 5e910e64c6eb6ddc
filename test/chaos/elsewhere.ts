/** What chaos on other machines has in common: the runs, their jobs there, the clients that come back, and what must hold. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { AttemptRecord } from "../../packages/rigor/src/domain/records.ts";
import type { LoggedEvent } from "../../packages/rigor/src/store/store.ts";
import type { TestLab } from "./lab.ts";
import { killIfThere } from "./processes.ts";
import { journalOpening } from "./journal.ts";
import { type Journal, victimsOf } from "./victims.ts";

/** Set `RIGOR_CHAOS_SEED` to repeat the choices; what the machine does meanwhile differs all the same. */
export const chaosSeed = (): number => Number(process.env["RIGOR_CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Writes to the journal, which all hosts share, that it begins and that it ends. Some leave a process behind. */
export const runScript = `
${journalOpening}read -r host </proc/sys/kernel/hostname
say start "$attempt" "$host"
case $RIGOR_SEED in *1) setsid sleep 600 9>&- & ;; esac
echo "$attempt begins"
sleep "$((RIGOR_SEED % 3 + 1)).$((RIGOR_SEED % 10))"
echo "$attempt" >"$RIGOR_OUTPUT/where.txt"
printf '{"metrics":{"loss":1.%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
say end "$attempt" "$host"
`;

/** All that is to happen, in an order that the seed gives. */
export function planOf<Happening extends string>(
  counts: Readonly<Record<Happening, number>>,
  random: () => number,
): Happening[] {
  return Object.entries<number>(counts)
    .flatMap(([what, count]) => Array.from({ length: count }, () => what as Happening))
    .map((what) => ({ what, order: random() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ what }) => what);
}

/** Those who use a laboratory whose daemon may die at any time. */
class Clients {
  readonly #lab: TestLab;
  readonly #random: () => number;
  readonly #story: string[] = [];
  #isOver = false;

  constructor(lab: TestLab, random: () => number) {
    this.#lab = lab;
    this.#random = random;
  }

  tell(what: string): void {
    this.#story.push(`${new Date().toISOString()} ${what}\n`);
  }

  /** What happened when, for people. */
  get told(): string {
    return this.#story.join("");
  }

  /** Nothing happens any more: who follows comes back for the last time. */
  finish(): void {
    this.#isOver = true;
  }

  /** Comes back until nothing happens any more and the experiment has ended. */
  async follow(): Promise<void> {
    for (;;) {
      const { status, stdout, stderr } = await this.#lab.startCli(["run", "experiment.yaml", "--json"]).answer;
      if (status === 0 || /"runs-failed"/.test(stdout)) {
        if (this.#isOver) return;
        await sleep(500);
      } else if (!/daemon/i.test(stdout + stderr)) throw new Error(`rigor run: ${status}\n${stdout}${stderr}`);
    }
  }

  /** A compute on which one job after another was killed rests for minutes, unless a person says that it is well. */
  async mend(nameOf: (computeId: string) => string): Promise<void> {
    while (!this.#isOver) {
      await sleep(2_000);
      for (const { id } of this.#lab.look<{ id: string }>("select id from computes where state = 'resting'")) {
        await this.ask("compute", "use", nameOf(id));
        this.tell(`${id} is to be used again`);
      }
    }
  }

  /** What is asked for can be impossible by now, and the daemon may die before it answers; anything else is a fault. */
  async ask(...words: string[]): Promise<boolean> {
    const { status, stdout, stderr } = await this.#lab.startCli([...words, "--json"]).answer;
    if (status !== 0 && !/not-possible|daemon|already-running/.test(stdout + stderr))
      throw new Error(`rigor ${words.join(" ")}: ${status}\n${stdout}${stderr}`);
    return status === 0;
  }

  killDaemon(): boolean {
    const [daemon] = victimsOf(this.#lab, "daemon");
    if (daemon === undefined || !killIfThere(daemon.pid)) return false;
    this.tell("daemon killed");
    // Half of the dead are replaced at once, the others by the client that comes back.
    if (this.#random() < 0.5) void this.#lab.startDaemon().answer;
    return true;
  }

  /** Wherever it runs or waits. */
  async cancelRun(): Promise<boolean> {
    const active = this.#lab.look<{ id: string }>("select id from runs where state = 'active'");
    const run = active[Math.floor(this.#random() * active.length)];
    if (run === undefined) return false;
    const isDone = await this.ask("cancel", run.id);
    this.tell(`${run.id.slice(0, 16)} cancelled: ${isDone ? "yes" : "no"}`);
    return isDone;
  }
}

type JobPart = "wrapper" | "command";

interface Job {
  pid: string;
  part: JobPart;
  attempt: string;
}

/** Where scripts of `sh` run. */
interface Machine {
  readonly name: string;
  run(script: string, ...words: string[]): Promise<string>;
}

/** Lists `PID PART ATTEMPT` for the scripts of attempts, but not for what those fork, and for what they run. */
const listJobs = `
wordsOf() { tr '\\0' ' ' 2>&- <"/proc/$1/cmdline"; }
for process in /proc/[0-9]*; do
  pid=\${process#/proc/}
  words=$(wordsOf "$pid") || continue
  parent=$(sed -n 's/^PPid:\\t//p' "$process/status" 2>&-)
  case $(wordsOf "$parent") in *"/job.sh "*) part=command ;; *) part=wrapper ;; esac
  case $part:$words in
    wrapper:*"/job.sh "*) directory=$(readlink "$process/cwd") ;;
    command:"sh run.sh "*)
      output=$(tr '\\0' '\\n' 2>&- <"$process/environ" | sed -n 's/^RIGOR_OUTPUT=//p')
      directory=\${output%/output} ;;
    *) continue ;;
  esac
  echo "$pid $part \${directory##*/}"
done
exit 0`;

/** What runs on a machine for attempts of runs. */
export async function jobsOn(machine: Machine): Promise<Job[]> {
  const lines = (await machine.run(listJobs)).split("\n");
  return lines.flatMap((line): Job[] => {
    const [, pid, part, attempt] = /^(\d+) (wrapper|command) ([0-9a-f]{16}-\d+)$/.exec(line) ?? [];
    return pid === undefined || attempt === undefined ? [] : [{ pid, part: part as JobPart, attempt }];
  });
}

/** Kills parts of jobs, each run at most once, so that the pauses before its retries stay short. */
class Killer {
  readonly struck = { wrapper: new Set<string>(), command: new Set<string>() };
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Waits a while for something to kill. @returns what was killed, for people; null for nothing */
  async strike(part: JobPart, someMachine: () => Promise<Machine>): Promise<string | null> {
    const struck = new Set([...this.struck.wrapper, ...this.struck.command].map(runOf));
    const deadline = performance.now() + 8_000;
    while (performance.now() < deadline) {
      const machine = await someMachine();
      const jobs = (await jobsOn(machine)).filter((job) => job.part === part && !struck.has(runOf(job.attempt)));
      const victim = jobs[Math.floor(this.#random() * jobs.length)];
      const killed =
        victim === undefined ? "" : await machine.run('kill -s KILL "$1" 2>&- && echo yes || :', victim.pid);
      if (victim !== undefined && killed !== "") {
        this.struck[part].add(victim.attempt);
        return `${part} of ${victim.attempt} killed on ${machine.name}`;
      }
      await sleep(50);
    }
    return null;
  }
}

/** What happens to an experiment that runs elsewhere, by a plan that the seed gives. */
export abstract class Mayhem<Happening extends string> {
  readonly clients: Clients;
  protected readonly lab: TestLab;
  readonly happened = new Map<Happening, number>();
  protected readonly random: () => number;
  readonly #killer: Killer;
  readonly #plan: Happening[];

  constructor(lab: TestLab, counts: Readonly<Record<Happening, number>>, random: () => number) {
    this.lab = lab;
    this.random = random;
    this.#plan = planOf(counts, random);
    this.#killer = new Killer(random);
    this.clients = new Clients(lab, random);
  }

  get struck(): Killer["struck"] {
    return this.#killer.struck;
  }

  /** Lets one thing happen. @returns false where it could not */
  protected abstract let(what: Happening): Promise<boolean>;

  /** Carries the plan out. @param pauseMs between two of its parts, at most */
  protected async carryOut(pauseMs: number): Promise<void> {
    for (const what of this.#plan) {
      await sleep(this.random() * pauseMs);
      if (await this.let(what)) this.happened.set(what, (this.happened.get(what) ?? 0) + 1);
    }
  }

  protected async strike(part: JobPart, someMachine: () => Promise<Machine>): Promise<boolean> {
    const killed = await this.#killer.strike(part, someMachine);
    if (killed !== null) this.clients.tell(killed);
    return killed !== null;
  }

  protected someOf<Value>(values: readonly Value[]): Value | undefined {
    return values[Math.floor(this.random() * values.length)];
  }
}

const runOf = (attempt: string): string => attempt.replace(/-\d+$/, "");

/**
 * Every attempt is executed once and ends once, and what it made is here.
 *
 * @param mayRestart whether a scheduler may execute an attempt again after its node was lost; never at the same time
 */
export function expectOneExecutionEach(
  attempts: readonly AttemptRecord[],
  log: readonly LoggedEvent[],
  journal: Journal,
  mayRestart = false,
): void {
  const starts = journal.attempts("start");
  expect(journal.attempts("overlap")).toEqual([]);
  if (!mayRestart) expect(starts).toHaveLength(new Set(starts).size);
  const known = new Set<string>(attempts.map(({ id }) => id));
  expect(starts.filter((id) => !known.has(id))).toEqual([]);
  const ended = new Set(journal.attempts("end"));
  const succeeded = attempts.filter(({ state }) => state === "succeeded");
  expect(succeeded.filter(({ id }) => !ended.has(id))).toEqual([]);
  for (const { id, directory } of succeeded) {
    const times = mayRestart ? "+" : "{1}";
    expect(readFileSync(join(directory, "output/where.txt"), "utf8")).toBe(`${id}\n`);
    expect(readFileSync(join(directory, "stdout.log"), "utf8")).toMatch(new RegExp(`^(?:${id} begins\n)${times}$`));
  }
  const entitiesOf = (kind: string) => log.filter((event) => event.kind === kind).map(({ entity }) => entity);
  expect(entitiesOf("attempt.finished").toSorted()).toEqual(attempts.map(({ id }) => id).toSorted());
  expect(entitiesOf("run.completed")).toHaveLength(new Set(attempts.map(({ run_id }) => run_id)).size);
}
