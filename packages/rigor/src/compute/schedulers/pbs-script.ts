import type { PbsCompute } from "../../domain/files/compute-schema.ts";
import { pbsOptionWords } from "../../domain/files/directives.ts";
import { quote } from "../../hosts/quote.ts";
import { directoryLine, moduleLines } from "./batch-script.ts";
import type { Allocation, Batch } from "./scheduler.ts";

// What the adapter asks PBS's commands to do, as text for a shell. Pure.

/** What a batch and the configuration say about one submission. */
export type PbsSettings = Pick<
  PbsCompute,
  "project" | "queue" | "storage" | "gpu_resource" | "select" | "modules" | "directives"
>;

/**
 * Variables with which a login says where PBS is. `PBS_DPREFIX` would change what `qsub` reads, and those of an outer job
 * would reach the inner one.
 */
export const pbsVariables = ["PBS_CONF_FILE", "PBS_EXEC", "PBS_SERVER"];

/** Name, in the directory of a batch, of the file with what PBS and the loading of modules say about a member. */
const memberLog = (index: number | string): string => `pbs-${index}.log`;

/** The options of `qsub` for a batch; its script comes on standard input. */
export function submissionOptions(batch: Batch, settings: PbsSettings): string[] {
  const { name, size, directory } = batch;
  return [
    ...["-N", name],
    // PBS knows no array of one.
    ...(size > 1 ? ["-J", `0-${size - 1}`] : []),
    ...["-j", "oe", "-o", `${directory}/${memberLog(size > 1 ? "^array_index^" : 0)}`],
    ...["-m", "n"],
    // An array is refused without it.
    ...["-r", "y"],
    ...(settings.project === null ? [] : ["-P", settings.project]),
    ...(settings.queue === null ? [] : ["-q", settings.queue]),
    ...resources(batch.allocation, settings).flatMap((resource) => ["-l", resource]),
    // Last, so that they have the last word on all that is not refused where rigor.yaml is read.
    ...settings.directives.flatMap(pbsOptionWords),
  ];
}

/** What a job asks for. A resource that a directive names is left to it. */
function resources({ cpus, gpus, memory, time }: Allocation, settings: PbsSettings): string[] {
  const parts = [
    `ncpus=${cpus}`,
    ...(memory === null ? [] : [`mem=${Math.ceil(memory / 2 ** 20)}mb`]),
    ...(gpus === 0 ? [] : [`${settings.gpu_resource}=${gpus}`]),
  ];
  const named = new Set(settings.directives.flatMap((directive) => namedResources(pbsOptionWords(directive))));
  const own = [
    ...(settings.select ? [`select=1:${parts.join(":")}`] : parts),
    ...(time === null ? [] : [`walltime=${clock(time)}`]),
    ...(settings.storage === null ? [] : [`storage=${settings.storage}`]),
  ];
  return own.filter((resource) => !named.has(nameOf(resource)));
}

const nameOf = (resource: string): string => resource.slice(0, resource.indexOf("="));

function namedResources([option, value]: readonly string[]): string[] {
  if (option !== "-l" || value === undefined) return [];
  return value.split(",").map((resource) => nameOf(resource).trim());
}

/** Hours, minutes and seconds, as PBS writes them. */
function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  return [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}

/**
 * Stays until the member has ended, which is its end for PBS. PBS sends TERM to the whole session of a job, and some
 * seconds later KILL. The member gets a process group of its own, which it can end as a whole, in that session, where PBS
 * finds, counts and ends it. That needs `set -m` without a terminal, which bash has; what shells say of it is no use.
 */
const supervisor = `exec 2>/dev/null
set -m
child='' stopped=''
stop() {
  stopped=1
  if [ -n "$child" ]; then kill -s TERM "$child"; fi
}
trap stop TERM INT HUP
"$@" </dev/null 2>&1 &
child=$!
if [ -n "$stopped" ]; then stop; fi
wait "$child"
status=$?
while kill -0 "$child"; do
  wait "$child"
  status=$?
done
exit "$status"`;

/** The script that PBS starts for each member. */
export function batchScript({ script, directory }: Batch, { modules }: PbsSettings): string {
  return [
    "#!/bin/sh",
    directoryLine(directory),
    ...moduleLines(modules),
    "shell=/bin/sh",
    "if command -v bash >/dev/null; then shell='bash'; fi",
    `exec "$shell" -c ${quote(supervisor)} rigor-member /bin/sh ${quote(script)}`,
    "",
  ].join("\n");
}
