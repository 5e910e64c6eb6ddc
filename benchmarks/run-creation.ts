import { defineBenchmark } from "./support/benchmark.ts";
import { experimentFile, inLaboratory, type Laboratory } from "./support/laboratory.ts";

const runs = 10_000;
const rounds = 3;

export const benchmark = defineBenchmark({
  title: `an experiment of ${runs} runs in a repository of a few files, recorded in the log`,
  measures: {
    start: { what: "the API's answer to `start`", unit: "s", goal: { below: 5 } },
    plan: { what: "rigor plan, whole process", unit: "s" },
    again: { what: "`start` again: the same experiment is found", unit: "s" },
  },
  async run(record) {
    const run = "sleep 600";
    const files = { "sleep.json": experimentFile({ name: "sleep", runs, run, code: ["code.txt"] }), "code.txt": "" };
    for (let round = 0; round < rounds; round++) {
      await inLaboratory(files, async (laboratory: Laboratory) => {
        await laboratory.startDaemon();
        record("plan", (await laboratory.rigor(["plan", "sleep.json"])).seconds);
        record("start", (await laboratory.start("sleep.json")).seconds);
        record("again", (await laboratory.start("sleep.json")).seconds);
      });
    }
  },
});
