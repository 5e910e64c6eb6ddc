import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { defineBenchmark } from "./support/benchmark.ts";
import { rigorCommand } from "./support/laboratory.ts";

const rounds = 15;

export const benchmark = defineBenchmark({
  title: "`rigor --version`, whole process",
  measures: {
    pinned: { what: "on the pinned Node", unit: "ms", goal: { below: 100 } },
    machine: { what: "on the machine's own Node", unit: "ms", goal: { below: 100 } },
    bare: { what: "for comparison: `node -e 0` on the pinned Node", unit: "ms" },
  },
  run(record, note) {
    // What npm puts in front, so that scripts find the pinned Node.
    const own = (process.env["PATH"] ?? "").split(":").filter((part) => !part.includes("node_modules"));
    const machinePath = own.join(":");
    const pinnedPath = `${dirname(process.execPath)}:${machinePath}`;
    const { stdout } = spawnSync("node", ["--version"], { env: { PATH: machinePath }, encoding: "utf8" });
    note(stdout ? `the machine's Node is ${stdout.trim()}` : "the machine has no Node of its own");
    for (let round = 0; round < rounds; round++) {
      record("pinned", milliseconds(rigorCommand, ["--version"], pinnedPath));
      if (stdout) record("machine", milliseconds(rigorCommand, ["--version"], machinePath));
      record("bare", milliseconds(process.execPath, ["-e", "0"], pinnedPath));
    }
    return Promise.resolve();
  },
});

function milliseconds(command: string, words: string[], path: string): number {
  const begun = performance.now();
  const { status, stderr } = spawnSync(command, words, { env: { PATH: path }, encoding: "utf8" });
  const took = performance.now() - begun;
  if (status !== 0) throw new Error(`${command} ${words.join(" ")}: ${status} ${stderr}`);
  return took;
}
