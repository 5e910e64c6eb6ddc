import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { defineBenchmark } from "./support/benchmark.ts";
import { experimentFile, inLaboratory, type Laboratory } from "./support/laboratory.ts";

const runs = 5_000;
const part = 500;

export const benchmark = defineBenchmark({
  title: `${runs} real runs that each write one small file, in one experiment`,
  measures: {
    perRun: { what: "wall time per run", unit: "ms" },
    slowdown: { what: `time of the last ${part} runs / time of the first ${part}`, unit: "x", goal: { below: 1.5 } },
    memory: { what: "memory of the daemon at the end", unit: "MB", goal: { below: 400 } },
    peak: { what: "most memory that the daemon held", unit: "MB", goal: { below: 400 } },
  },
  async run(record, note) {
    const run = `printf '{"metrics":{"value":%s%s}}' "{parameters.arm}" "{seed}" >"{output}/result.json"`;
    const file = experimentFile({ name: "queue", runs, run, code: ["code.txt"] });
    await inLaboratory({ "code.txt": "", "queue.json": file }, async (laboratory) => {
      await laboratory.startDaemon();
      const { id, seconds } = await laboratory.start("queue.json");
      const begun = performance.now() - seconds * 1_000;
      await laboratory.waitForDone(id, runs, 600);
      record("perRun", (performance.now() - begun) / runs);
      const ends = endsOfAttempts(laboratory);
      record("slowdown", spanOf(ends.slice(-part)) / spanOf(ends.slice(0, part)));
      const memory = laboratory.daemonMemory();
      if (memory === null) return note("this system does not tell the memory of a process");
      record("memory", memory.now / 1e6);
      record("peak", memory.peak / 1e6);
    });
  },
});

/** When attempts ended, in order, in milliseconds. */
function endsOfAttempts({ home }: Laboratory): number[] {
  const database = new DatabaseSync(join(home, "rigor.sqlite"), { readOnly: true });
  try {
    const rows = database.prepare("select finished_at from attempts order by finished_at").all();
    return rows.map((row) => Date.parse(String(row["finished_at"])));
  } finally {
    database.close();
  }
}

function spanOf(times: readonly number[]): number {
  return Math.max(1, (times.at(-1) ?? 0) - (times[0] ?? 0));
}
