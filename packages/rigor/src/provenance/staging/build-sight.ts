import { basename } from "node:path";
import { RigorError } from "../../domain/errors.ts";
import { quote } from "../../hosts/quote.ts";
import { buildLog } from "../environment-build.ts";
import { buildsDirectory, processFunctions } from "./build-script.ts";

/** What a host shows of the making of an environment. A number is that of the last build; 0 is none. */
export type Sight =
  | { state: "complete"; text: string }
  /** No build, or the files of one that succeeded were removed since. */
  | { state: "nothing"; number: number }
  /** `elsewhere`: its process is another host's. The beat changes while it lives. */
  | { state: "building"; number: number; witness: "alive" | "dead" | "elsewhere"; beat: string; lines: string[] }
  /** The step is that of the script; times are seconds since the epoch. */
  | { state: "ended"; number: number; status: number; step: number; began: number; ended: number; lines: string[] };

/** Lines of the log that one look brings at most. */
const mostLines = 2_000;

/**
 * Asks a host about an environment. Its answer is for {@link readSight}.
 *
 * @param known lines of the log of a build that need not come again
 */
export function lookScript(directory: string, known: { number: number; lines: number }): string {
  return `directory=${quote(directory)}
builds=${quote(buildsDirectory(directory))}
${processFunctions}
used environments ${quote(basename(directory))}
if [ -f "$directory/complete.json" ]; then
  echo complete
  cat "$directory/complete.json"
  exit 0
fi
number=0
while [ -e "$builds/$((number + 1)).claim" ]; do number=$((number + 1)); done
say_lines() {
  from=1
  if [ "$number" = ${known.number} ]; then from=${known.lines + 1}; fi
  tail -n "+$from" ${quote(buildLog(directory))} 2>/dev/null | head -n ${mostLines}
}
say_ended() {
  read -r status rest <"$builds/$number.end"
  if [ "$status" = 0 ] && [ ! -d "$directory/source" ]; then
    echo "nothing $number"
  else
    echo "ended $number $status $rest"
    say_lines
  fi
  exit 0
}
if [ "$number" = 0 ]; then
  echo "nothing 0"
  exit 0
fi
if [ -e "$builds/$number.end" ]; then say_ended; fi
claim_host='' claim_boot='' claim_pid=0 claim_started=''
read -r claim_host claim_boot claim_pid claim_started <"$builds/$number.claim" || :
witness=elsewhere
if [ "$claim_host" = "$host" ]; then
  witness=dead
  started_of "$claim_pid"
  if [ "$claim_boot" = "$boot" ] && [ -n "$started" ] && [ "$claim_started" = "$started" ]; then witness=alive; fi
fi
if [ -e "$builds/$number.end" ]; then say_ended; fi
beat=0
read -r beat 2>/dev/null <"$builds/$number.beat" || :
echo "building $number $witness \${beat:-0}"
say_lines`;
}

/** @throws RigorError `unreachable` for an answer that cannot be understood: nothing is concluded from it */
export function readSight(answer: string, host: string): Sight {
  const end = answer.indexOf("\n");
  const [state, ...words] = answer.slice(0, end).split(" ");
  const [number = Number.NaN, status = Number.NaN, step = 0, began = 0, ended = 0] = words.map(Number);
  const rest = answer.slice(end + 1);
  // The last line may still grow.
  const lines = rest.split("\n").slice(0, -1);
  if (state === "complete") return { state, text: rest };
  if (state === "nothing" && Number.isSafeInteger(number)) return { state, number };
  if (state === "ended" && Number.isSafeInteger(status)) return { state, number, status, step, began, ended, lines };
  const [, witness, beat = ""] = words;
  if (state === "building" && (witness === "alive" || witness === "dead" || witness === "elsewhere")) {
    return { state, number, witness, beat, lines };
  }
  throw new RigorError(
    "unreachable",
    `${host} does not say how far an environment is: ${JSON.stringify(answer.slice(0, 300))}`,
  );
}
