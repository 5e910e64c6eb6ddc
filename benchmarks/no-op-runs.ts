import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { defineBenchmark } from "./support/benchmark.ts";
import { experimentFile, inLaboratory, type Laboratory } from "./support/laboratory.ts";

const runs = 300;
const rounds = Number(process.env["RIGOR_BENCH_ROUNDS"] ?? 5);

/** The work of every run: a shell that writes a file of one line. */
const script = `printf '{"metrics":{"value":%s%s}}\\n' "$1" "$2" >"$3"\n`;

export const benchmark = defineBenchmark({
  title: `${runs} commands that each write one small file, as many at a time as there are cores; wall time per run`,
  measures: {
    parallel: { what: "GNU parallel with a job log", unit: "ms" },
    snakemake: { what: "Snakemake, one rule", unit: "ms" },
    warm: { what: "rigor run, daemon up", unit: "ms" },
    cold: { what: "rigor run, daemon started by it", unit: "ms" },
    file: { what: "for comparison: one empty file on the same disk", unit: "ms" },
    warmToParallel: { what: "rigor run / GNU parallel", unit: "x", goal: { below: 2 } },
    coldToParallel: { what: "rigor run with daemon start / GNU parallel", unit: "x" },
    warmToSnakemake: { what: "rigor run / Snakemake", unit: "x", goal: { below: 1 } },
  },
  async run(record, note) {
    for (let round = 0; round < rounds; round++) {
      const files = { "work.sh": script, "cold.json": experiment("cold", 0), "warm.json": experiment("warm", runs) };
      const took = await inLaboratory(files, oneRound);
      const { parallel, snakemake, cold, warm, file } = took;
      record("file", file);
      record("cold", cold);
      record("warm", warm);
      if (parallel === null) note("GNU parallel is not installed");
      else {
        record("parallel", parallel);
        record("warmToParallel", warm / parallel);
        record("coldToParallel", cold / parallel);
      }
      if (snakemake === null) note("Snakemake is not installed");
      else {
        record("snakemake", snakemake);
        record("warmToSnakemake", warm / snakemake);
      }
    }
  },
});

type Round = Record<"parallel" | "snakemake", number | null> & Record<"cold" | "warm" | "file", number>;

/** The tools in turns. GNU parallel runs before and after Rigor, so that neither has the quieter machine. */
async function oneRound(laboratory: Laboratory): Promise<Round> {
  const before = runParallel(laboratory, "before");
  const cold = await perRun(() => laboratory.rigor(["run", "cold.json"]));
  const warm = await perRun(() => laboratory.rigor(["run", "warm.json"]));
  await laboratory.refuseShared("warm");
  await laboratory.rigor(["down"]);
  const after = runParallel(laboratory, "after");
  const snakemake = runSnakemake(laboratory);
  const file = makeFiles(laboratory);
  return { parallel: before === null || after === null ? null : (before + after) / 2, snakemake, cold, warm, file };
}

/** An experiment of {@link runs} runs, each with a value of its own. */
function experiment(name: string, firstSeed: number): string {
  const run = 'sh work.sh "{parameters.arm}" "{seed}" "{output}/result.json"';
  return experimentFile({ name, runs, run, code: ["work.sh"], firstSeed });
}

/** Milliseconds per run. */
async function perRun(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / runs;
}

/** Milliseconds per file. Each run makes a dozen files and folders, so that what it takes on a disk follows this. */
function makeFiles({ directory }: Laboratory): number {
  const folder = join(directory, "files");
  mkdirSync(folder);
  const files = 500;
  const begun = performance.now();
  for (let index = 0; index < files; index++) closeSync(openSync(join(folder, String(index)), "w"));
  return (performance.now() - begun) / files;
}

function runParallel({ directory, repository }: Laboratory, name: string): number | null {
  const output = join(directory, name);
  mkdirSync(output);
  const input = Array.from({ length: runs }, (_, index) => index).join("\n");
  const work = ["sh", join(repository, "work.sh"), "1", "{}", `${output}/{}.json`];
  return runTool("parallel", [`-j${cpus().length}`, "--joblog", `${output}.log`, ...work], { input, made: output });
}

function runSnakemake({ directory, repository }: Laboratory): number | null {
  const cwd = join(directory, "snakemake");
  mkdirSync(cwd);
  writeFileSync(
    join(cwd, "Snakefile"),
    `rule all:
    input: expand("made/{n}.json", n=range(${runs}))
rule one:
    output: "made/{n}.json"
    shell: "sh ${repository}/work.sh 1 {wildcards.n} {output}"
`,
  );
  // The scheduler by which it is quickest here.
  const words = [`-c${cpus().length}`, "--quiet", "--scheduler", "greedy"];
  return runTool("snakemake", words, { cwd, made: join(cwd, "made") });
}

/** Milliseconds per run; null if the tool is missing. @throws Error if it did not do the work */
function runTool(
  name: string,
  words: string[],
  options: { cwd?: string; input?: string; made: string },
): number | null {
  const { made, ...rest } = options;
  const begun = performance.now();
  const { status, stderr, error } = spawnSync(name, words, { ...rest, encoding: "utf8" });
  const took = (performance.now() - begun) / runs;
  if (error !== undefined && "code" in error && error.code === "ENOENT") return null;
  const files = readdirSync(made).length;
  if (status !== 0 || files !== runs)
    throw new Error(`${name} ended with ${status} and made ${files} files: ${stderr}`);
  return took;
}
