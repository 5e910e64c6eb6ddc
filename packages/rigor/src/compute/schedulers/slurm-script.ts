import { RigorError } from "../../domain/errors.ts";
import type { SlurmCompute } from "../../domain/files/compute-schema.ts";
import { quote } from "../../hosts/quote.ts";
import { moduleLines } from "./batch-script.ts";
import type { Allocation, Batch } from "./scheduler.ts";

// What the adapter asks Slurm's commands to do, as text for a shell. Pure.

/** What a batch and the configuration say about one submission. */
export type SlurmSettings = Pick<
  SlurmCompute,
  "account" | "partition" | "qos" | "requeue" | "signal" | "modules" | "directives"
>;

/**
 * Variables with which a login says where Slurm is. `SQUEUE_*` and `SBATCH_*` would change what the commands do, and
 * `SLURM_*` of an outer job would reach the inner one. With `--export` instead, Slurm would run the login scripts on the
 * node, or hand the setting on to `srun` in the job.
 */
export const slurmVariables = ["SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS"];

/** Name, in the directory of a batch, of the file with what Slurm and the loading of modules say about a member. */
export const memberLog = (index: number): string => `slurm-${index}.log`;

/** The options of `sbatch` for a batch; its script comes on standard input. @throws RigorError `file-invalid` */
export function submissionOptions(batch: Batch, settings: SlurmSettings): string[] {
  const { name, size, directory, allocation } = batch;
  if (directory.includes("\\")) {
    throw new RigorError("file-invalid", `Slurm cannot write to a path with a backslash: ${directory}.`, {
      next: "Choose another `workdir`.",
    });
  }
  const log = `${directory.replaceAll("%", "%%")}/${size > 1 ? "slurm-%a.log" : memberLog(0)}`;
  return [
    "--parsable",
    `--job-name=${name}`,
    ...(size > 1 ? [`--array=0-${size - 1}`] : []),
    `--chdir=${directory}`,
    `--output=${log}`,
    "--open-mode=append",
    // The limits of a login node, such as minutes of CPU time, are none of a job's.
    "--propagate=NONE",
    ...allocationOptions(allocation, settings),
    settings.requeue ? "--requeue" : "--no-requeue",
    ...placeOptions(settings),
  ];
}

/** The options of `sbatch --test-only`, which says whether account, partition and quality of service would be taken. */
export function testOptions(settings: SlurmSettings): string[] {
  return ["--test-only", "--ntasks=1", ...placeOptions(settings)];
}

function placeOptions({ account, partition, qos, directives }: SlurmSettings): string[] {
  return [
    ...(account === null ? [] : [`--account=${account}`]),
    ...(partition === null ? [] : [`--partition=${partition}`]),
    ...(qos === null ? [] : [`--qos=${qos}`]),
    // Last, so that they have the last word on all that is not refused where rigor.yaml is read.
    ...directives,
  ];
}

function allocationOptions({ cpus, gpus, memory, time }: Allocation, { signal }: SlurmSettings): string[] {
  const warning = signal !== null && (time === null || time > signal.seconds + warningResolution);
  return [
    "--nodes=1",
    "--ntasks=1",
    `--cpus-per-task=${cpus}`,
    // Known to every version and every way to select resources, unlike `--gpus-per-node`.
    ...(gpus === 0 ? [] : [`--gres=gpu:${gpus}`]),
    ...(memory === null ? [] : [`--mem=${Math.ceil(memory / 2 ** 20)}M`]),
    ...(time === null ? [] : [`--time=${Math.ceil(time / 60)}`]),
    ...(warning ? [`--signal=B:${signal.signal}@${signal.seconds}`] : []),
  ];
}

/** Seconds by which Slurm may send the warning too early. A shorter job would be warned when it starts. */
const warningResolution = 60;

/** The script that Slurm starts for each member. */
export function batchScript({ script }: Batch, { modules, signal }: SlurmSettings): string {
  return [
    "#!/bin/sh",
    // Else the warning would end a shell that is still loading modules.
    ...(signal === null ? [] : [`trap : ${signal.signal}`]),
    ...moduleLines(modules),
    `exec /bin/sh ${quote(script)}`,
    "",
  ].join("\n");
}
