import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { defineBenchmark } from "./support/benchmark.ts";
import { experimentFile, inLaboratory, type Laboratory } from "./support/laboratory.ts";

const points = 100_000;
const rounds = 3;

/** Writes as fast as it can, then stays, so that everything is read while it runs. */
const script = `import { appendFileSync } from "node:fs";
for (let step = 0; step < ${points}; step += 100) {
  const lines = Array.from({ length: 100 }, (_, index) => JSON.stringify({ step: step + index, loss: 1 / (step + index + 1) }));
  appendFileSync(process.env.RIGOR_OUTPUT + "/metrics.jsonl", lines.join("\\n") + "\\n");
}
setTimeout(() => undefined, 600_000);
`;

export const benchmark = defineBenchmark({
  title: `a run that reports ${points} points and goes on; from the start of the experiment to the last point in the database`,
  measures: {
    rate: { what: "points per second", unit: "/s", goal: { atLeast: 5_000 } },
    again: {
      what: "points per second when read a second time, by a daemon that starts",
      unit: "/s",
      goal: { atLeast: 5_000 },
    },
    added: { what: "points that the second reading added", unit: "points", goal: { below: 1 } },
    answer: { what: "longest time that the daemon answered nobody meanwhile", unit: "ms" },
  },
  async run(record) {
    const options = { name: "points", runs: 2, run: "node write.mjs", code: ["write.mjs"] };
    const files = { "write.mjs": script, "points.json": experimentFile(options), "rigor.yaml": oneAtATime };
    for (let round = 0; round < rounds; round++) {
      await inLaboratory(files, async (laboratory) => {
        await laboratory.startDaemon();
        const begun = performance.now();
        await laboratory.start("points.json");
        const longest = await waitForPoints(laboratory);
        record("rate", (points * 1_000) / (performance.now() - begun));
        record("answer", longest);

        // Another daemon knows no offsets: it reads the file from its beginning, and finds one new line at its end.
        const file = await metricsFile(laboratory);
        await laboratory.stopDaemon();
        appendFileSync(file, '{"last":1}\n');
        const restarted = performance.now();
        await laboratory.startDaemon();
        while (countPoints(laboratory, "last") === 0) await sleep(10);
        record("again", (points * 1_000) / (performance.now() - restarted));
        record("added", countPoints(laboratory) - points);
      });
    }
  },
});

const oneAtATime = "compute: { local: { kind: local, cpus: 1 } }\n";

/** Asks the daemon all the time, as a user would who waits. Returns its slowest answer in milliseconds. */
async function waitForPoints(laboratory: Laboratory): Promise<number> {
  const { client } = laboratory;
  let longest = 0;
  for (const deadline = performance.now() + 60_000; performance.now() < deadline;) {
    const begun = performance.now();
    await client.system.health();
    longest = Math.max(longest, performance.now() - begun);
    if (countPoints(laboratory) >= points) return longest;
    await sleep(10);
  }
  throw new Error(`${countPoints(laboratory)} of ${points} points were read in a minute`);
}

async function metricsFile({ client }: Laboratory): Promise<string> {
  const [run] = (await client.runs.list({ states: ["active"] })).runs;
  if (run === undefined) throw new Error("no run is active");
  const [attempt] = (await client.runs.get({ reference: run.id })).attempt_list;
  if (attempt === undefined) throw new Error("the run has no attempt");
  return join(attempt.directory, "output", "metrics.jsonl");
}

function countPoints({ home }: Laboratory, name = "loss"): number {
  const database = new DatabaseSync(join(home, "rigor.sqlite"), { readOnly: true });
  try {
    const row = database.prepare("select count(*) as count from metric_points where name = ?").get(name);
    return Number(row?.["count"] ?? 0);
  } finally {
    database.close();
  }
}
