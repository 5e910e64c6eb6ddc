import { spawnSync } from "node:child_process";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { median } from "../benchmarks/support/benchmark.ts";
import { experimentFile, Laboratory, rigorCommand } from "../benchmarks/support/laboratory.ts";

/**
 * Guards against large regressions; `npm run bench` measures. The machine may be slow, or busy with other tests: each
 * limit is twice the goal, times how much longer than usual a bare process takes to start at the same time.
 */

const manyRuns = 10_000;

async function laboratory(files: { [path: string]: string }): Promise<Laboratory> {
  const made = new Laboratory({ "code.txt": "", ...files });
  onTestFinished(async () => {
    await made.close();
    made.remove();
  });
  await made.startDaemon();
  return made;
}

const waiting = experimentFile({ name: "waiting", runs: manyRuns, run: "sleep 600", code: ["code.txt"] });

describe("goals of speed, with room for a busy machine", () => {
  test("10,000 runs are created, and status and start stay quick beside them [size.create] [size.status]", async () => {
    const lab = await laboratory({ "waiting.json": waiting });
    const busy = new Slowness();
    busy.sample();
    const { seconds } = await lab.start("waiting.json");
    busy.sample();
    expect(seconds).toBeLessThan(5 * 2 * busy.factor());

    const { hosts, counts } = await lab.client.system.status();
    expect(hosts).toHaveLength(1);
    expect(counts.pending + counts.active).toBe(manyRuns);

    const walls: number[] = [];
    for (let round = 0; round < 5; round++) {
      busy.sample();
      walls.push((await lab.rigor(["status"])).seconds);
    }
    expect(median(walls)).toBeLessThan(0.15 * 2 * busy.factor());
  });

  test("the daemon is ready in half a second, the version is told in a tenth [size.start]", async () => {
    const lab = await laboratory({});
    const busy = new Slowness();
    const starts: number[] = [];
    const versions: number[] = [];
    for (let round = 0; round < 5; round++) {
      await lab.stopDaemon();
      busy.sample();
      starts.push(await lab.startDaemon());
      versions.push(secondsOf(rigorCommand, ["--version"]));
    }
    expect(median(starts)).toBeLessThan(0.5 * 2 * busy.factor());
    expect(median(versions)).toBeLessThan(0.1 * 2 * busy.factor());
  });

  test("5,000 points of metrics per second are taken in while the run goes on [size.ingest]", async () => {
    const points = 50_000;
    const script = `awk 'BEGIN { for (i = 0; i < ${points}; i++) printf "{\\"step\\":%d,\\"loss\\":0.5}\\n", i }' >"$RIGOR_OUTPUT/metrics.jsonl"; sleep 600`;
    const lab = await laboratory({
      "points.json": experimentFile({ name: "points", runs: 2, run: script, code: ["code.txt"] }),
      "rigor.yaml": "compute: { local: { kind: local, cpus: 1 } }\n",
    });
    const busy = new Slowness();
    busy.sample();
    const begun = performance.now();
    await lab.start("points.json");
    const limit = (points / 5_000) * 2;
    while (countPoints(lab) < points) {
      expect((performance.now() - begun) / 1_000).toBeLessThan(limit * busy.factor());
      busy.sample();
      await sleep(50);
    }
  });

  test("a run that does nothing costs little more than the processes that it needs [size.throughput]", async () => {
    const runs = 100;
    const run = `printf '{"metrics":{"value":%s%s}}' "{parameters.arm}" "{seed}" >"{output}/result.json"`;
    const experiment = (round: number) =>
      experimentFile({ name: `noop-${round}`, runs, run, code: ["code.txt"], firstSeed: round * runs });
    const rounds = [0, 1, 2, 3];
    const lab = await laboratory(Object.fromEntries(rounds.map((round) => [`${round}.json`, experiment(round)])));
    const ratios: number[] = [];
    for (const round of rounds) {
      const before = bareSeconds(lab, runs);
      const { id } = await lab.start(`${round}.json`);
      await lab.waitForDone(id, runs, 120);
      const ends = endsOfAttempts(lab, id);
      expect(ends).toHaveLength(runs);
      const took = ((ends.at(-1) ?? 0) - (ends[0] ?? 0)) / 1_000;
      ratios.push((2 * took) / (before + bareSeconds(lab, runs)));
    }
    // GNU parallel takes 2.5 to 3.5 times the bare work, and the goal is twice GNU parallel.
    expect(Math.min(...ratios)).toBeLessThan(2 * 6);
  });
});

/** How much slower than usual this machine starts a process now. */
class Slowness {
  readonly #samples: number[] = [];
  static readonly #usualSeconds = 0.03;

  sample(): void {
    this.#samples.push(secondsOf(process.execPath, ["-e", "0"]));
  }

  /** At least 1. */
  factor(): number {
    return Math.max(1, median(this.#samples) / Slowness.#usualSeconds);
  }
}

function secondsOf(command: string, words: string[]): number {
  const begun = performance.now();
  const { status, stderr } = spawnSync(command, words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${words.join(" ")}: ${status} ${stderr}`);
  return (performance.now() - begun) / 1_000;
}

/**
 * Seconds of bare work like that of a run: two processes and a file that gets its name when it is whole, two at a time.
 */
function bareSeconds(lab: Laboratory, count: number): number {
  const script = `cd "$1" && seq ${count} | xargs -P2 -n1 sh -c 'sh -c "exit 0"; printf x >$0.new; mv -f $0.new $0.made'`;
  return secondsOf("sh", ["-c", script, "sh", lab.directory]);
}

function countPoints(lab: Laboratory): number {
  return read(lab, "select count(*) as value from metric_points", []).at(0) ?? 0;
}

/** When the attempts of an experiment ended, in order, in milliseconds. */
function endsOfAttempts(lab: Laboratory, experiment: string): number[] {
  const milliseconds = "cast(round((julianday(finished_at) - 2440587.5) * 86400000) as integer)";
  const attempts = `select ${milliseconds} as value from attempts where experiment_id = ? order by finished_at`;
  return read(lab, attempts, [experiment]);
}

/** The column `value` of a query, read beside the daemon. */
function read({ home }: Laboratory, query: string, parameters: string[]): number[] {
  const database = new DatabaseSync(join(home, "rigor.sqlite"), { readOnly: true });
  try {
    return database
      .prepare(query)
      .all(...parameters)
      .map((row) => Number(row["value"]));
  } finally {
    database.close();
  }
}
