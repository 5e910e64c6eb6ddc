import { quote } from "../../hosts/quote.ts";
import { jobVariable } from "../attempt/job-script.ts";

// What Rigor asks of a host, as POSIX shell: it runs in dash, bash and busybox sh. Starting a process is what costs, so
// what is asked of every attempt uses none.

/** Sets host and boot, and defines `look`, which sets witness and pid: whether the process of a record lives. */
const lookAtProcess = `read -r host 2>/dev/null </proc/sys/kernel/hostname || host=$(uname -n)
read -r boot 2>/dev/null </proc/sys/kernel/random/boot_id || boot=

look() {
  of_host=\${1#*\\"host\\":\\"} of_host=\${of_host%%\\"*}
  pid=\${1#*\\"pid\\":} pid=\${pid%%,*}
  started=\${1#*\\"started\\":\\"} started=\${started%%\\"*}
  of_boot=\${1#*\\"boot\\":\\"} of_boot=\${of_boot%%\\"*}
  if [ "$of_host" != "$host" ]; then
    witness=elsewhere
  elif [ "$of_boot" != "$boot" ]; then
    witness=rebooted
  elif read -r stat 2>/dev/null <"/proc/$pid/stat"; then
    # shellcheck disable=SC2086 # fields of numbers
    set -- \${stat##*) }
    if [ "$1" != Z ] && [ "\${20}" = "$started" ]; then witness=alive; else witness=dead; fi
  elif [ -e /proc/self/stat ]; then
    witness=dead
  elif [ "$(LC_ALL=C TZ=UTC ps -o lstart= -p "$pid" 2>/dev/null)" = "$started" ]; then
    witness=alive
  else
    witness=dead
  fi
}`;

/**
 * What is known of attempts whose paths are read from standard input. Prints a line for each:
 *
 *     PATH missing|unclaimed|withdrawn
 *     PATH ended EXIT-RECORD
 *     PATH claimed alive|dead|rebooted|elsewhere|unknown BEAT PROCESS-RECORD
 *
 * BEAT changes with each sign of life; `-` before the first. Then a line `sizes`, and the bytes of their streams as
 * `wc -c` prints them. A record that is not whole, or another attempt's, is no end.
 */
export const surveyScript = (root: string): string => `cd ${quote(root)} || exit 66
${lookAtProcess}
set --
while read -r path; do
  line=''
  read -r line 2>/dev/null <"$path/exit.json" || line=''
  case $line in '{"attempt":"'"\${path##*/}"'",'*'}') has_ended=1 ;; *) has_ended='' ;; esac
  if [ -n "$has_ended" ]; then
    printf '%s ended %s\\n' "$path" "$line"
    set -- "$@" "$path/process" "$path/stdout.log" "$path/stderr.log" "$path/output/metrics.jsonl"
  elif [ ! -d "$path" ]; then
    printf '%s missing\\n' "$path"
  elif [ -e "$path/withdrawn" ]; then
    printf '%s withdrawn\\n' "$path"
  elif [ -e "$path/claim" ]; then
    line='' beat=''
    read -r line 2>/dev/null <"$path/process"
    read -r beat 2>/dev/null <"$path/heartbeat"
    case $beat in '' | *[!0-9]*) beat=- ;; esac
    witness=unknown
    case $line in *'"pid":'*) look "$line" ;; esac
    printf '%s claimed %s %s %s\\n' "$path" "$witness" "$beat" "$line"
    set -- "$@" "$path/stdout.log" "$path/stderr.log" "$path/output/metrics.jsonl"
  else
    printf '%s unclaimed\\n' "$path"
  fi
done
printf 'sizes\\n'
if [ "$#" -gt 0 ]; then wc -c "$@" 2>/dev/null; fi
exit 0`;

/** Prints the mark of the directory; the first time, that is the line on standard input. */
export const identityScript = (root: string): string => `umask 077
cd ${quote(root)} && cd .. || exit 66
read -r mark
if [ ! -e identity ]; then
  printf '%s\\n' "$mark" >"identity.$mark" && ln "identity.$mark" identity 2>/dev/null || [ -e identity ] || mv "identity.$mark" identity
  rm -f "identity.$mark"
fi
cat identity`;

/** Unpacks an archive of attempt directories from standard input. */
export const unpackScript = (root: string): string => `umask 077
cd ${quote(root)} || exit 66
exec tar -xf -`;

/**
 * Prints pieces of files, which are named on standard input by lines `OFFSET COUNT PATH`. Each is printed as that line and
 * then COUNT bytes.
 */
export const piecesScript = (root: string): string => `cd ${quote(root)} || exit 66
while read -r offset count path; do
  printf '%s %s %s\\n' "$offset" "$count" "$path"
  if [ "$offset" = 0 ]; then
    head -c "$count" "$path" </dev/null
  else
    tail -c "+$((offset + 1))" "$path" </dev/null | head -c "$count"
  fi
done
exit 0`;

/** Lists the files at or below paths that are read from standard input, with their bytes, as `wc -c` prints them. */
export const filesScript = (root: string): string => `cd ${quote(root)} || exit 66
list() {
  find -L "$@" -type f -exec wc -c {} + </dev/null 2>/dev/null
}
set --
while IFS= read -r path; do
  set -- "$@" "$path"
  if [ "$#" -ge 100 ]; then
    list "$@"
    set --
  fi
done
if [ "$#" -gt 0 ]; then list "$@"; fi
exit 0`;

/** Starts the scripts of attempts whose paths are read from standard input, so that they outlive the connection. */
export const startScript = (root: string): string => `cd ${quote(root)} || exit 66
if command -v setsid >/dev/null; then with='setsid'; else with='nohup'; fi
while read -r path; do
  if [ -e "$path/job.sh" ] && [ ! -e "$path/claim" ]; then
    "$with" /bin/sh "$path/job.sh" </dev/null >/dev/null 2>&1 &
  fi
done
exit 0`;

/** Defines `withdraw`, which takes the claim of an attempt that has not started, and prints its path. */
const withdrawal = `withdraw() {
  mkdir -p "$1"
  if (set -C && printf '' >"$1/claim") 2>/dev/null; then printf '' >"$1/withdrawn"; fi
  if [ ! -e "$1/withdrawn" ]; then return 1; fi
  if [ -e "$1/secrets.sh" ]; then rm -f "$1/secrets.sh"; fi
  printf '%s\\n' "$1"
}`;

/** Forbids attempts whose paths are read from standard input to start. Prints those that have not, and never will. */
export const withdrawScript = (root: string): string => `umask 077
cd ${quote(root)} || exit 66
${withdrawal}
while read -r path; do withdraw "$path"; done
exit 0`;

/**
 * Ends attempts whose paths are read from standard input. One that has not started never will, and is printed. One that
 * runs is told to end, and ends what it runs itself.
 */
export const cancelScript = (root: string): string => `umask 077
cd ${quote(root)} || exit 66
${lookAtProcess}
${withdrawal}
while read -r path; do
  mkdir -p "$path"
  printf '' >"$path/cancel"
  if ! withdraw "$path" && [ ! -s "$path/exit.json" ] && read -r line 2>/dev/null <"$path/process"; then
    look "$line"
    if [ "$witness" = alive ]; then kill -s TERM "$pid"; fi
  fi
done
exit 0`;

/** Prints the paths of those attempts that have checkpoints; all paths are read from standard input. */
export const checkpointsScript = (root: string): string => `cd ${quote(root)} || exit 66
while read -r path; do
  set -- "$path"/output/checkpoints/*
  if [ -e "$1" ]; then printf '%s\\n' "$path"; fi
done
exit 0`;

/** Lists the directories of attempts, each with 1 where it has checkpoints and 0 where it has none. */
export const keptScript = (root: string): string => `cd ${quote(root)} || exit 66
for path in */*; do
  case $path in *.removed-*) continue ;; esac
  if [ -d "$path" ]; then
    set -- "$path"/output/checkpoints/*
    if [ -e "$1" ]; then echo "$path 1"; else echo "$path 0"; fi
  fi
done
exit 0`;

/**
 * Removes the directories of attempts that are over; their paths are read from standard input. Each loses its name
 * before its files go, so that what is half removed is never taken for an attempt.
 */
export const removeScript = (root: string): string => `cd ${quote(root)} || exit 66
${lookAtProcess}
while read -r path; do
  if [ ! -s "$path/exit.json" ] && read -r line 2>/dev/null <"$path/process"; then
    look "$line"
    if [ "$witness" = alive ]; then continue; fi
  fi
  mv -f "$path" "$path.removed-$$" || exit 1
done
for path in */*.removed-*; do
  if [ -d "$path" ]; then
    chmod -R u+w "$path" 2>/dev/null
    rm -rf -- "$path"
  fi
done
exit 0`;

/** Kills what attempts left in their process groups whose paths are read from standard input. */
export const killScript = (root: string): string => `cd ${quote(root)} || exit 66
${lookAtProcess}
while read -r path; do
  if read -r line 2>/dev/null <"$path/process"; then
    look "$line"
    # A group outlives its leader, and no other process gets its number meanwhile.
    if [ "$witness" = alive ] || { [ "$witness" = dead ] && [ "$of_boot" = "$boot" ] && ! kill -0 "$pid" 2>/dev/null; }; then
      kill -s KILL -- "-$pid" 2>/dev/null
    fi
  fi
done
exit 0`;

/**
 * Ends what attempts that are over have left in sessions of their own; the paths are read from standard input. The
 * environment of such a process still names its attempt. What was ended may have started another one just before.
 */
export const leftBehindScript = (root: string): string => `root=${quote(root)}
cd "$root" || exit 66
over=' '
while read -r path; do over="$over$path "; done
for _ in 1 2 3; do
  ended=''
  # shellcheck disable=SC2013 # names without spaces
  for file in $(grep -lsF -e "${jobVariable}=$root/" /proc/[0-9]*/environ); do
    pid=\${file#/proc/} pid=\${pid%/environ}
    job=$(tr '\\0' '\\n' 2>/dev/null <"$file" | sed -n 's/^${jobVariable}=//p')
    case $over in *" \${job#"$root"/} "*) ;; *) continue ;; esac
    # In a container the same path may be another folder. Also dash and busybox compare so.
    # shellcheck disable=SC3013
    if [ "/proc/$pid/root$job" -ef "$job" ] && kill -s KILL "$pid" 2>/dev/null; then ended=1; fi
  done
  if [ -z "$ended" ]; then break; fi
done
exit 0`;

/**
 * Reads the name of a batch, a line that says what is in it, and then its script from standard input, and prints the
 * folder that it is in.
 */
export const batchScript = (root: string): string => `umask 077
read -r name
IFS= read -r contents
cd ${quote(root)} && mkdir -p "../batches/$name" && cd "../batches/$name" || exit 66
printf '%s\\n' "$contents" >contents.json && cat >member.sh && pwd -P`;

/** Prints of every batch the folder that it is in, and on the next line what is in it. */
export const batchContentsScript = (root: string): string => `cd ${quote(root)} || exit 66
mkdir -p ../batches && cd ../batches && folder=$(pwd -P) || exit 66
for file in */contents.json; do
  if IFS= read -r contents 2>/dev/null <"$file"; then printf '%s\\n%s\\n' "$folder/\${file%/*}" "$contents"; fi
done
exit 0`;

/** Removes the folders of batches whose names are read from standard input. */
export const removeBatchesScript = (
  root: string,
): string => `cd ${quote(root)} && mkdir -p ../batches && cd ../batches || exit 66
while read -r name; do rm -rf -- "\${name:?}"; done
exit 0`;

/** Lists the folders of attempts, so that a shared file system asks its server what is in them. */
export const refreshScript = (root: string): string => `cd ${quote(root)} || exit 66
while read -r path; do
  for _ in "$path"/*; do break; done
done
exit 0`;

/** Leaves attempts that are over to themselves: one that is started by whatever accident ends at once. */
export const discardScript = (root: string): string => `umask 077
cd ${quote(root)} || exit 66
while read -r path; do
  if [ -d "$path" ]; then
    printf '' >"$path/cancel"
    rm -f "$path/secrets.sh"
  fi
done
exit 0`;
