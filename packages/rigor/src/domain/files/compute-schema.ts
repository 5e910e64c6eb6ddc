import { z } from "zod";
import { pbsDirectiveProblem, pbsQueueProblem, slurmDirectiveProblem } from "./directives.ts";
import * as field from "./fields.ts";
import { readSize, type Reading } from "./units.ts";

// The kinds of compute in `rigor.yaml`. The descriptions are printed in docs/experiment-file.md.

const wholeNumber = (value: unknown, least: number): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= least;

function readGpus(value: unknown): Reading<"auto" | number | number[]> {
  const problem = "expected `auto`, a number of GPUs, or a list of their indexes such as `[0, 2]`";
  if (value === "auto" || wholeNumber(value, 0)) return { value };
  if (!Array.isArray(value) || !value.every((index) => wholeNumber(index, 0))) return { problem };
  return new Set(value).size === value.length ? { value } : { problem: "a GPU is listed twice" };
}

function readCpus(value: unknown): Reading<"auto" | number> {
  return value === "auto" || wholeNumber(value, 1)
    ? { value }
    : { problem: "expected `auto`, or a number of cores of at least 1" };
}

function readMemory(value: unknown): Reading<"auto" | number> {
  return value === "auto" ? { value } : readSize(value);
}

/** What runs may use of a machine that Rigor places them on itself. */
const machine = {
  gpus: field.read("`auto`, number, or list of indexes", readGpus).default("auto").describe("GPUs that runs may use."),
  cpus: field.read("`auto` or number", readCpus).default("auto").describe("CPU cores that runs may use together."),
  memory: field.read("`auto` or size", readMemory).default("auto").describe("Main memory that runs may use together."),
};

/** One line without control characters; it becomes an argument or a line of a script. */
const word = field.patternName(/^[^\p{Cc}]{1,1000}$/u, "one line of text");

const hostName = field.patternName(
  /^[^\p{Cc}\s-][^\p{Cc}\s]{0,254}$/u,
  "a name of your ssh configuration or `user@host`, not starting with `-`",
);

const workdir = field
  .patternName(/^(~|~\/[^\p{Cc}]*|\/[^\p{Cc}]*)$/u, "an absolute path, or one that starts with `~/`")
  .default("~/.rigor")
  .describe("Directory there for code, environments, inputs and attempts; all nodes of a cluster must see it.");

const ssh = {
  host: hostName.describe("As you would say it to ssh."),
  ssh_config: word.nullable().default(null).describe("ssh configuration file to use instead of your own."),
};

export const localCompute = z.strictObject({
  kind: z.literal("local").describe("This machine."),
  ...machine,
});

export const sshCompute = z.strictObject({
  kind: z.literal("ssh").describe("A machine that is reached through ssh."),
  ...ssh,
  workdir,
  ...machine,
  exclude_gpus: z.array(word).default([]).describe("GPUs whose name contains one of these are left alone."),
});

const scheduler = {
  via: z
    .strictObject({ ssh: ssh.host, ssh_config: ssh.ssh_config })
    .nullable()
    .default(null)
    .describe("Login node on which the scheduler's commands work; `null` is this machine."),
  workdir,
  max_jobs: z.int().min(1).default(100).describe("Jobs that wait or run there at the same time, at most."),
  calls_per_minute: z
    .int()
    .min(1)
    .max(6_000)
    .default(60)
    .describe("Calls of the scheduler's commands, at most, in any 60 seconds."),
  array: z.boolean().default(true).describe("Submit runs as arrays."),
  modules: z.array(word).default([]).describe("Environment modules that are loaded before the run."),
};

/** A word that is checked further. @param problemOf what is wrong with it, as the end of a sentence */
const wordWithout = (what: string, problemOf: (text: string) => string | null) =>
  word.superRefine((text, context) => {
    const problem = problemOf(text);
    if (problem !== null) context.addIssue({ code: "custom", message: `the ${what} \`${text}\` ${problem}` });
  });

const directives = (problemOf: (directive: string) => string | null) =>
  z
    .array(wordWithout("directive", problemOf))
    .default([])
    .describe("Further options of the submission, each as one argument.");

/** `USR1@60`: signal and seconds before the end. */
export interface Warning {
  signal: string;
  seconds: number;
}

function readWarning(value: unknown): Reading<Warning | null> {
  if (value === null) return { value: null };
  const text = typeof value === "string" ? value : "";
  const [, signal, seconds] = /^(?:SIG)?(USR1|USR2|TERM|INT|HUP)@(\d{1,5})$/.exec(text) ?? [];
  if (signal === undefined) return { problem: "expected a signal and seconds such as `USR1@60`, or null" };
  return { value: { signal, seconds: Number(seconds) } };
}

export const slurmCompute = z.strictObject({
  kind: z.literal("slurm").describe("A Slurm cluster."),
  ...scheduler,
  directives: directives(slurmDirectiveProblem),
  account: word.nullable().default(null).describe("Account that is charged."),
  partition: word.nullable().default(null).describe("Partition, or several with commas between them."),
  qos: word.nullable().default(null).describe("Quality of service."),
  requeue: z.boolean().default(true).describe("Let Slurm start a run again that it preempted or whose node failed."),
  signal: field
    .read("signal@seconds or null", readWarning)
    .prefault("USR1@60")
    .describe("Warning before the end, so that a run can write a checkpoint."),
});

export const pbsCompute = z.strictObject({
  kind: z.literal("pbs").describe("An OpenPBS or PBS Pro cluster."),
  ...scheduler,
  directives: directives(pbsDirectiveProblem),
  project: word.nullable().default(null).describe("Project that is charged."),
  queue: wordWithout("queue", pbsQueueProblem).nullable().default(null).describe("Queue."),
  storage: word.nullable().default(null).describe("Storage that the job asks for, such as `scratch/li96`."),
  gpu_resource: word.default("ngpus").describe("Name of the resource that counts GPUs."),
  select: z
    .boolean()
    .default(true)
    .describe("Ask for resources by `-l select`; false is for sites that want `-l ncpus` and `-l mem`."),
});

/** `held`: it waits until a person changes something. */
export const commandStates = ["waiting", "held", "running", "finished", "failed", "cancelled", "preempted"] as const;

export const commandCompute = z.strictObject({
  kind: z.literal("command").describe("Any other scheduler, by its commands."),
  ...scheduler,
  array: z.literal(false).default(false).describe("Each run is a job of its own."),
  submit: word.describe("Shell command that submits the job script `$RIGOR_SCRIPT` under the name `$RIGOR_NAME`."),
  id: word
    .default("\\S+")
    .describe("Regular expression that finds the job's id in what `submit` prints; its first group, if it has one."),
  status: word.describe("Shell command that prints a line `ID STATE` for each job of `$RIGOR_IDS` that is known."),
  cancel: word.describe("Shell command that ends the jobs of `$RIGOR_IDS`."),
  states: z.record(word, z.enum(commandStates)).describe("What each word for a state means."),
});

/** One machine or cluster of `rigor.yaml`, with defaults filled in. */
export const computeSchema = z.discriminatedUnion("kind", [
  localCompute,
  sshCompute,
  slurmCompute,
  pbsCompute,
  commandCompute,
]);

export type LocalCompute = z.output<typeof localCompute>;
export type SshCompute = z.output<typeof sshCompute>;
export type SlurmCompute = z.output<typeof slurmCompute>;
export type PbsCompute = z.output<typeof pbsCompute>;
export type CommandCompute = z.output<typeof commandCompute>;
export type Compute = z.output<typeof computeSchema>;
