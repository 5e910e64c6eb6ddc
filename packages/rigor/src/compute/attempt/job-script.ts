import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { RigorError } from "../../domain/errors.ts";
import { exportLine, quote } from "../../hosts/quote.ts";
import type { JobSpec } from "./job.ts";

/**
 * Every process of an attempt has this variable, with the path of the attempt's directory: it tells whose a process is
 * that has left the group and session of its job.
 */
export const jobVariable = "RIGOR_JOB";

/** Where a job runs and what its surroundings know. */
export interface JobPlace {
  /** Absolute path of the attempt directory on the host. */
  directory: string;
  /** A file that gets a line with the attempt's token after its exit record is in place; null for none. */
  finished_log: string | null;
  /**
   * Epoch seconds at which the host's uptime was zero, where the submitter knows it. It spares the job the start of
   * `date`; null makes the job ask.
   */
  booted_at: number | null;
  /**
   * Somebody will send CONT when the job has run for a moment, and only then its watch (heartbeat, time limit) begins.
   * A job that ends sooner is spared two processes. False: the watch begins at once.
   */
  kicked: boolean;
  /** A scheduler executes the job, and may start it again. Default: false. */
  scheduled?: boolean;
}

/**
 * The POSIX shell script that executes one attempt, from `templates/job.sh`.
 *
 * @throws RigorError where a value cannot reach a command at all: a NUL character, or an impossible variable name.
 */
export function jobScript(spec: JobSpec, place: JobPlace): string {
  const output = `${place.directory}/output`;
  const variables: Record<string, string> = {
    RIGOR_ATTEMPT: spec.attempt,
    ...spec.environment,
    RIGOR_RUN_ID: spec.run,
    RIGOR_OUTPUT: output,
    RIGOR_PARAMETERS: `${place.directory}/parameters.json`,
    [jobVariable]: place.directory,
  };
  const cards = spec.environment["CUDA_VISIBLE_DEVICES"];
  const settings = [
    `attempt=${quote(spec.attempt)}`,
    `directory=${quote(place.directory)}`,
    `checkout=${quote(spec.working_directory)}`,
    `kicked=${place.kicked ? "1" : "''"}`,
    `finished_log=${quote(place.finished_log ?? "")}`,
    `scheduled=${place.scheduled === true ? "1" : "''"}`,
    `booted_at=${place.booted_at === null ? "" : wholeNumber(place.booted_at * 100, "booted_at")}`,
    `limit=${spec.time_limit === null ? 0 : wholeNumber(Math.max(1, spec.time_limit), "time_limit")}`,
    `grace=${wholeNumber(spec.grace, "grace")}`,
    `interval=${wholeNumber(Math.max(1, spec.heartbeat), "heartbeat")}`,
    // What a scheduler gives is known where the job runs.
    `cards=${cards === undefined ? "${CUDA_VISIBLE_DEVICES-all}" : quote(cards)}`,
  ];
  const secrets = quote(`${place.directory}/secrets.sh`);
  const exports = [
    ...exportLines(variables).map((line) => `  ${line}`),
    ...pathLines(spec.path_prefix ?? []),
    ...needLines(spec.needs ?? {}),
    ...(hasSecrets(spec) ? [`  . ${secrets}`] : []),
    // A job that may be started again needs them again.
    ...(hasSecrets(spec) && place.scheduled !== true ? [`  rm -f ${secrets}`] : []),
  ];
  const [head, rest] = template();
  return [
    head,
    ...settings,
    "",
    "set_variables() {",
    ...exports,
    "}",
    "",
    "start_command() {",
    `  exec ${commandWords(spec.command)}`,
    "}",
    rest,
  ].join("\n");
}

let read: readonly [head: string, rest: string] | null = null;

/** The script, without the part that is different for each attempt. */
function template(): readonly [head: string, rest: string] {
  if (read !== null) return read;
  const text = readFileSync(new URL("../../../templates/job.sh", import.meta.url), "utf8");
  const [head, , rest] = text.split(/^#@ .*\n/m);
  if (head === undefined || rest === undefined) throw new RigorError("internal", "The template of job.sh is damaged.");
  read = [head.trimEnd(), rest];
  return read;
}

/** The file that the script reads secret variables from, and removes; null for a job without any. */
export function secretsScript(spec: JobSpec): string | null {
  return hasSecrets(spec) ? `${exportLines(spec.secrets ?? {}).join("\n")}\n` : null;
}

const hasSecrets = (spec: JobSpec): boolean => Object.keys(spec.secrets ?? {}).length > 0;

function exportLines(variables: Readonly<Record<string, string>>): string[] {
  return Object.entries(variables).map(([name, value]) => exportLine(name, value));
}

const pathLines = (prefix: readonly string[]): string[] =>
  prefix.length === 0 ? [] : [`  PATH=${quote(prefix.join(":"))}:$PATH`, "  export PATH"];

/** The working directory is that of the attempt. A job that is started again finds its links. */
function needLines(needs: Readonly<Record<string, string>>): string[] {
  return Object.entries(needs).flatMap(([path, target]) => {
    const link = quote(`needs/${path}`);
    const missing = quote(`rigor: ${target} is not there, which the run needs as ${path}`);
    return [
      `  if [ ! -d ${quote(target)} ]; then printf '%s\\n' ${missing} >&2; exit 1; fi`,
      `  mkdir -p ${quote(posix.dirname(`needs/${path}`))} || exit 1`,
      `  [ -h ${link} ] || ln -s ${quote(target)} ${link} || exit 1`,
    ];
  });
}

/** A shell waits for what it runs before it obeys TERM, and leaves the warning USR1 to what it runs. */
const shellPrologue = "trap : USR1; trap 'exit 143' TERM\n";

function commandWords(command: string | readonly string[]): string {
  if (typeof command === "string") return `/bin/sh -c ${quote(shellPrologue + command)}`;
  if (command.length === 0) throw new RigorError("file-invalid", "The command is empty.");
  return command.map(quote).join(" ");
}

function wholeNumber(value: number, name: string): string {
  if (Number.isFinite(value) && value >= 0) return Math.ceil(value).toFixed(0);
  throw new RigorError("internal", `${name} of a job is ${value}, which is no length of time.`);
}
