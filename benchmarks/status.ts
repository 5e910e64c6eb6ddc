import { defineBenchmark } from "./support/benchmark.ts";
import { experimentFile, inLaboratory, type Laboratory } from "./support/laboratory.ts";
import { completeRuns, createRuns, withLab } from "./support/many-runs.ts";

const runs = 10_000;
const rounds = 15;

/** Wall time of whole processes: Node's start, the connection, the answer, the text. */
export const benchmark = defineBenchmark({
  title: `whole processes of the command line beside ${runs} runs, by node_modules/.bin/rigor on the pinned Node`,
  measures: {
    empty: { what: "rigor status, no experiment", unit: "ms" },
    statusPending: { what: "rigor status, runs waiting", unit: "ms", goal: { below: 150 } },
    listPending: { what: "rigor list EXPERIMENT --limit 50, runs waiting", unit: "ms" },
    statusDone: { what: "rigor status, runs done", unit: "ms", goal: { below: 150 } },
    listDone: { what: "rigor list EXPERIMENT --limit 50, runs done", unit: "ms" },
    resultsDone: { what: "rigor results EXPERIMENT, runs done", unit: "ms" },
    progress: { what: "one answer about progress from the daemon, runs done", unit: "ms" },
  },
  async run(record) {
    const options = { runs, code: ["code.txt"] };
    const files = {
      "code.txt": "",
      "waiting.json": experimentFile({ ...options, name: "waiting", run: "sleep 600" }),
      "done.json": experimentFile({ ...options, name: "done", run: "true" }),
    };
    await inLaboratory(files, async (laboratory) => {
      await laboratory.startDaemon();
      record("empty", ...(await milliseconds(laboratory, ["status"])));
      await laboratory.start("waiting.json");
      record("statusPending", ...(await milliseconds(laboratory, ["status"])));
      record("listPending", ...(await milliseconds(laboratory, ["list", "waiting", "--limit", "50"])));
    });
    await inLaboratory(files, async (laboratory) => {
      await withLab(laboratory, async (lab) => completeRuns(lab, await createRuns(lab, laboratory, "done.json")));
      await laboratory.startDaemon();
      await laboratory.waitForDone("done", runs, 60);
      record("statusDone", ...(await milliseconds(laboratory, ["status"])));
      record("listDone", ...(await milliseconds(laboratory, ["list", "done", "--limit", "50"])));
      record("resultsDone", ...(await milliseconds(laboratory, ["results", "done"])));
      const { client } = laboratory;
      for (let round = 0; round < rounds; round++) {
        const begun = performance.now();
        await client.experiments.progress({ reference: "done" });
        record("progress", performance.now() - begun);
      }
    });
  },
});

async function milliseconds(laboratory: Laboratory, words: string[]): Promise<number[]> {
  await laboratory.rigor(words);
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) samples.push((await laboratory.rigor(words)).seconds * 1_000);
  return samples;
}
