import { quote } from "../../hosts/quote.ts";
import type { JobSpec } from "../attempt/job.ts";
import type { Allocation } from "./scheduler.ts";

// What a batch asks for, and the script of its members. Pure.

/** {@link JobSpec.margin} where a job says nothing. */
const usualMargin = 300;

/** What a scheduler is asked for. The job's own time limit passes before the scheduler's. */
export function allocationOf({ resources, time_limit, grace, margin = usualMargin }: JobSpec): Allocation {
  const { cpus, gpus, memory } = resources ?? { cpus: 1, gpus: 0, memory: null };
  return { cpus, gpus, memory, time: time_limit === null ? null : time_limit + grace + margin };
}

/**
 * Seconds without a sign of life after which nothing executes a job that its scheduler calls ended. On a shared file
 * system, other machines see a file some seconds after it was written.
 */
export const silenceOf = (heartbeat: number): number => 2 * heartbeat + 5;

/**
 * The script that a scheduler starts for each member: it becomes the job of its attempt. An attempt that the very same
 * job has claimed before was interrupted, and is started again unless somebody still executes it: a node that the
 * scheduler has lost may go on.
 *
 * @param root folder of all attempts
 * @param paths of the attempts below it, by index
 * @param heartbeat seconds, the longest of all members
 */
export function memberScript(root: string, paths: readonly string[], heartbeat: number): string {
  return `#!/bin/sh
# Executes one member of a batch. Written by Rigor.

main() {
  index=0
  ${paths.length > 1 ? "index=${SLURM_ARRAY_TASK_ID:-${PBS_ARRAY_INDEX-}}" : ":"}
  case $index in
${paths.map((path, index) => `    ${index}) path=${quote(path)} ;;`).join("\n")}
    *)
      printf 'The scheduler does not say which member of the batch this is.\\n' >&2
      exit 1
      ;;
  esac
  job=\${SLURM_JOB_ID:-\${PBS_JOBID-}}
  cd ${quote(root)}/"$path" || exit 1
  if [ -n "$job" ] && [ ! -s exit.json ] && read -r owner 2>/dev/null <claim && [ "$owner" = "$job" ]; then
    before='' after=''
    read -r before 2>/dev/null <heartbeat
    sleep ${silenceOf(heartbeat)}
    read -r after 2>/dev/null <heartbeat
    if [ "$before" != "$after" ]; then
      printf 'An earlier execution of this job is still alive.\\n' >&2
      exit 1
    fi
    line=''
    read -r line 2>/dev/null <process
    printf '%s\\n' "$line" 2>/dev/null >>restarts
    rm -f claim
  fi
  exec /bin/sh ./job.sh "$job"
}

main
`;
}
