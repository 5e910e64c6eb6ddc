#!/bin/sh
# Executes one attempt of one run. Written by Rigor; everything it needs is in here.
# shellcheck disable=SC2016 # values stand as they are

#@ attempt
# What stands from the line above to the end of the attempt's part is replaced by the values of each attempt; it serves
# to check this file. The script runs in dash, bash and busybox sh, and needs nothing else on the host but `mv` and
# `sleep`. Starting a process is what costs, so it starts as few as can be: the command and `mv`, and for a run that
# lasts, its watch with a `sleep`. Its one argument is the job of a scheduler that starts it, for the claim.
#
# - It is parsed as a whole before its last line calls it, so a half-written copy does nothing.
# - `printf` makes files instead of `:`, because a failed redirection of a special builtin ends the shell.
# - Builtin `read` takes the clock and the identity of the process from /proc, without a process.
# - Handlers are set before the process record is written: whoever can signal the job knows its pid from there.
# - `wait` returns early when a handler ran; it is then repeated. If it had already taken the status, it answers 127
#   the second time, and the first answer counts.
# - A signal that must not be missed is sent again: bash may lose one of two that arrive together during `wait`.
# - The group is ended by KILL after the exit record is in place, because this shell is a member of it.

# The token of the attempt; its directory; where the command starts.
attempt='' directory='' checkout=''
# Not empty: somebody will send CONT when the job has run for a moment, and only then its watch begins.
kicked=''
# Gets a line with the token after the exit record is in place; empty for none.
finished_log=''
# Not empty: a scheduler executes the job. It may start it again, and it says who ended it.
scheduled=''
# Centiseconds since 1970 at which the host's uptime was zero; empty makes the job ask `date`.
booted_at=''
# Seconds: of run time, 0 for no limit; between TERM and KILL; between two heartbeats.
limit=0 grace=1 interval=1

set_variables() {
  export RIGOR_ATTEMPT=''
}

# Becomes the command.
start_command() {
  exec true
}
#@ end of the attempt's part

# Sets now: centiseconds on a clock that never jumps, where the system has one.
clock() {
  if read -r uptime _ 2>/dev/null </proc/uptime; then
    now=$((${uptime%.*} * 100 + 1${uptime#*.} - 100))
  else
    uptime=
    now=$(($(date +%s) * 100))
  fi
}

# Sets started, group, host and boot.
identify() {
  if read -r line 2>/dev/null </proc/self/stat; then
    # shellcheck disable=SC2086 # fields of numbers
    set -- ${line##*) }
    group=$3 started=${20}
    read -r host </proc/sys/kernel/hostname
    read -r boot 2>/dev/null </proc/sys/kernel/random/boot_id || boot=
  else
    # shellcheck disable=SC2046 # words
    set -- $(LC_ALL=C TZ=UTC ps -o pgid=,lstart= -p $$)
    group=$1
    shift
    started=$* boot=
    host=$(uname -n)
  fi
}

# Sends a signal to all that belongs to the run, and not to this shell.
forward() {
  trap '' "$1"
  if [ "$group" = "$$" ]; then
    kill -s "$1" 0
  elif [ -n "$child" ]; then
    kill -s "$1" "$child"
  fi
  if [ "$1" = USR1 ]; then trap warned USR1; fi
}

# Asks the run to end, and makes sure that it does.
stop() {
  if [ -n "$child" ] && [ -z "$stopped" ]; then
    stopped=1
    trap '' USR1
    forward TERM
    (
      sleep "$grace"
      while kill -s USR2 $$; do sleep 1; done
    ) &
  fi
}

# shellcheck disable=SC2317 # called by a signal, like the three that follow
warned() {
  signalled=1
  if [ -n "$child" ]; then forward USR1; fi
}

# shellcheck disable=SC2317
terminated() {
  signalled=1
  if [ -z "$reason" ]; then
    reason=terminated
    if [ -e cancel ]; then reason=cancelled; fi
  fi
  stop
}

# shellcheck disable=SC2317
expired() {
  signalled=1
  reason=${reason:-time-limit}
  stop
}

# shellcheck disable=SC2317
overdue() {
  signalled=1
  if [ -n "$child" ]; then kill -s KILL "$child"; fi
}

sample() {
  if [ -n "$sampler" ] && kill -0 "$sampler" 2>/dev/null; then return; fi
  nvidia-smi --query-gpu=index,uuid,memory.used,utilization.gpu --format=csv,noheader,nounits \
    </dev/null >>gpu.csv 2>/dev/null &
  sampler=$!
}

# Shows that the job lives, and ends it at its time limit. Works without Rigor. ALRM ends it.
watch() {
  trap '' TERM INT HUP
  sampler='' sleeper=''
  trap 'kill -s KILL $sleeper; wait $sleeper; exit 0' ALRM
  while [ ! -e exit.json ]; do
    nap=$interval
    if [ "$limit" -gt 0 ]; then
      left=$(((began + limit * 100 - now + 99) / 100))
      if [ "$left" -le $((-grace - 10)) ]; then
        if [ "$group" = "$$" ]; then kill -s KILL 0; fi
        return
      elif [ "$left" -le 0 ]; then
        kill -s ALRM $$ || return
      elif [ "$left" -lt "$nap" ]; then
        nap=$left
      fi
    fi
    sleep "$nap" &
    sleeper=$!
    wait "$sleeper"
    if [ -n "$uptime" ]; then clock; else now=$((now + nap * 100)); fi
    printf '%s\n' "$now" 2>/dev/null >heartbeat
    if command -v nvidia-smi >/dev/null; then sample; fi
  done
}

# Starts the watch, once. TERM stays heard: a watch that dies of it is not missed, because the run is ended anyway.
begin_watch() {
  if [ -z "$watcher" ]; then
    trap '' CONT USR1
    clock
    count_ooms
    ooms_before=$ooms
    watch &
    watcher=$!
    if [ -z "$stopped" ]; then trap warned USR1; fi
  fi
}

# shellcheck disable=SC2317
kicked() {
  signalled=1
  if [ -n "$child" ]; then begin_watch; else kicked=''; fi
}

# Sets ooms: how many processes the kernel has ended for lack of memory, of this cgroup or else of this host. Empty:
# unknown.
count_ooms() {
  ooms=''
  if [ -z "$oom_file" ]; then
    oom_file=/proc/vmstat
    if [ -r /proc/self/cgroup ]; then
      while IFS=: read -r _ controllers cgroup; do
        case $controllers in
          '') file=/sys/fs/cgroup$cgroup/memory.events ;;
          *memory*) file=/sys/fs/cgroup/memory$cgroup/memory.oom_control ;;
          *) continue ;;
        esac
        if [ -r "$file" ]; then oom_file=$file; fi
      done </proc/self/cgroup
    fi
  fi
  if [ -r "$oom_file" ]; then
    while read -r key value; do
      if [ "$key" = oom_kill ]; then ooms=$value; fi
    done <"$oom_file"
  fi
}

# A job that is started again goes on from what it has saved itself.
resume() {
  for file in "$directory"/output/checkpoints/*; do
    if [ -e "$file" ]; then export RIGOR_RESUME="$directory/output/checkpoints"; fi
    return
  done
}

# Sets text: centiseconds as seconds.
seconds() {
  if [ $(($1 % 100)) -lt 10 ]; then text=$(($1 / 100)).0$(($1 % 100)); else text=$(($1 / 100)).$(($1 % 100)); fi
}

# An interrupted job that its scheduler may start again has not ended.
record() {
  if [ -n "$scheduled" ]; then
    if [ "$reason" = terminated ]; then return; fi
    if [ -e secrets.sh ]; then rm -f secrets.sh; fi
  fi
  clock
  took=$((now - began))
  if [ "$took" -lt 0 ]; then took=0; fi
  signal=null
  if [ "$status" != null ] && [ "$status" -gt 128 ]; then
    name=$(kill -l "$status" 2>/dev/null)
    case $name in
      *[!A-Z0-9]* | [0-9]* | '') ;;
      *) signal=\"$name\" reason=${reason:-signal} ;;
    esac
  fi
  if [ "$reason" = terminated ] && [ "$signal" = null ]; then signal='"TERM"'; fi
  oom_kills=null
  if [ -n "$ooms_before" ] && [ "$status" != 0 ]; then
    count_ooms
    if [ -n "$ooms" ]; then oom_kills=$((ooms - ooms_before)); fi
  fi
  seconds "$took"
  duration=$text
  seconds "$born"
  start=$text
  seconds $((born + took))
  printf '{"attempt":"%s","code":%s,"signal":%s,"reason":"%s","oom_kills":%s,"duration":%s,"started_at":%s,"finished_at":%s}\n' \
    "$attempt" "$status" "$signal" "${reason:-exited}" "$oom_kills" "$duration" "$start" "$text" >exit.json.next &&
    mv -f exit.json.next exit.json || return
  if [ -n "$finished_log" ]; then printf '%s\n' "$attempt" 2>/dev/null >>"$finished_log"; fi
}

main() {
  unset CDPATH
  umask 077
  cd "$directory" || exit 1
  identify
  # A scheduler ends what belongs to the session that it has made.
  if [ "$group" != "$$" ] && [ -z "$scheduled" ] && command -v setsid >/dev/null; then
    exec setsid /bin/sh "$directory/job.sh"
  fi
  set -C
  printf '%s\n' "$1" 2>/dev/null >claim || exit 0
  set +C
  child='' watcher='' oom_file='' ooms_before='' reason='' stopped='' signalled='' status=null
  clock
  began=$now
  if [ -n "$booted_at" ] && [ -n "$uptime" ]; then born=$((booted_at + began)); else born=$(($(date +%s) * 100)); fi
  trap kicked CONT
  trap warned USR1
  trap terminated TERM INT HUP
  trap expired ALRM
  trap overdue USR2
  printf '{"host":"%s","pid":%s,"started":"%s","boot":"%s"}\n' "$host" $$ "$started" "$boot" >process
  if [ -e cancel ]; then
    reason=cancelled
  elif [ -z "$reason" ]; then
    (
      set_variables
      resume
      cd "$checkout" || exit 1
      start_command
    ) </dev/null >>stdout.log 2>>stderr.log &
    child=$!
    if [ -n "$reason" ]; then stop; fi
    if [ -z "$kicked" ]; then begin_watch; fi
    while :; do
      signalled=
      wait "$child"
      answer=$?
      if [ "$answer" -ne 127 ] || [ "$status" = null ]; then status=$answer; fi
      if [ -z "$signalled" ]; then break; fi
    done
    # A scheduler that ends a job signals the command before this shell, and the command may be faster.
    if [ -n "$scheduled" ] && [ -z "$reason" ]; then sleep 0.5; fi
  fi
  trap '' USR1 TERM ALRM USR2 INT HUP CONT
  record
  if [ -n "$watcher" ]; then
    kill -s ALRM "$watcher"
    wait "$watcher"
  fi
  if [ "$group" = "$$" ]; then kill -s KILL 0; fi
  exit 0
}

main "$1"
