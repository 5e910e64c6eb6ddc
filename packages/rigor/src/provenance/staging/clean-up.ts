import { posix } from "node:path";
import { RigorError } from "../../domain/errors.ts";
import { quote } from "../../hosts/quote.ts";
import { kinds, longTimeout, type Kept, type WorkDirectory } from "./work-directory.ts";

export interface CleanUpRequest {
  /** Absolute paths of what is in use, as `Staged` names them. */
  in_use: readonly string[];
  /** Inputs in use, by what they hash to. */
  inputs_in_use: readonly string[];
  /** Seconds without use after which something goes. */
  unused_for: number;
  /** Bytes that are to be free: until they are, more goes, the longest unused first. Null: none. */
  wanted_free: number | null;
  /** Inodes that are to be free, likewise, where the file system counts them. Default: none. */
  wanted_inodes?: number;
}

/** Something that was removed. */
export interface Removed extends Kept {
  /** Seconds since its last use. */
  unused_for: number;
}

/**
 * Seconds in which whoever uses something says so again: a stage does, and every clean-up does for what its own lab
 * uses. What was used since may be in use by another lab, and stays however little room there is.
 */
export const spared = 86_400;

/** Things that one call removes, so that a call ends before its time. */
const mostAtOnce = 10;

/**
 * Removes what nobody uses any more. Something loses its name before its files go, so that what is half removed is never
 * taken for complete; and it gets its name back when somebody asked for it at that moment.
 */
export async function cleanUp(directory: WorkDirectory, request: CleanUpRequest): Promise<Removed[]> {
  const { wanted_free, wanted_inodes = 0 } = request;
  const limit = Math.max(request.unused_for, spared);
  const { kept, free: freeBefore } = await look(directory, request);
  let free = freeBefore;
  const removed: Removed[] = [];
  const remove = async (wanted: readonly Removed[]) => {
    const answer = await removeUnused(directory, wanted);
    removed.push(...answer.removed);
    free = answer.free;
  };
  const old = kept.filter((one) => one.unused_for >= limit);
  for (let start = 0; start < old.length; start += mostAtOnce) await remove(old.slice(start, start + mostAtOnce));
  if (wanted_free === null) return removed;
  for (const one of kept.slice(old.length).filter(({ unused_for }) => unused_for >= spared)) {
    if (free.bytes >= wanted_free && free.inodes >= wanted_inodes) break;
    await remove([one]);
  }
  return removed;
}

interface Found {
  /** The longest unused first. */
  kept: Removed[];
  free: Room;
}

interface Room {
  bytes: number;
  /** Infinite where they are not counted. */
  inodes: number;
}

/** Notes that what is in use is used now, and lists everything. */
async function look(directory: WorkDirectory, { in_use, inputs_in_use }: CleanUpRequest): Promise<Found> {
  const names = [...in_use.map((path) => nameOf(directory, path)), ...inputs_in_use.map((hash) => `inputs ${hash}`)];
  const input = () => [Buffer.from(names.map((name) => `${name}\n`).join(""))];
  const text = await directory.run({ what: "looking for what is unused", script: lookScript, input });
  const { lines, free } = readAnswer(directory, text);
  return { kept: lines.sort((a, b) => b.unused_for - a.unused_for), free };
}

/** `KIND NAME` of a path. */
function nameOf({ root, host }: WorkDirectory, path: string): string {
  const [kind, name, ...rest] = posix.relative(root, path).split("/");
  const isKind = kinds.some((one) => one === kind);
  if (isKind && name !== undefined && /^[A-Za-z0-9_+-]+$/.test(name) && rest.length === 0) return `${kind} ${name}`;
  throw new RigorError("internal", `${path} is not among what is kept in ${root} on ${host}`);
}

async function removeUnused(
  directory: WorkDirectory,
  wanted: readonly Removed[],
): Promise<{ removed: Removed[]; free: Room }> {
  const what = "removing what is unused";
  const text = await directory.run({ what, script: removeScript(wanted), timeout: longTimeout });
  const { lines, free } = readAnswer(directory, text);
  return { removed: lines, free };
}

/** Lines `KIND NAME SECONDS`, and then `free KILOBYTES INODES`, or `-` for these. */
function readAnswer({ host }: WorkDirectory, text: string): { lines: Removed[]; free: Room } {
  const words = text
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" "));
  const [word, kilobytes, inodes] = words.at(-1) ?? [];
  const counted = Number(inodes);
  const free = { bytes: Number(kilobytes) * 1024, inodes: Number.isFinite(counted) ? counted : Infinity };
  if (word !== "free" || !Number.isFinite(free.bytes)) {
    throw new RigorError("unreachable", `${host} does not say what it keeps: ${JSON.stringify(text.slice(-300))}`);
  }
  const lines = words.slice(0, -1).map(([first, name = "", seconds]) => {
    const kind = kinds.find((one) => one === first);
    if (kind === undefined) throw new RigorError("internal", `${host} lists what nobody asked for: ${first}`);
    return { kind, name, unused_for: Number(seconds) };
  });
  return { lines, free };
}

/**
 * `unused_since KIND NAME` sets idle to the seconds since something was last used. What nobody has noted yet counts from
 * now on.
 */
const functions = `now=$(date +%s)
unused_since() {
  at=
  { read -r at <"$root/used/$1.$2"; } 2>/dev/null || :
  case $at in
    '' | *[!0-9]*)
      used "$1" "$2"
      at=$now
      ;;
  esac
  idle=$((now - at))
}
say_free() {
  # Some file systems have no fixed number of inodes, and say that they have none.
  inodes=$(df -Pi "$root" 2>/dev/null | { read -r _ && read -r _ all _ free _ && [ "$all" != 0 ] && echo "$free"; }) || inodes=-
  df -Pk "$root" | { read -r _ && read -r _ _ _ free _ && echo "free $free $inodes"; }
}`;

export const lookScript = `${functions}
mkdir -p "$root"
while read -r kind name; do used "$kind" "$name"; done
for kind in ${kinds.join(" ")}; do
  cd "$root/$kind" 2>/dev/null || continue
  for entry in *; do
    name=\${entry%%.*}
    case $name in
      '' | *[!A-Za-z0-9_+-]*) ;;
      *)
        # A thing is listed once: by itself, or by the first of what belongs to it where it is gone.
        if [ "$name" != "$entry" ] && { [ -e "$name" ] || [ "$name" = "\${last-}" ]; }; then continue; fi
        last=$name
        unused_since "$kind" "$name"
        echo "$kind $name $idle"
        ;;
    esac
  done
done
say_free`;

/** Removes things unless they were used meanwhile, and prints those that it removed. */
export const removeScript = (wanted: readonly Removed[]): string => `${functions}
remove() {
  unused_since "$1" "$2"
  if [ "$idle" -lt ${spared} ]; then return 0; fi
  cd "$root/$1" || return 0
  if [ -e "$2" ] || [ -h "$2" ]; then
    gone=$2.removed-$$
    mv -f "$2" "$gone" || return 0
    # Somebody who saw it before it lost its name noted so before that.
    unused_since "$1" "$2"
    if [ "$idle" -lt ${spared} ]; then
      place "$root/$1/$gone" "$root/$1/$2"
      return 0
    fi
  fi
  for entry in "$2".*; do
    unused_since "$1" "$2"
    if [ "$idle" -lt ${spared} ]; then return 0; fi
    discard "./$entry"
  done
  rm -f "$root/used/$1.$2"
  echo "$1 $2 $idle"
}
${wanted.map(({ kind, name }) => `remove ${kind} ${quote(name)}`).join("\n")}
say_free`;
