import { execFile } from "node:child_process";
import { readFileSync, statfsSync } from "node:fs";
import { availableParallelism, freemem, hostname, totalmem } from "node:os";
import { promisify } from "node:util";
import { hasCommand } from "../../hosts/has-command.ts";
import { hasCode } from "../../hosts/system-errors.ts";

export interface Gpu {
  index: number;
  uuid: string;
  name: string;
  /** Bytes. */
  memory_total: number;
  memory_used: number;
}

/** What a machine has. Memory and disk in bytes. */
export interface HostCapacity {
  host: string;
  cpus: number;
  memory_total: number;
  memory_free: number;
  gpus: Gpu[];
  disk_free: number;
  inodes_free: number;
  /** Why nothing can be written to the disk, in the system's words; null where something was. */
  write_failure: string | null;
}

/** What this machine, with the limits of the container it may be in, offers to jobs. */
export async function probeHost(dataDirectory: string): Promise<HostCapacity> {
  const space = freeSpace(dataDirectory);
  const limits = readCgroupLimits();
  return {
    host: hostname(),
    cpus: Math.max(1, Math.min(availableParallelism(), Math.floor(limits.cpus ?? Number.POSITIVE_INFINITY) || 1)),
    memory_total: Math.min(totalmem(), limits.memory ?? Number.POSITIVE_INFINITY),
    memory_free: freemem(),
    gpus: await probeGpus(),
    disk_free: space.bytes,
    inodes_free: space.inodes,
    // Every turn writes here, and tells when it cannot.
    write_failure: null,
  };
}

/** Free room of the file system of a directory. File systems that do not count inodes report none as limit. */
export function freeSpace(directory: string): { bytes: number; inodes: number } {
  const status = statfsSync(directory);
  return {
    bytes: status.bavail * status.bsize,
    inodes: status.files === 0 ? Number.MAX_SAFE_INTEGER : status.ffree,
  };
}

const gpuQuery = ["--query-gpu=index,uuid,name,memory.total,memory.used", "--format=csv,noheader,nounits"];

/** The NVIDIA GPUs of this machine; none where `nvidia-smi` is missing or finds no driver. */
async function probeGpus(): Promise<Gpu[]> {
  // To look for it is cheap; a process of this large one is not.
  if (!hasCommand("nvidia-smi")) return [];
  try {
    const { stdout } = await promisify(execFile)("nvidia-smi", gpuQuery, { timeout: 20_000 });
    return parseGpus(stdout);
  } catch (error) {
    // Missing, or it ended with a status that says that there is no device.
    if (hasCode(error, "ENOENT") || (error instanceof Error && "stdout" in error)) return [];
    throw error;
  }
}

const mebibyte = 1024 * 1024;

/** Reads `nvidia-smi --query-gpu=index,uuid,name,memory.total,memory.used`. A card whose memory is unknown is left out. */
export function parseGpus(csv: string): Gpu[] {
  return csv.split("\n").flatMap((line) => {
    const fields = line.split(",").map((field) => field.trim());
    const [index, uuid] = fields;
    const [total, used] = fields.slice(-2).map((field) => (field === "" ? Number.NaN : Number(field)));
    if (fields.length < 5 || index === undefined || uuid === undefined) return [];
    if (!/^\d+$/.test(index) || !Number.isFinite(total) || !Number.isFinite(used)) return [];
    return [
      {
        index: Number(index),
        uuid,
        name: fields.slice(2, -2).join(", "),
        memory_total: Number(total) * mebibyte,
        memory_used: Number(used) * mebibyte,
      },
    ];
  });
}

/** Limits of the control groups that a process is in; null for none. Cpus in units of one, memory in bytes. */
export interface CgroupLimits {
  cpus: number | null;
  memory: number | null;
}

function readCgroupLimits(): CgroupLimits {
  return cgroupLimits(readText("/proc/self/cgroup"), (path) => readText(`/sys/fs/cgroup/${path}`));
}

/** Finds the tightest limit on the way from a process's group to the root, for both versions of control groups. */
export function cgroupLimits(membership: string | null, read: (path: string) => string | null): CgroupLimits {
  const cpus: number[] = [];
  const memory: number[] = [];
  for (const line of (membership ?? "").split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const base = controllers === "" ? "" : controllers;
    for (const group of ancestors(path)) {
      const at = (file: string) => read([base, group, file].filter((part) => part !== "").join("/"));
      if (controllers === "") {
        const [quota, period] = (at("cpu.max") ?? "").trim().split(" ").map(Number);
        if (quota && period) cpus.push(quota / period);
        pushLimit(memory, at("memory.max"));
      } else if (controllers === "memory") {
        pushLimit(memory, at("memory.limit_in_bytes"));
      } else if (controllers.split(",").includes("cpu")) {
        const quota = Number(at("cpu.cfs_quota_us") ?? -1);
        const period = Number(at("cpu.cfs_period_us") ?? 0);
        if (quota > 0 && period > 0) cpus.push(quota / period);
      }
    }
  }
  return { cpus: smallest(cpus), memory: smallest(memory) };
}

/** `/a/b` gives `a/b`, `a` and the root. */
function ancestors(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return Array.from({ length: parts.length + 1 }, (_, removed) => parts.slice(0, parts.length - removed).join("/"));
}

/** The first version of control groups writes a number near 2^63 for no limit. */
function pushLimit(limits: number[], text: string | null): void {
  const value = Number(text?.trim() || Number.NaN);
  if (value > 0 && value < 2 ** 60) limits.push(value);
}

function smallest(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.min(...values);
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // Not on this system, or not for this user.
    if (error instanceof Error && "code" in error) return null;
    throw error;
  }
}
