#!/bin/sh
# Executes one attempt of one run. Written by Rigor; everything it needs is in here.
# shellcheck disable=SC2016 # values stand as they are

#@ attempt
# What stands from the line above to the end of the attempt's part is replaced by the values of each attempt; it serves
# to check this file. The script runs in dash, bash and busybox sh, and needs nothing else on the host but `sleep`; and `find`, where
# something was written to its checkout.
# Starting a process is what costs, so it starts as few as can be: the command, and for a run that lasts, its watch with
# a `sleep`. Its one argument is the job of a scheduler that starts it, for the claim.
#
# - It is parsed as a whole before its last line calls it, so a half-written copy does nothing.
# - `printf` makes files instead of `:`, because a failed redirection of a special builtin ends the shell.
# - Builtin `read` takes the clock and the identity of the process from /proc, without a process.
# - Handlers are set before the process record is written: whoever can signal the job knows its pid from there.
# - `wait` returns early when a handler ran; it is then repeated. If it had already taken the status, it answers 127
#   the second time, and the first answer counts.
# - A signal that must not be missed is sent again: bash may lose one of two that arrive together during `wait`.
# - Bash may take a status from the system and forget it when a signal arrives at that moment, and then waits for ever. So
#   what has been heard is ignored from then on, and after each signal it is asked what it waits for.
# - The exit record is one line, written at once, and not renamed: `mv` would be a process for each run, and a rename says
#   no more, because what a disk or a server refuses later is lost either way. Readers take a record only when it is whole,
#   with its line's end, and one that is empty or in part for none. A part of one is removed, so that nobody takes a job
#   for ended that its scheduler may start again.
# - The group is ended by KILL after the exit record is in place, because this shell is a member of it. A scheduler would
#   call such a job failed: for one, all others are ended, and the script tells it how the run ended.

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
# Cards that the run uses, by number or identity, with commas between; `all` where nobody says which.
cards=''

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
  if read -r uptime _ </proc/uptime; then
    now=$((${uptime%.*} * 100 + 1${uptime#*.} - 100))
  else
    uptime=
    now=$(($(date +%s) * 100))
  fi
}

# Sets started, group, host and boot.
identify() {
  if read -r line </proc/self/stat; then
    # shellcheck disable=SC2086 # fields of numbers
    set -- ${line##*) }
    group=$3 started=${20}
    read -r host </proc/sys/kernel/hostname
    read -r boot </proc/sys/kernel/random/boot_id || boot=
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
    trap '' USR1 ALRM INT HUP
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
  trap '' USR2
  if [ -n "$child" ]; then kill -s KILL "$child"; fi
}

# Whether this shell waits for the command although it has taken its status.
has_lost_status() {
  if [ -z "${BASH_VERSION-}" ] || kill -s 0 "$child"; then return 1; fi
  # shellcheck disable=SC3045 # bash lists those that it takes for running
  for pid in $(jobs -rp); do
    if [ "$pid" = "$child" ]; then return 0; fi
  done
  return 1
}

# Sets memory_peak in kilobytes and gpu_peak in mebibytes, of the card that had most: the most that was seen yet.
read_peaks() {
  memory_peak=0 gpu_peak=0
  if [ -r peaks ]; then
    while read -r what value; do
      case $value in '' | *[!0-9]*) continue ;; esac
      case $what in
        memory) memory_peak=$value ;;
        gpu) gpu_peak=$value ;;
      esac
    done <peaks
  fi
}

# Looks at the run's cards. Whoever else uses one is seen too.
sample_cards() {
  read_peaks
  most=$gpu_peak
  nvidia-smi --query-gpu=index,uuid,memory.used,utilization.gpu --format=csv,noheader,nounits |
    while IFS=', ' read -r card uuid used busy; do
      case ,$cards, in ,all, | *",$card,"* | *",$uuid,"*) ;; *) continue ;; esac
      printf '%s, %s, %s, %s\n' "$card" "$uuid" "$used" "$busy" >>gpu.csv
      case $used in '' | *[!0-9]*) continue ;; esac
      if [ "$cards" != all ] && [ "$used" -gt "$most" ]; then
        most=$used
        printf 'gpu %s\n' "$used" >>peaks
      fi
    done
}

sample() {
  if [ -z "$cards" ] || { [ -n "$sampler" ] && kill -0 "$sampler"; }; then return; fi
  if command -v nvidia-smi >/dev/null; then
    sample_cards </dev/null >/dev/null 2>&1 &
    sampler=$!
  fi
}

# Sets page: kilobytes in a page of memory; empty where the system does not tell.
measure_page() {
  page=''
  if [ -r /proc/self/smaps ]; then
    while read -r key value _; do
      if [ "$key" = KernelPageSize: ]; then
        page=$value
        break
      fi
    done </proc/self/smaps
  fi
}

# Adds up what the processes of the run have in memory, where the system tells which they are. A peak is noted when it
# is a hundredth above the last one, so that there are few of them.
#
# Bash hands on what it has read too far where it cannot go back in a file, as in one of a process that has just ended.
# So only files of a single line are read of processes.
weigh() {
  if [ -z "$page" ] || [ ! -r "/proc/$child/task/$child/children" ]; then return; fi
  weight=0 next=$child
  while [ -n "$next" ]; do
    # shellcheck disable=SC2086 # numbers
    set -- $next
    next=''
    for pid; do
      if read -r _ resident _ <"/proc/$pid/statm"; then weight=$((weight + resident * page)); fi
      for file in "/proc/$pid/task/"*/children; do
        line=''
        read -r line <"$file"
        next="$next${line:+ }$line"
      done
    done
  done
  if [ $((weight * 100)) -gt $((weighed * 101)) ]; then
    weighed=$weight
    printf 'memory %s\n' "$weight" >>peaks
  fi
}

# Sets state and since: of a process, as the system tells them; empty for none.
look_at() {
  state='' since=''
  if read -r line <"/proc/$1/stat"; then
    # shellcheck disable=SC2086 # fields of numbers
    set -- ${line##*) }
    state=$1 since=${20}
  fi
}

# Whether somebody has killed the script itself. Not every scheduler then ends what is left.
is_orphaned() {
  look_at $$
  if [ -n "$since" ]; then
    [ "$state" = Z ] || [ "$since" != "$started" ]
  else
    ! kill -0 $$
  fi
}

# Ends what is left of the run. Its number is not another process's by now where it began when the run did.
end_orphans() {
  look_at "$child"
  if [ -n "$since" ] && [ "$since" = "$child_since" ]; then kill -s KILL "$child"; fi
  if [ "$group" = "$$" ]; then kill -s KILL 0; fi
}

# Notes for a later start of the same job how long it has run so far.
note_spent() {
  if [ -n "$scheduled" ]; then printf '%s\n' $((earlier + now - began)) >spent; fi
}

# Shows that the job lives, and ends it at its time limit. Works without Rigor. ALRM ends it.
watch() {
  trap '' TERM INT HUP
  read_peaks
  measure_page
  look_at "$child"
  sampler='' sleeper='' weighed=$memory_peak child_since=$since
  trap 'kill -s KILL $sleeper; wait $sleeper; exit 0' ALRM
  while [ ! -s exit.json ]; do
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
    if is_orphaned; then
      end_orphans
      return
    fi
    if [ -n "$uptime" ]; then clock; else now=$((now + nap * 100)); fi
    printf '%s\n' "$now" >heartbeat
    note_spent
    weigh
    sample
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

# Sets resumed: whether a job that is started again finds what it has saved itself.
find_checkpoints() {
  resumed=false
  for file in output/checkpoints/*; do
    if [ -e "$file" ]; then resumed=true; fi
    return
  done
}

# Sets bytes: so many units of so many bytes; null for none.
in_bytes() {
  bytes=null
  if [ "$1" -gt 0 ]; then bytes=$(($1 * $2)); fi
}

# Sets text: centiseconds as seconds.
seconds() {
  if [ $(($1 % 100)) -lt 10 ]; then text=$(($1 / 100)).0$(($1 % 100)); else text=$(($1 / 100)).$(($1 % 100)); fi
}

# The script has been read as a whole. Half the room of its file is enough for what is left to be written, and if it gave
# more, a neighbour that filled the same disk could take it for one that is not full.
give_room() {
  printf '%8192s' '' >job.sh
}

# Says of a run that failed by itself that its disk is full: its command had no room to say so.
tell_of_full_disk() {
  if [ -n "$stopped" ] || [ "$status" = 0 ]; then return; fi
  full=''
  printf '%65536s' '' >room || full=1
  rm -f room
  if [ -n "$full" ]; then
    give_room
    printf 'rigor: The run failed, and nothing can be written in %s: No space left on device\n' "$directory" >>stderr.log
  fi
}

# Whether a file was written after the checkout was sealed.
is_newer() {
  # shellcheck disable=SC3013 # not in every shell's standard, but in every shell
  [ "$1" -nt "$seal" ]
}

# Adds to newer the files below a directory that were written after the checkout was sealed. Sets example to the first, and
# touched where something was made or removed.
count_newer() {
  if is_newer "$1"; then touched=1; fi
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if [ -h "$entry" ]; then continue; fi
    if [ -f "$entry" ] && is_newer "$entry"; then
      newer=$((newer + 1)) example=${example:-${entry#"$checkout"/}}
    elif [ -d "$entry" ]; then
      count_newer "$entry"
    fi
  done
}

# Sets changed and added: files and links of the commit that this run, or another that starts there, has written to or
# removed, and files beside them. Names some. Only who may write there, as root may everywhere, can have done so. The seal
# lists the files and links of the commit. A link that leads elsewhere is a new one, so its folder was touched.
check_code() {
  changed=0 newer=0 example='' touched='' added=0 seal=$checkout.sealed
  newline='
'
  if [ ! -s "$seal" ] || [ ! -w "$checkout" ]; then return; fi
  count_newer "$checkout"
  if [ "$newer" = 0 ] && [ -z "$touched" ]; then return; fi
  added=$newer
  links=$newline$(cd "$checkout" && find . -type l -newer "$seal")$newline
  while IFS= read -r file; do
    if [ -h "$checkout/$file" ]; then
      case $links in *"$newline$file$newline"*) ;; *) continue ;; esac
    elif [ -f "$checkout/$file" ]; then
      if ! is_newer "$checkout/$file"; then continue; fi
      added=$((added - 1))
    fi
    changed=$((changed + 1))
    if [ "$changed" -le 5 ]; then printf 'rigor: changed in the code: %s\n' "${file#./}" >>stderr.log; fi
  done <"$seal"
  if [ "$added" -gt 0 ] && [ "$changed" = 0 ]; then
    printf 'rigor: added to the code: %s\n' "$example" >>stderr.log
  fi
}

write_record() {
  printf '{"attempt":"%s","code":%s,"signal":%s,"reason":"%s","oom_kills":%s,"memory_peak":%s,"gpu_memory_peak":%s,"restarts":%s,"resumed":%s,"code_changed":%s,"code_added":%s,"duration":%s,"started_at":%s,"finished_at":%s}\n' \
    "$attempt" "$status" "$signal" "${reason:-exited}" "$oom_kills" "$memory" "$bytes" "$restarts" "$resumed" "$changed" "$added" "$duration" "$start" "$text" \
    >exit.json
}

# An interrupted job that its scheduler may start again has not ended. How a command ended whose status is lost is known
# only where it was told to end.
record() {
  if [ -n "$child" ] && [ "$status" = null ] && [ -z "$reason" ]; then
    printf 'rigor: The shell lost the status of the command.\n' >>stderr.log
    return
  fi
  if [ -n "$scheduled" ]; then
    if [ "$reason" = terminated ]; then
      clock
      note_spent
      return
    fi
    if [ -e secrets.sh ]; then rm -f secrets.sh; fi
  fi
  clock
  took=$((now - began))
  if [ "$took" -lt 0 ]; then took=0; fi
  signal=null
  if [ "$status" != null ] && [ "$status" -gt 128 ]; then
    name=$(kill -l "$status")
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
  seconds $((earlier + took))
  duration=$text
  seconds "$born"
  start=$text
  seconds $((born + took))
  read_peaks
  in_bytes "$memory_peak" 1024
  memory=$bytes
  in_bytes "$gpu_peak" 1048576
  tell_of_full_disk
  check_code
  if ! write_record; then
    give_room
    if ! write_record; then
      rm -f exit.json
      return
    fi
  fi
  if [ -n "$finished_log" ]; then printf '%s\n' "$attempt" >>"$finished_log"; fi
}

# Ends all others of the group. What forks meanwhile is found by the next look. Fails where they cannot be found, or do not
# come to an end.
end_others() {
  looks=0
  while [ "$looks" -lt 10 ] && [ -r /proc/self/stat ]; do
    looks=$((looks + 1)) others=''
    for file in /proc/[0-9]*/stat; do
      if read -r line <"$file"; then
        # shellcheck disable=SC2086 # fields of numbers
        set -- ${line##*) }
        pid=${file#/proc/}
        pid=${pid%/stat}
        if [ "$3" = "$group" ] && [ "$1" != Z ] && [ "$pid" != "$$" ]; then others="$others $pid"; fi
      fi
    done
    if [ -z "$others" ]; then return 0; fi
    # shellcheck disable=SC2086 # numbers
    kill -s KILL $others
  done
  return 1
}

main() {
  unset CDPATH
  umask 077
  cd "$directory" || exit 1
  # What a shell says of a file or process that is not there is for nobody.
  exec 2>/dev/null
  identify
  # A scheduler ends what belongs to the session that it has made.
  if [ "$group" != "$$" ] && [ -z "$scheduled" ] && command -v setsid >/dev/null; then
    exec setsid /bin/sh "$directory/job.sh"
  fi
  set -C
  printf '%s\n' "$1" >claim || exit 0
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
  restarts=0 earlier=0
  if [ -n "$scheduled" ] && [ -r restarts ]; then
    while read -r _; do restarts=$((restarts + 1)); done <restarts
    read -r earlier <spent
    case $earlier in '' | *[!0-9]*) earlier=0 ;; esac
  fi
  find_checkpoints
  printf '{"host":"%s","pid":%s,"started":"%s","boot":"%s"}\n' "$host" $$ "$started" "$boot" >process
  if [ -e cancel ]; then
    reason=cancelled
  elif [ -z "$reason" ]; then
    (
      set_variables
      if [ "$resumed" = true ]; then export RIGOR_RESUME="$directory/output/checkpoints"; fi
      if [ ! -d "$checkout" ]; then
        printf 'rigor: %s is not there, which the run starts in\n' "$checkout" >&2
        exit 1
      fi
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
      if has_lost_status; then
        status=null
        break
      fi
    done
    # A scheduler that ends a job signals the command before this shell, and the command may be faster.
    if [ -n "$scheduled" ] && [ -z "$reason" ]; then sleep 0.5; fi
  fi
  trap '' USR1 TERM ALRM USR2 INT HUP CONT
  record
  if [ "$group" = "$$" ]; then
    if [ -z "$scheduled" ] || [ ! -e exit.json ] || ! end_others; then kill -s KILL 0; fi
  fi
  # The status of the watch may have been lost like the command's.
  if [ -n "$watcher" ] && kill -s ALRM "$watcher"; then wait "$watcher"; fi
  if [ "$status" != 0 ]; then exit 1; fi
  exit 0
}

main "$1"
