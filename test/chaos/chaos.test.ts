import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AttemptRecord, RunRecord } from "../../packages/rigor/src/domain/records.ts";
import type { LoggedEvent } from "../../packages/rigor/src/store/store.ts";
import { seededRandom } from "../../packages/rigor/src/statistics/random.ts";
import { chaosSeed, planOf } from "./elsewhere.ts";
import { eventually, experimentFile, TestLab } from "./lab.ts";
import { killIfThere } from "./processes.ts";
import { Journal, type Kind, type Victim, victimsOf, whatIsRecorded } from "./victims.ts";

const seed = chaosSeed();

const seedsPerArm = 75;

/** How many of each are killed. */
const kills: Record<Kind, number> = { daemon: 16, client: 10, wrapper: 12, command: 10, starter: 8 };

/** Some runs always fail, by themselves. */
const fails = (run: Pick<RunRecord, "arm" | "seed">): boolean => run.arm === "two" && run.seed % 10 === 3;

/**
 * Writes to the journal that it begins and that it ends. A lock that is held as long as any of its processes lives
 * shows two attempts of one run at one time.
 */
const script = `
journal=$1/journal
attempt=\${RIGOR_OUTPUT%/output} attempt=\${attempt##*/}
exec 9>"$1/lock-$RIGOR_RUN_ID"
flock -n 9 || printf 'overlap %s\\n' "$attempt" >>"$journal"
printf 'start %s\\n' "$attempt" >>"$journal"
case $RIGOR_SEED in
  *5) sleep 1.$((RIGOR_SEED % 9)) ;;
  *0) ;;
  *) sleep "0.$((RIGOR_SEED % 3))$((RIGOR_SEED % 10))" ;;
esac
if [ "$RIGOR_ARM" = two ] && [ $((RIGOR_SEED % 10)) = 3 ]; then
  echo 'ValueError: this run always fails' >&2
  printf 'end %s\\n' "$attempt" >>"$journal"
  exit 1
fi
printf '{"metrics":{"loss":1.%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
printf 'end %s\\n' "$attempt" >>"$journal"
`;

let lab: TestLab;
beforeAll(() => {
  lab = new TestLab();
});
afterAll(() => lab.removeUnlessKept());

describe("killing at random", () => {
  test(
    "loses no run, runs none twice, and the log rebuilds equal [chaos.kill] [F01] [F09] [F10] [F11] [F16] [F41] [daemon.reconcile] [job.survives-daemon]",
    { timeout: 900_000 },
    async () => {
      process.stdout.write(`RIGOR_CHAOS_SEED=${seed}\n`);
      prepare();
      const chaos = new Chaos(seededRandom(seed));
      await chaos.run();
      process.stdout.write(`killed: ${JSON.stringify(chaos.hits)}\n`);
      expect(Object.values(chaos.hits).reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(50);
      expect(Math.min(...Object.values(chaos.hits))).toBeGreaterThan(0);

      const last = await lab.cli("run", "experiment.yaml", "--json");
      expect(last).toMatchObject({ status: 1 });
      expect(JSON.parse(last.stdout)).toMatchObject({ experiment: { hold: { code: "runs-failed" } } });
      expect(await lab.cli("down")).toMatchObject({ status: 0 });
      await eventually("an end of all processes", () => lab.processes().length === 0);

      const { runs, attempts, events, differences } = await whatIsRecorded(lab);
      expect(differences).toEqual([]);
      expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
      expectRightEnds(runs);
      expectOneExecutionEach(attempts, events);
      expectKilledToBeRetried(attempts, chaos);
    },
  );
});

function prepare(): void {
  lab.commit({
    "run.sh": script,
    "rigor.yaml": "compute:\n  local: { kind: local, cpus: 4 }\n",
    "experiment.yaml": experimentFile({
      seeds: { count: seedsPerArm },
      run: ["sh", "run.sh", lab.directory],
      retry: { infrastructure: 10, code: 1 },
    }),
  });
}

/** Kills, by a plan that the seed gives, until it is through; a client that follows the experiment comes back each time. */
class Chaos {
  readonly #random: () => number;
  readonly #plan: Kind[];
  readonly killedWrappers = new Set<string>();
  readonly killedCommands = new Set<string>();
  readonly hits: Record<Kind, number> = { daemon: 0, client: 0, wrapper: 0, command: 0, starter: 0 };
  #ended = false;

  constructor(random: () => number) {
    this.#random = random;
    this.#plan = planOf(kills, random);
  }

  async run(): Promise<void> {
    const follower = this.#follow();
    const others = this.#askNowAndThen();
    for (const kind of this.#plan) {
      await sleep(this.#random() * 500);
      await this.#kill(kind);
    }
    this.#ended = true;
    await Promise.all([follower, others]);
  }

  /** Whoever is killed is started again, until nothing is killed any more and the experiment has ended. */
  async #follow(): Promise<void> {
    for (;;) {
      const { status, stderr } = await lab.startCli(["run", "experiment.yaml"]).answer;
      if (status === 1 && this.#ended) return;
      if (status !== null && status !== 1 && !/daemon/i.test(stderr))
        throw new Error(`rigor run: ${status}\n${stderr}`);
    }
  }

  async #askNowAndThen(): Promise<void> {
    while (!this.#ended) {
      const { status, stderr } = await lab.startCli(["status"]).answer;
      if (status !== null && status !== 0 && !/daemon/i.test(stderr))
        throw new Error(`rigor status: ${status}\n${stderr}`);
      await sleep(300);
    }
  }

  /**
   * A kind that has nobody alive is waited for. On a slow machine the experiment may end before the plan does: then
   * those are killed who come back whatever happens, so that the number of kills does not depend on speed.
   */
  async #kill(kind: Kind): Promise<void> {
    const deadline = performance.now() + 3_000;
    for (let present = kind; ; present = performance.now() < deadline ? kind : stubborn(this.#random())) {
      const victims = victimsOf(lab, present).filter((one) => isFair(present, one));
      const victim = victims[Math.floor(this.#random() * victims.length)];
      if (victim !== undefined && killIfThere(victim.pid)) return this.#note(present, victim.attempt);
      await sleep(5);
    }
  }

  #note(kind: Kind, attempt: string): void {
    this.hits[kind] += 1;
    if (kind === "wrapper") this.killedWrappers.add(attempt);
    if (kind === "command") this.killedCommands.add(attempt);
    // Half of the dead daemons are replaced at once, the others by the next client.
    if (kind === "daemon" && this.#random() < 0.5) void lab.startDaemon().answer;
  }
}

const stubborn = (random: number): Kind => (random < 0.5 ? "daemon" : "client");

/** Whoever would be retried for too long is spared. */
function isFair(kind: Kind, { attempt, arm, seed }: Victim): boolean {
  // The third attempt is spared, so that the pauses between retries stay short.
  if (kind === "wrapper") return /-[12]$/.test(attempt);
  // A failure of the code is retried once, so each run is spared after its first attempt.
  return kind !== "command" || (attempt.endsWith("-1") && !fails({ arm, seed }));
}

function expectRightEnds(runs: readonly RunRecord[]): void {
  expect(runs).toHaveLength(2 * seedsPerArm);
  const wrong = runs.filter((run) => run.state !== (fails(run) ? "failed" : "done"));
  expect(wrong).toEqual([]);
}

function expectOneExecutionEach(attempts: readonly AttemptRecord[], events: readonly LoggedEvent[]): void {
  const journal = new Journal(join(lab.directory, "journal"));
  const starts = journal.attempts("start");
  expect(journal.attempts("overlap")).toEqual([]);
  expect(starts).toHaveLength(new Set(starts).size);
  const known = new Set<string | undefined>(attempts.map((attempt) => attempt.id));
  expect(starts.filter((id) => !known.has(id))).toEqual([]);

  const ended = new Set(journal.attempts("end"));
  const succeeded = attempts.filter((attempt) => attempt.state === "succeeded");
  expect(succeeded.filter((attempt) => !ended.has(attempt.id))).toEqual([]);
  const entitiesOf = (kind: string) => events.filter((event) => event.kind === kind).map((event) => event.entity);
  expect(entitiesOf("attempt.finished").toSorted()).toEqual(attempts.map((attempt) => attempt.id).toSorted());
  expect(entitiesOf("result.recorded").toSorted()).toEqual(succeeded.map((attempt) => attempt.id).toSorted());
  expect(new Set(succeeded.map((attempt) => attempt.run_id)).size).toBe(succeeded.length);
}

/** A kill may come when the job has just written its end: that end then counts. */
function expectKilledToBeRetried(attempts: readonly AttemptRecord[], { killedWrappers, killedCommands }: Chaos): void {
  const stateOf = (id: string) => attempts.find((attempt) => attempt.id === id);
  const wrappers = [...killedWrappers].map(stateOf);
  expect(wrappers.filter((attempt) => attempt?.state === "lost").length).toBeGreaterThan(0);
  for (const attempt of wrappers) {
    expect(["lost", "succeeded", "failed"]).toContain(attempt?.state);
    if (attempt?.state === "lost") expect(attempt).toMatchObject({ category: "node-failure", exit: null });
  }
  const commands = [...killedCommands].map(stateOf);
  expect(commands.filter((attempt) => attempt?.state === "failed").length).toBeGreaterThan(0);
  for (const attempt of commands) {
    // Its script may have been killed in the same moment, or it had ended and was only waiting to be collected.
    expect(["lost", "succeeded", "failed"]).toContain(attempt?.state);
    if (attempt?.state === "failed") expect(attempt).toMatchObject({ exit: { signal: "KILL" } });
  }
}
