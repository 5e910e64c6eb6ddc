import { defineBenchmark } from "./support/benchmark.ts";
import { experimentFile, inLaboratory } from "./support/laboratory.ts";
import { completeRuns, createRuns, withLab } from "./support/many-runs.ts";

const runs = 10_000;
const rounds = 9;

export const benchmark = defineBenchmark({
  title: "from spawning the daemon to its first answer that it is healthy",
  measures: {
    first: { what: "first start on an empty data directory", unit: "ms" },
    empty: { what: "no run recorded", unit: "ms", goal: { below: 500 } },
    done: { what: `${runs} runs done`, unit: "ms", goal: { below: 500 } },
    waiting: { what: `${runs} runs waiting`, unit: "ms", goal: { below: 500 } },
  },
  async run(record) {
    const options = { runs, code: ["code.txt"] };
    const files = {
      "code.txt": "",
      "done.json": experimentFile({ ...options, name: "done", run: "true" }),
      "waiting.json": experimentFile({ ...options, name: "waiting", run: "sleep 600" }),
    };
    await inLaboratory(files, async (laboratory) => {
      const restart = async (name: "first" | "empty" | "done" | "waiting") => {
        record(name, (await laboratory.startDaemon()) * 1_000);
        await laboratory.stopDaemon();
      };
      await restart("first");
      for (let round = 0; round < rounds; round++) await restart("empty");
      await withLab(laboratory, async (lab) => completeRuns(lab, await createRuns(lab, laboratory, "done.json")));
      // The first one decides the experiment.
      await laboratory.startDaemon();
      await laboratory.waitForDone("done", runs, 60);
      await laboratory.stopDaemon();
      for (let round = 0; round < rounds; round++) await restart("done");
      await laboratory.startDaemon();
      await laboratory.start("waiting.json");
      await laboratory.stopDaemon();
      for (let round = 0; round < rounds; round++) await restart("waiting");
      await laboratory.startDaemon();
    });
  },
});
