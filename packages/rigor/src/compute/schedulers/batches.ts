import { quote } from "../../hosts/quote.ts";
import type { JobSpec } from "../job.ts";
import type { Allocation } from "./scheduler.ts";

// Which jobs are submitted together, and the script of each. Pure.

/** Seconds beyond a job's own time limit, in which it starts and records its end. */
const margin = 300;

/** What a scheduler is asked for. The job's own time limit passes before the scheduler's. */
export function allocationOf({ resources, time_limit, grace }: JobSpec): Allocation {
  const { cpus, gpus, memory } = resources ?? { cpus: 1, gpus: 0, memory: null };
  return { cpus, gpus, memory, time: time_limit === null ? null : time_limit + grace + margin };
}

/** Jobs that ask for the same, in groups of at most `limit`. */
export function groupJobs(jobs: readonly JobSpec[], limit: number): [JobSpec, ...JobSpec[]][] {
  const alike = Map.groupBy(jobs, (job) => JSON.stringify(allocationOf(job)));
  return [...alike.values()].flatMap((group) => portions(group, limit));
}

function portions<T>(list: readonly T[], size: number): [T, ...T[]][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, at) =>
    list.slice(at * size, (at + 1) * size),
  ).flatMap(([first, ...others]): [T, ...T[]][] => (first === undefined ? [] : [[first, ...others]]));
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
  if [ -n "$job" ] && [ ! -e exit.json ] && read -r owner 2>/dev/null <claim && [ "$owner" = "$job" ]; then
    before='' after=''
    read -r before 2>/dev/null <heartbeat
    sleep ${silenceOf(heartbeat)}
    read -r after 2>/dev/null <heartbeat
    if [ "$before" != "$after" ]; then
      printf 'An earlier execution of this job is still alive.\\n' >&2
      exit 1
    fi
    rm -f claim
  fi
  exec /bin/sh ./job.sh "$job"
}

main
`;
}
