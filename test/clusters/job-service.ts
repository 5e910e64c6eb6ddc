/**
 * A small job service as clouds have them: `jobctl submit`, `jobctl list` and `jobctl stop`. It really runs jobs, each in a
 * session and an empty directory of its own, and keeps how they ended.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface JobService {
  /** The directory with the command `jobctl`. */
  bin: string;
  /** For what jobs read and write. */
  scratch: string;
  /** The service answers nobody while it is down. Jobs go on. */
  setDown(isDown: boolean): void;
  /** Whether a job that is submitted waits. */
  setFull(isFull: boolean): void;
  /** Says another word of a job than the service would. */
  setState(id: string, state: string): void;
  /** Whoever submits dies before it learns the id; and, `mute`, before anything could be noted. */
  setCut(isCut: boolean): void;
  setMute(isMute: boolean): void;
  stop(): void;
}

export function startJobService(): JobService {
  const directory = mkdtempSync(join(tmpdir(), "rigor-jobs-"));
  for (const folder of ["bin", "jobs", "scratch"]) mkdirSync(join(directory, folder));
  writeFileSync(join(directory, "bin/jobctl"), program(directory), { mode: 0o755 });
  const flag = (name: string) => (on: boolean) =>
    on ? writeFileSync(join(directory, name), "") : rmSync(join(directory, name), { force: true });
  return {
    bin: join(directory, "bin"),
    scratch: join(directory, "scratch"),
    setDown: flag("down"),
    setFull: flag("full"),
    setCut: flag("cut"),
    setMute: flag("mute"),
    setState: (id, state) => writeFileSync(join(directory, "jobs", id, "state"), `${state}\n`),
    stop: () => {
      for (const id of readdirSync(join(directory, "jobs"))) endSession(join(directory, "jobs", id, "session"));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function endSession(file: string): void {
  const session = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
  if (session === 0) return;
  try {
    process.kill(-session, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

const program = (directory: string): string => `#!/bin/sh
root='${directory}'
if [ -e "$root/down" ]; then
  echo 'jobctl: the service is not available (503)' >&2
  exit 1
fi
action=$1
shift
case $action in
  submit)
    while [ "$1" != -- ]; do
      case $1 in
        --name) name=$2 ;;
        --cpus) if [ "$2" -gt 4 ]; then echo "jobctl: no machine has $2 CPUs" >&2; exit 3; fi ;;
        --gpus | --timeout) ;;
        *) echo "jobctl: unknown option $1" >&2; exit 2 ;;
      esac
      shift 2
    done
    shift
    id=$(mktemp -d "$root/jobs/job-XXXXXXXX") && id=\${id##*/}
    cd "$root/jobs/$id" && mkdir empty && echo "$*" >command
    echo QUEUED >state
    env -i PATH=/usr/bin:/bin setsid sh -c '
      echo $$ >session
      while [ -e "$1/full" ]; do sleep 0.05; done
      echo RUNNING >state
      shift
      (cd empty && exec "$@") >output 2>&1
      status=$?
      if [ "$(cat state)" = STOPPED ]; then exit; fi
      if [ "$status" -eq 0 ]; then echo SUCCEEDED >state; else echo FAILED >state; fi
    ' sh "$root" "$@" </dev/null >/dev/null 2>&1 &
    echo "Job $name is accepted."
    if [ -e "$root/cut" ] || [ -e "$root/mute" ]; then kill -KILL $PPID; fi
    if [ -e "$root/mute" ]; then exit; fi
    echo "{\\"id\\": \\"$id\\", \\"url\\": \\"https://jobs.example/$id\\"}"
    ;;
  list)
    for id; do
      if [ -e "$root/jobs/$id" ]; then echo "$id $(cat "$root/jobs/$id/state") 2026-11-21T12:00:00Z"; fi
    done
    ;;
  stop)
    for id; do
      case $(cat "$root/jobs/$id/state") in
        QUEUED | RUNNING) ;;
        *) echo "jobctl: $id has ended" >&2; failed=1; continue ;;
      esac
      echo STOPPED >"$root/jobs/$id/state"
      kill -KILL "-$(cat "$root/jobs/$id/session")" 2>/dev/null
    done
    exit "\${failed:-0}"
    ;;
esac
`;
