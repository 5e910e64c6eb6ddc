import { RigorError } from "../../domain/errors.ts";
import { quote } from "../../hosts/quote.ts";
import { parseGpus, type HostCapacity } from "../placement/resources.ts";

/** What a host has, as lines `NAME VALUE` and then what `nvidia-smi` prints of its GPUs. */
export const probeScript = (root: string): string => `cd ${quote(root)} || exit 66
printf 'host %s\\n' "$(uname -n)"
printf 'cpus %s\\n' "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)"
if [ -r /proc/meminfo ]; then
  while read -r name value _; do
    case $name in MemTotal: | MemAvailable:) printf '%s %s\\n' "$name" "$value" ;; esac
  done </proc/meminfo
else
  printf 'MemTotal: %s\\n' $(($(sysctl -n hw.memsize) / 1024))
fi
for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
  if read -r value 2>/dev/null <"$limit"; then printf 'memory-limit %s\\n' "$value"; fi
done
df -Pk . | { read -r _; read -r _ _ _ free _; printf 'disk %s\\n' "$free"; }
df -Pi . 2>/dev/null | { read -r _; read -r _ _ _ free _; printf 'inodes %s\\n' "$free"; }
# A quota, or a file system that became read-only, shows only when something is written.
trial=.rigor-trial-$$
if ! words=$( (head -c 65536 /dev/zero >"$trial") 2>&1); then printf 'write-failure %s\\n' "\${words##*: }"; fi
rm -f "$trial" 2>/dev/null
printf 'gpus\\n'
if command -v nvidia-smi >/dev/null; then
  nvidia-smi --query-gpu=index,uuid,name,memory.total,memory.used --format=csv,noheader,nounits </dev/null 2>/dev/null
fi
exit 0`;

/** Reads the answer to {@link probeScript}. @param excluded parts of the names of GPUs that are left alone */
export function parseProbe(text: string, excluded: readonly string[]): HostCapacity {
  const [before = "", gpus] = text.split(/^gpus$/m);
  const facts = new Map(
    before.split("\n").map((line): [string, string] => {
      const space = line.indexOf(" ");
      return [line.slice(0, space), line.slice(space + 1).trim()];
    }),
  );
  const numberOf = (name: string): number => Number(facts.get(name) ?? Number.NaN);
  const host = facts.get("host") ?? "";
  const [cpus, total] = [numberOf("cpus"), numberOf("MemTotal:") * 1024];
  if (gpus === undefined || host === "" || !(cpus >= 1) || !(total > 0)) {
    throw new RigorError("unreachable", `The host does not say what it has: ${JSON.stringify(text.slice(0, 300))}.`);
  }
  const limit = numberOf("memory-limit");
  const memory = limit > 0 && limit < total ? limit : total;
  const available = numberOf("MemAvailable:") * 1024;
  return {
    host,
    cpus,
    memory_total: memory,
    memory_free: Number.isFinite(available) ? Math.min(available, memory) : memory,
    gpus: parseGpus(gpus).filter((gpu) => !excluded.some((part) => gpu.name.includes(part))),
    disk_free: numberOf("disk") * 1024,
    // File systems that do not count inodes print a dash.
    inodes_free: Number.isFinite(numberOf("inodes")) ? numberOf("inodes") : Number.MAX_SAFE_INTEGER,
    write_failure: facts.get("write-failure") ?? null,
  };
}
