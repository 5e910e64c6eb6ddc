import type { CommandCompute } from "../../domain/files/compute-schema.ts";
import { quote } from "../../hosts/quote.ts";
import { directoryLine, moduleLines } from "./batch-script.ts";
import { cleanly } from "./commands.ts";
import type { Batch } from "./scheduler.ts";

// What a host is asked to do for a scheduler that is described by commands, as text for a shell. Pure.

/** Days after which a note of a submission is no use any more. */
const noteDays = 90;

/** Name, in the directory of a batch, of the file with what the loading of modules says, and whatever else goes wrong. */
const memberLog = "job.log";

/**
 * Lines that run a command of the configuration, with these variables and nothing else of the login. Without `pipefail`,
 * `qstat | awk ...` would answer for a scheduler that does not.
 */
function commandLines(command: string, variables: Readonly<Record<string, string>>): string[] {
  const set = Object.entries(variables).map(([name, value]) => `${name}=${quote(value)}`);
  return [
    "if command -v bash >/dev/null; then set -- bash -o pipefail; else set -- sh; fi",
    `${[cleanly(), ...set].join(" ")} "$@" -c ${quote(command)} </dev/null`,
  ];
}

/** Sets `notes`: the folder with what submissions printed, by the name of the batch. */
function notesLine(workdir: string): string {
  const path = workdir.startsWith("~") ? `"$HOME"${quote(workdir.slice(1))}` : quote(workdir);
  return `notes=${path}/submissions`;
}

/**
 * Submits a batch of one, whose script comes on standard input, and prints what the command printed. It is noted on the
 * host at once, because such a scheduler cannot be asked for a name.
 */
export function submissionScript(batch: Batch, { submit, workdir }: CommandCompute): string {
  return [
    "umask 077",
    notesLine(workdir),
    `note=$notes/${quote(batch.name)}`,
    `mkdir -p "$notes" && cd ${quote(batch.directory)} && cat >batch.sh && chmod 700 batch.sh || exit 66`,
    "(",
    ...commandLines(submit, variablesOf(batch)),
    ') >"$note"',
    "status=$?",
    'if [ "$status" -eq 0 ]; then cat "$note"; else rm -f "$note"; fi',
    'exit "$status"',
  ].join("\n");
}

/** What the command that submits may use. What the scheduler is to decide is empty. */
function variablesOf({ name, directory, allocation }: Batch): Record<string, string> {
  const { cpus, gpus, memory, time } = allocation;
  return {
    RIGOR_NAME: name,
    RIGOR_SCRIPT: `${directory}/batch.sh`,
    RIGOR_CPUS: String(cpus),
    RIGOR_GPUS: String(gpus),
    RIGOR_MEMORY_MIB: memory === null ? "" : String(Math.ceil(memory / 2 ** 20)),
    RIGOR_SECONDS: time === null ? "" : String(Math.ceil(time)),
  };
}

/** Prints what was noted of the batches whose names are read from standard input: lines `NAME LINE`. */
export const notesScript = (workdir: string): string => `${notesLine(workdir)}
while read -r name; do
  if [ -e "$notes/$name" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
      printf '%s %s\\n' "$name" "$line"
    done <"$notes/$name"
  fi
done`;

/** Runs a command about jobs. */
export const jobsScript = (command: string, ids: readonly string[]): string =>
  commandLines(command, { RIGOR_IDS: ids.join(" ") }).join("\n");

/** Looks for mistakes in the commands without running them, and removes notes that are old. */
export function checkScript({ submit, status, cancel, workdir }: CommandCompute): string {
  return [
    notesLine(workdir),
    `if [ -d "$notes" ]; then find "$notes" -type f -mtime +${noteDays} -exec rm -f {} +; fi`,
    "if command -v bash >/dev/null; then shell='bash'; else shell='sh'; fi",
    ...Object.entries({ submit, status, cancel }).map(
      ([name, command]) => `said=$("$shell" -n -c ${quote(command)} 2>&1) || printf '${name}: %s\\n' "$said"`,
    ),
    "exit 0",
  ].join("\n");
}

/** The script that the scheduler starts. It keeps what is written itself, so that no option is needed for it. */
export function batchScript({ script, directory }: Batch, { modules }: CommandCompute): string {
  return [
    "#!/bin/sh",
    directoryLine(directory),
    `exec </dev/null >>${memberLog} 2>&1`,
    ...moduleLines(modules),
    // In place of this shell, so that the job stays where the scheduler finds and ends it.
    `exec /bin/sh ${quote(script)}`,
    "",
  ].join("\n");
}
