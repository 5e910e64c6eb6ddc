/**
 * Ends what tests have started, however they end: no hook runs after Ctrl-C, or when a time limit ends the test run.
 * Daemons are made to outlive whoever started them.
 */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";

/** Reads directories until its input ends, as it does with the process of the tests; then those that are there still go. */
const script = `directories=''
while IFS= read -r directory; do directories="$directories$directory
"; done
printf %s "$directories" | while IFS= read -r directory; do
  [ -d "$directory" ] || continue
  rounds=0
  while [ "$rounds" -lt 100 ]; do
    rounds=$((rounds + 1)) found=''
    for process in /proc/[0-9]*; do
      case $(readlink "$process/cwd") in "$directory" | "$directory"/*) found="$found \${process#/proc/}" ;; esac
    done
    [ -n "$found" ] || break
    kill -s KILL $found
    sleep 0.1
  done
  chmod -R u+w "$directory"
  rm -rf "$directory"
done`;

let keeper: NodeJS.WritableStream | undefined;

/** When this process has ended, processes that work in the directory or below it are ended, and it is removed. Linux only. */
export function endWithTests(directory: string): void {
  keeper ??= startKeeper();
  keeper.write(`${directory}\n`);
}

function startKeeper(): NodeJS.WritableStream {
  // A session of its own: what ends the group of the tests does not reach it.
  const child = spawn("sh", ["-c", script], { cwd: "/", detached: true, stdio: ["pipe", "ignore", "ignore"] });
  child.unref();
  (child.stdin as Socket).unref();
  return child.stdin;
}
