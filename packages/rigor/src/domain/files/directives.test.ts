import { expect, test } from "vitest";
import { parseSettings } from "./settings.ts";

const read = (compute: object) =>
  parseSettings(`compute:\n  cluster: ${JSON.stringify(compute)}\n`, { file: "rigor.yaml" });

test.each([
  ["pbs", "job.sh", "is no option of `qsub`"],
  ["pbs", "--version", "is no option of `qsub`"],
  ["pbs", "-V", "environment of the login"],
  ["pbs", "-N other", "is set by Rigor itself"],
  ["pbs", "-J0-7", "is set by Rigor itself"],
  ["pbs", "-W block=true", "is set by Rigor itself"],
  ["pbs", "-z", "is set by Rigor itself"],
  ["pbs", "-q gpu@other", "another server"],
  ["slurm", "job.sh", "is no option of `sbatch`"],
  ["slurm", "--array=1-3", "is set by Rigor itself"],
  ["slurm", "--arr=1-3", "is set by Rigor itself"],
  ["slurm", "-a1-3", "is set by Rigor itself"],
  ["slurm", "--clusters=other", "another cluster"],
  ["slurm", "-Mother", "another cluster"],
])(
  "for %s, the directive %s is refused with its place in rigor.yaml [compute.directives]",
  (kind, directive, words) => {
    expect(() => read({ kind, directives: ["-p 5", directive] })).toThrow(words);
    expect(() => read({ kind, directives: ["-p 5", directive] })).toThrow("compute.cluster.directives[1]");
  },
);

test("directives that say how to run are taken, and a queue of another server is not [compute.directives]", () => {
  const directives = ["-l place=excl", "-W umask=022", "-p 5", "-v A=1", "-q gpu"];
  expect(read({ kind: "pbs", queue: "gpu", directives }).compute["cluster"]).toMatchObject({ directives });
  expect(read({ kind: "slurm", directives: ["--constraint=a100", "-t 5"] }).compute["cluster"]).toBeDefined();
  expect(() => read({ kind: "pbs", queue: "gpu@other" })).toThrow("another server");
});
