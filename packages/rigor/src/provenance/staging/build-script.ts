import { exportLine, quote } from "../../hosts/quote.ts";
import type { Command } from "../environments/manager.ts";
import { discardFunction } from "./work-directory.ts";

/** One try at building an environment on a host. All paths are the host's. */
export interface RemoteBuild {
  /** Tries are numbered from 1; a number is claimed once. */
  number: number;
  /** Of the environment. */
  directory: string;
  /** Where the commands run. */
  source: string;
  commands: readonly Command[];
  /** Variables besides those of the host. They may be secret. */
  variables: Readonly<Record<string, string>>;
  /** Directories in front of PATH. */
  path_prefix: readonly string[];
}

/** Where the tries at an environment leave their records. */
export const buildsDirectory = (directory: string): string => `${directory}.builds`;

/** Sets host and boot; `started_of PID` sets started to when a living process began, in a form that only it has. */
export const processFunctions = `
read -r host 2>/dev/null </proc/sys/kernel/hostname || host=$(uname -n)
read -r boot 2>/dev/null </proc/sys/kernel/random/boot_id || boot=-
started_of() {
  started=
  if [ -e /proc/self/stat ]; then
    if read -r stat 2>/dev/null <"/proc/$1/stat"; then
      # shellcheck disable=SC2086 # fields of numbers
      set -- \${stat##*) }
      if [ "$1" != Z ] && [ "$1" != X ]; then started=\${20}; fi
    fi
  else
    started=$(LC_ALL=C TZ=UTC ps -o lstart= -p "$1" 2>/dev/null) || started=
  fi
}
`;

/**
 * The script that builds, with no connection to whoever started it, from a directory that holds itself, `variables.sh`,
 * `hidden` and `source`, the committed files. It claims its number first, so that one of several builds, and leaves in
 * `NUMBER.end` its exit status, the step that it ended in (0: before the first command), and the seconds of begin and
 * end. While it lives, `NUMBER.beat` changes.
 */
export function buildScript(build: RemoteBuild): string {
  const steps = build.commands.map((command, index) => {
    const words = command.map(quote).join(" ");
    return `step ${index + 1} ${quote(`$ ${command.join(" ")}`)} ${words}`;
  });
  return `#!/bin/sh
# Builds one environment. Written by Rigor; everything it needs lies beside it.
# shellcheck disable=SC2016 # values stand as they are
umask 077
number=${build.number}
directory=${quote(build.directory)}
place_of_commands=${quote(build.source)}
builds=${quote(buildsDirectory(build.directory))}
log=${quote(`${build.directory}.log`)}
draft=$(pwd)
${processFunctions}
${discardFunction}
${body}
main() {
  claim
  prepare
  ${steps.join("\n  ")}
  end 0
}

main
`;
}

const body = `
claim() {
  started_of $$
  (
    set -C
    printf '%s %s %s %s\\n' "$host" "$boot" $$ "$started" >"$builds/$number.claim"
  ) 2>/dev/null || leave
  began=$(date +%s) step=0
  beat &
  # shellcheck source=/dev/null # values that may be secret
  . ./variables.sh
  hidden=$(cat hidden)
  rm -f variables.sh hidden
}

# Shows that the build lives. Its own streams hold up nobody.
beat() {
  beats=0
  while kill -0 $$ 2>/dev/null; do
    beats=$((beats + 1))
    printf '%s\\n' "$beats" >"$builds/$number.beat"
    sleep 5
  done
}

leave() {
  cd / || exit 1
  rm -rf "$draft"
  exit 0
}

# Records how the build ended. $1: exit status.
end() {
  hide
  printf '%s %s %s %s\\n' "$1" "$step" "$began" "$(date +%s)" >"$builds/$number.end.next" &&
    mv -f "$builds/$number.end.next" "$builds/$number.end"
  leave
}

# Takes what must not be seen out of the log.
hide() {
  LC_ALL=C RIGOR_HIDDEN=$hidden awk '
    function without(line, text,    kept, at) {
      kept = ""
      while ((at = index(line, text)) > 0) {
        kept = kept substr(line, 1, at - 1) "***"
        line = substr(line, at + length(text))
      }
      return kept line
    }
    function anonymous(line,    kept, address) {
      kept = ""
      while (match(line, /[A-Za-z][A-Za-z0-9_+.-]*:\\/\\/[^ \\t\\/@]+@/)) {
        address = substr(line, RSTART, RLENGTH)
        kept = kept substr(line, 1, RSTART - 1) substr(address, 1, index(address, "://") + 2) "***@"
        line = substr(line, RSTART + RLENGTH)
      }
      return kept line
    }
    BEGIN { count = split(ENVIRON["RIGOR_HIDDEN"], hidden, "\\n") }
    {
      line = anonymous($0)
      for (one = 1; one <= count; one++) if (hidden[one] != "") line = without(line, hidden[one])
      print line
    }
  ' "$log" >"$log.next" && mv -f "$log.next" "$log"
}

# Files as committed, in a new directory. What is complete is left alone: a clean-up may just have put it back.
prepare() {
  if [ -e "$directory/complete.json" ]; then leave; fi
  discard "$directory"
  printf '' >"$log" || end 1
  { mkdir -p "$directory" && mv "$draft/source" "$directory/source"; } >>"$log" 2>&1 || end 1
}

# Runs a command. $1: its number; $2: its line in the log; then its words.
step() {
  step=$1
  printf '%s\\n' "$2" >>"$log"
  shift 2
  (
    variables
    cd "$place_of_commands" && exec "$@"
  ) </dev/null >>"$log" 2>&1
  status=$?
  printf 'exit status %s\\n' "$status" >>"$log"
  if [ "$status" -ne 0 ]; then end "$status"; fi
}
`;

/** The file `variables.sh`: a function that sets what the commands see besides the host's own variables. */
export function variablesScript({ variables, path_prefix }: RemoteBuild): string {
  const lines = Object.entries(variables).map(([name, value]) => `  ${exportLine(name, value)}`);
  const path = path_prefix.map((directory) => `${quote(directory)}:`).join("");
  return `variables() {\n${lines.join("\n")}\n  export PATH=${path}"$PATH"\n}\n`;
}

/** Lines of secrets that are long enough to be more than a brace. */
export function hiddenText(secrets: readonly string[]): string {
  return secrets
    .flatMap((secret) => secret.split("\n").filter((line, _, lines) => lines.length === 1 || line.length >= 8))
    .map((line) => `${line}\n`)
    .join("");
}
