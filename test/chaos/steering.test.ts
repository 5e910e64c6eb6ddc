import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AttemptRecord, RunRecord } from "../../packages/rigor/src/domain/records.ts";
import type { LoggedEvent } from "../../packages/rigor/src/store/store.ts";
import { seededRandom } from "../../packages/rigor/src/statistics/random.ts";
import { chaosSeed } from "./elsewhere.ts";
import { type Answer, eventually, experimentFile, TestLab } from "./lab.ts";
import { killIfThere } from "./processes.ts";
import { givenUp, Journal, type Kind, victimsOf, whatIsRecorded } from "./victims.ts";

const seed = chaosSeed();

const cpus = 4;

/** How often each is done. */
const kills: Partial<Record<Kind, number>> = { daemon: 5, client: 3, wrapper: 5, command: 4, starter: 2 };
const deeds = {
  "cancel run": 10,
  "rerun run": 8,
  "hold run": 5,
  "release run": 5,
  "cancel experiment": 3,
  "rerun failed": 4,
  "hold experiment": 4,
  "release experiment": 6,
  "start again": 6,
  "other code": 2,
  "other seeds": 3,
} as const;
type Deed = keyof typeof deeds;

/** Two experiments that ask for some of the same runs. */
const files = { first: "first.yaml", second: "second.yaml" };
type Name = keyof typeof files;
const names = Object.keys(files) as Name[];

/** Some runs always fail, by themselves; some are long, and write checkpoints. */
const fails = (run: Pick<RunRecord, "arm" | "seed">): boolean => run.arm === "two" && run.seed % 8 === 3;

/**
 * Writes to the journal that it begins, what it goes on from, and that it ends. A lock that is held as long as any of its
 * processes lives shows two attempts of one run at one time. Some leave a process behind.
 */
const script = `
say() { printf '%s\\n' "$*" >>"$place/journal"; }
place=$1
attempt=\${RIGOR_OUTPUT%/output} attempt=\${attempt##*/}
exec 9>"$place/lock-$RIGOR_RUN_ID"
flock -n 9 || say overlap "$attempt"
step=0 from=none
if [ -n "\${RIGOR_RESUME:-}" ]; then
  read -r step <"$RIGOR_RESUME/step"
  from=\${RIGOR_RESUME%/output/checkpoints} from=\${from##*/}
fi
say start "$attempt" "$from" "$step"
case $RIGOR_SEED in *1) setsid sleep 600 9>&- & ;; esac
if [ "$RIGOR_ARM" = two ] && [ $((RIGOR_SEED % 8)) = 3 ]; then
  sleep 0.2
  echo 'ValueError: this run always fails' >&2
  say end "$attempt"
  exit 1
fi
if [ $((RIGOR_SEED % 4)) = 0 ]; then
  mkdir -p "$RIGOR_OUTPUT/checkpoints"
  while [ "$step" -lt 4 ]; do
    sleep 0.4
    step=$((step + 1))
    echo "$step" >"$RIGOR_OUTPUT/next" && mv "$RIGOR_OUTPUT/next" "$RIGOR_OUTPUT/checkpoints/step"
    say checkpoint "$attempt" "$step"
  done
else
  sleep "0.$((RIGOR_SEED % 6 + 1))"
fi
printf '{"metrics":{"loss":1.%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
say end "$attempt"
`;

let lab: TestLab;
beforeAll(() => {
  lab = new TestLab();
});
afterAll(() => lab.removeUnlessKept());

describe("steering at random while anything may be killed", () => {
  test(
    "loses no run, runs none twice, and lets no late result undo a person's word [chaos.steering] [F09] [F11] [job.resume] [job.left-behind] [state.no-orphans]",
    { timeout: 900_000 },
    async () => {
      process.stdout.write(`RIGOR_CHAOS_SEED=${seed}\n`);
      const steering = new Steering(seededRandom(seed));
      steering.prepare();
      await steering.run();
      process.stdout.write(`done: ${JSON.stringify(Object.fromEntries(steering.done))}\n`);
      await steering.settle();

      const { hosts } = await lab.json<{ hosts: { cpus_used: number; memory_used: number }[] }>("status");
      expect(hosts).toMatchObject([{ cpus_used: 0, memory_used: 0 }]);
      expect(await lab.cli("down")).toMatchObject({ status: 0 });
      await eventually("an end of all processes", () => lab.processes().length === 0);

      const { runs, attempts, events, differences } = await whatIsRecorded(lab);
      const journal = new Journal(join(lab.directory, "journal"));
      expect(differences).toEqual([]);
      expect(steering.wanted().length).toBeGreaterThan(0);
      expect(steering.wanted().filter((run) => run.state !== (fails(run) ? "failed" : "done"))).toEqual([]);
      expect(runs.filter(({ state }) => state === "pending" || state === "active" || state === "held")).toEqual([]);
      expectOneExecutionEach(attempts, journal);
      expectTrueEnds(attempts, events, journal, steering.struck);
      expectNoLateResults(events);
      expectNoStartWhileHeld(events);
      expectRoomForAll(attempts, events);
      expectGoodCheckpoints(attempts, events, journal);
    },
  );
});

/** Does what people do, and kills, by a plan that the seed gives. */
class Steering {
  readonly #random: () => number;
  readonly #plan: (Deed | Kind)[];
  readonly done = new Map<string, number>();
  /** Attempts of which a process was killed. */
  readonly struck = new Set<string>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #faults: unknown[] = [];
  readonly #firstSeed = new Map<Name, number>(names.map((name, index) => [name, 1 + index * 6]));
  #code = 0;

  constructor(random: () => number) {
    this.#random = random;
    this.#plan = Object.entries({ ...kills, ...deeds })
      .flatMap(([kind, count]) => Array.from({ length: count }, () => kind as Deed | Kind))
      .map((kind) => ({ kind, order: random() }))
      .toSorted((a, b) => a.order - b.order)
      .map(({ kind }) => kind);
  }

  prepare(): void {
    lab.commit({
      "run.sh": script,
      "part.txt": "0\n",
      "rigor.yaml": `compute:\n  local: { kind: local, cpus: ${cpus} }\n`,
      ...Object.fromEntries(names.map((name) => [files[name], this.#fileOf(name)])),
    });
  }

  #fileOf(name: Name): string {
    const first = this.#firstSeed.get(name) ?? 1;
    return experimentFile({
      name,
      code: ["run.sh", "part.txt"],
      seeds: Array.from({ length: 10 }, (_, index) => first + index),
      run: ["sh", "run.sh", lab.directory],
      retry: { infrastructure: 10, code: 1 },
    });
  }

  async run(): Promise<void> {
    for (const name of names) await this.#call("run", files[name], "--detach");
    await eventually("a run that goes on from its checkpoints", () => this.#hasResumed());
    for (const step of this.#plan) {
      await sleep(this.#random() * 250);
      const count = isKind(step) ? await this.#kill(step) : await this.#do(step);
      this.done.set(step, (this.done.get(step) ?? 0) + count);
    }
    await Promise.all(this.#underWay);
    if (this.#faults.length > 0) throw new AggregateError(this.#faults, "A call was answered as none may be.");
  }

  /** Whether a run has gone on from its checkpoints; interrupts some that have just written one, whatever comes by chance. */
  #hasResumed(): boolean {
    const path = join(lab.directory, "journal");
    if (!existsSync(path)) return false;
    const journal = new Journal(path);
    if (journal.lines("start").some(([, from]) => from !== "none")) return true;
    const early = new Set(journal.lines("checkpoint").flatMap(([id = "", step]) => (step === "1" ? [id] : [])));
    for (const [id = "", step] of journal.lines("checkpoint")) if (Number(step) > 2) early.delete(id);
    const victim = victimsOf(lab, "command").find(({ attempt }) => early.has(attempt) && !this.struck.has(attempt));
    if (victim !== undefined && this.struck.size < 3 && killIfThere(victim.pid)) this.struck.add(victim.attempt);
    return false;
  }

  /** A few calls go on beside each other and beside the kills, as those of several people do. */
  async #do(deed: Deed): Promise<number> {
    const words = this.#wordsFor(deed);
    if (words === null) return 0;
    while (this.#underWay.size >= 2) await Promise.race(this.#underWay);
    const call = this.#call(...words)
      .catch((error: unknown) => void this.#faults.push(error))
      .finally(() => this.#underWay.delete(call));
    this.#underWay.add(call);
    return 1;
  }

  /** Null where there is nothing to do it to. */
  #wordsFor(deed: Deed): string[] | null {
    const name = this.#one(names) ?? "first";
    const runIn = (...states: RunRecord["state"][]): string | null =>
      this.#one(
        lab.look<{ id: string }>(`select id from runs where state in (${states.map((one) => `'${one}'`).join()})`),
      )?.id ?? null;
    const onRun = (word: string, id: string | null) => (id === null ? null : [word, id, "--message", "by chance"]);
    switch (deed) {
      case "cancel run":
        return onRun("cancel", runIn("active") ?? runIn("pending", "held"));
      case "rerun run":
        return onRun("rerun", runIn("done", "cancelled", "failed"));
      case "hold run":
        return onRun("hold", runIn("pending"));
      case "release run":
        return onRun("release", runIn("held"));
      case "cancel experiment":
        return ["cancel", name];
      case "rerun failed":
        return ["rerun", name, "--failed"];
      case "hold experiment":
        return ["hold", name];
      case "release experiment":
        return ["release", name, ...(this.#random() < 0.3 ? ["--without-failed"] : [])];
      case "other code":
        this.#code += 1;
        writeFileSync(join(lab.repository, "part.txt"), `${this.#code}\n`);
        break;
      case "other seeds":
        this.#firstSeed.set(name, 1 + Math.floor(this.#random() * 12));
        writeFileSync(join(lab.repository, files[name]), this.#fileOf(name));
        break;
      case "start again":
    }
    return ["run", files[name], "--detach"];
  }

  /** What a person may ask for can be refused, and the daemon may die before it answers; anything else is a fault. */
  async #call(...words: string[]): Promise<void> {
    const answer = await lab.startCli([...words, "--json"]).answer;
    if (answer.status === 0 || answer.status === null) return;
    if (!["not-possible", "daemon", "already-running"].includes(codeOf(answer)))
      throw new Error(`rigor ${words.join(" ")}: ${answer.status}\n${answer.stdout}${answer.stderr}`);
  }

  /** A run is struck once, so that the pauses before its retries stay short. @returns how many were killed */
  async #kill(kind: Kind): Promise<number> {
    const deadline = performance.now() + 1_000;
    const runsStruck = new Set([...this.struck].map(runOf));
    while (performance.now() < deadline) {
      const victim = this.#one(
        victimsOf(lab, kind).filter((one) => one.attempt === "" || !(runsStruck.has(runOf(one.attempt)) || fails(one))),
      );
      if (victim !== undefined && killIfThere(victim.pid)) {
        if (victim.attempt !== "") this.struck.add(victim.attempt);
        return 1;
      }
      await sleep(10);
    }
    return 0;
  }

  #one<Value>(values: readonly Value[]): Value | undefined {
    return values[Math.floor(this.#random() * values.length)];
  }

  /** One round of asking for what is missing is enough: the rest is done without anybody. */
  async settle(): Promise<void> {
    for (const name of names) await this.#call("run", files[name], "--detach");
    for (const { id } of lab.look<{ id: string }>("select id from runs where state = 'held'")) {
      await this.#call("release", id);
    }
    for (const name of names) {
      await this.#call("release", name);
      await this.#call("rerun", name, "--failed");
    }
    for (const name of names) {
      const { status, stdout, stderr } = await lab.cli("run", files[name], "--json");
      if (status !== 0 && status !== 1) throw new Error(`${files[name]} ended with ${status}\n${stdout}${stderr}`);
    }
    const live = "select id from attempts where state in ('queued', 'staging', 'submitted', 'running')";
    await eventually("an end of all attempts", () => lab.look(live).length === 0);
  }

  /** The runs that the newest version of each experiment asks for. */
  wanted(): Pick<RunRecord, "id" | "arm" | "seed" | "state">[] {
    return lab.look(
      `select distinct runs.id, runs.arm, runs.seed, runs.state from placements
         join runs on runs.id = placements.run_id join experiments on experiments.id = placements.experiment_id
         where experiments.state <> 'archived'`,
    );
  }
}

const isKind = (step: Deed | Kind): step is Kind => step in kills;

const runOf = (attempt: string): string => attempt.replace(/-\d+$/, "");

function codeOf({ stdout, stderr }: Answer): string {
  return /"code": "([a-z-]+)"/.exec(stdout + stderr)?.[1] ?? "none";
}

function expectOneExecutionEach(attempts: readonly AttemptRecord[], journal: Journal): void {
  const starts = journal.attempts("start");
  expect(journal.attempts("overlap")).toEqual([]);
  expect(starts).toHaveLength(new Set(starts).size);
  const known = new Set<string>(attempts.map(({ id }) => id));
  expect(starts.filter((id) => !known.has(id))).toEqual([]);
}

/** The state and the evidence of each attempt agree with what its run wrote itself, and with what was done to it. */
function expectTrueEnds(
  attempts: readonly AttemptRecord[],
  events: readonly LoggedEvent[],
  journal: Journal,
  struck: ReadonlySet<string>,
): void {
  const started = new Set(journal.attempts("start"));
  const ended = new Set(journal.attempts("end"));
  const given = givenUp(events);
  const arms = new Map(created(events));
  const wrong = attempts.filter((attempt) => {
    const { id, state, category, evidence, exit } = attempt;
    const run = arms.get(attempt.run_id);
    if (run === undefined) return true;
    switch (state) {
      case "succeeded":
        return !ended.has(id) || fails(run) || category !== null;
      case "failed":
        if (category === null || evidence === null) return true;
        return fails(run) ? !ended.has(id) : !struck.has(id) || exit?.signal !== "KILL";
      case "lost":
        return !struck.has(id) || category !== "node-failure" || evidence === null || exit !== null;
      case "cancelled":
        return !given.has(id) || (exit !== null && !started.has(id) && exit.signal === null && exit.code !== null);
      default:
        return true;
    }
  });
  expect(wrong).toEqual([]);
  const finished = events.filter(({ kind }) => kind === "attempt.finished").map(({ entity }) => entity);
  expect(finished.toSorted()).toEqual(attempts.map(({ id }) => id).toSorted());
}

function created(events: readonly LoggedEvent[]): [string, Pick<RunRecord, "arm" | "seed">][] {
  return events.flatMap(({ kind, entity, data }): [string, Pick<RunRecord, "arm" | "seed">][] =>
    kind === "run.created" ? [[entity, (data as { placement: Pick<RunRecord, "arm" | "seed"> }).placement]] : [],
  );
}

/** What ended a run's attempt decides nothing once the run was cancelled, or asked for again. */
function expectNoLateResults(events: readonly LoggedEvent[]): void {
  const present = new Map<string, string>();
  const late: LoggedEvent[] = [];
  for (const event of events) {
    const { kind, entity, data } = event;
    const { run_id, attempt_id } = data as { run_id?: string; attempt_id?: string };
    if (kind === "attempt.queued" && run_id !== undefined) present.set(run_id, entity);
    if (kind === "run.cancelled" || kind === "run.requeued") present.delete(entity);
    if (kind === "run.completed" && present.get(entity) !== attempt_id) late.push(event);
    if (kind === "result.recorded" && present.get(run_id ?? "") !== entity) late.push(event);
  }
  expect(late).toEqual([]);
}

/** Nothing starts for an experiment that is held, cancelled or superseded, nor a run that is held. */
function expectNoStartWhileHeld(events: readonly LoggedEvent[]): void {
  const resting = new Set<string>();
  const started: LoggedEvent[] = [];
  for (const event of events) {
    const { kind, entity, data } = event;
    if (/\.(held|archived)$|^experiment\.cancelled$/.test(kind)) resting.add(entity);
    if (/\.(released|reopened|requeued)$|^run\.cancelled$/.test(kind)) resting.delete(entity);
    if (kind !== "attempt.queued") continue;
    const { run_id, experiment_id } = data as { run_id: string; experiment_id: string };
    if (resting.has(run_id) || resting.has(experiment_id)) started.push(event);
  }
  expect(started).toEqual([]);
}

/** Leases never add up to more than there is, and no run has two of them. */
function expectRoomForAll(attempts: readonly AttemptRecord[], events: readonly LoggedEvent[]): void {
  const byId = new Map<string, AttemptRecord>(attempts.map((attempt) => [attempt.id, attempt]));
  const held = new Map<string, AttemptRecord>();
  for (const { kind, entity } of events) {
    const attempt = byId.get(entity);
    if (kind === "attempt.queued" && attempt !== undefined) held.set(entity, attempt);
    if (kind === "attempt.finished") held.delete(entity);
    const holders = [...held.values()];
    expect(holders.reduce((sum, { lease }) => sum + lease.cpus, 0)).toBeLessThanOrEqual(cpus);
    expect(new Set(holders.map(({ run_id }) => run_id)).size).toBe(holders.length);
  }
  expect(held.size).toBe(0);
}

/** An attempt goes on from the newest checkpoints of its run, but never from those of a result that was revoked. */
function expectGoodCheckpoints(
  attempts: readonly AttemptRecord[],
  events: readonly LoggedEvent[],
  journal: Journal,
): void {
  const first = firstUseful(events);
  const steps = new Map(journal.lines("checkpoint").map(([id = "", step]) => [id, Number(step)]));
  const numbers = new Map<string, AttemptRecord>(attempts.map((attempt) => [attempt.id, attempt]));
  let resumed = 0;
  for (const [id = "", from = "", step] of journal.lines("start")) {
    const attempt = numbers.get(id);
    if (attempt === undefined) throw new Error(`${id} is unknown`);
    const allowed = first.get(id) ?? 1;
    const earlier = attempts.filter(({ run_id, number }) => run_id === attempt.run_id && number < attempt.number);
    const useful = earlier.filter((one) => one.number >= allowed && steps.has(one.id)).map(({ number }) => number);
    const source = numbers.get(from);
    if (source === undefined) {
      expect({ id, from, useful }).toEqual({ id, from: "none", useful: [] });
      continue;
    }
    resumed += 1;
    expect(source.run_id).toBe(attempt.run_id);
    // Who was killed between a checkpoint and its line in the journal may have one more.
    expect(source.number).toBeGreaterThanOrEqual(Math.max(allowed, ...useful));
    expect(source.number).toBeLessThan(attempt.number);
    expect(Number(step)).toBeGreaterThanOrEqual(steps.get(from) ?? 1);
  }
  process.stdout.write(`resumed: ${resumed}\n`);
  expect(resumed).toBeGreaterThan(0);
}

/** Attempt -> number of the first attempt whose checkpoints it may use: those before a revoked result are void. */
function firstUseful(events: readonly LoggedEvent[]): Map<string, number> {
  const first = new Map<string, number>();
  const attempts = new Map<string, number>();
  const valid = new Map<string, number>();
  for (const { kind, entity, data } of events) {
    if (kind === "attempt.queued") {
      const { run_id, number } = data as { run_id: string; number: number };
      attempts.set(run_id, number);
      first.set(entity, valid.get(run_id) ?? 1);
    }
    if (kind === "run.invalidated") valid.set(entity, (attempts.get(entity) ?? 0) + 1);
  }
  return first;
}
