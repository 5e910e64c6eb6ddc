import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { AttemptDirectory } from "../compute/attempt-directory.ts";
import type { JobStatus } from "../compute/executors/executor.ts";
import type { JobSpec } from "../compute/job.ts";
import type { HostCapacity } from "../compute/resources.ts";
import { RigorError } from "../domain/errors.ts";
import type { DataDirectory } from "./lab.ts";
import type { Lane } from "./lane.ts";

/** What one check of a compute found, and what to do where it is not good. */
export interface Finding {
  check: "reach" | "disk" | "inodes" | "GPUs" | "scheduler" | "job";
  ok: boolean;
  found: string;
  remedy: string | null;
}

/** Less room than this is too little for code, environments and outputs. */
const leastRoom = { bytes: 1e9, inodes: 10_000 };

const pollMs = 500;

/**
 * Proves that a compute can be used: it answers, has room, and a job runs there and comes back.
 *
 * @param patience milliseconds to wait for the job; 0 submits none
 * @throws RigorError `unreachable` where nothing can be found out
 */
export async function checkCompute(lane: Lane, data: DataDirectory, patience: number): Promise<Finding[]> {
  const capacity = await lane.probe(0);
  const findings = [reached(lane, capacity), ...roomOf(lane, capacity), ...cardsOf(lane, capacity)];
  if (lane.scheduler !== null) findings.push(...(await askScheduler(lane.scheduler)));
  if (patience > 0 && findings.every(({ ok }) => ok)) findings.push(await tryJob(lane, data, patience));
  return findings;
}

function reached(lane: Lane, { host, cpus, memory_total: memory }: HostCapacity): Finding {
  const size = lane.isPlaced ? `, ${cpus} CPUs, ${(memory / 1e9).toFixed(0)} GB of memory` : "";
  return { check: "reach", ok: true, found: `answers as ${host}${size}`, remedy: null };
}

function roomOf({ configuration }: Lane, { disk_free: bytes, inodes_free: inodes }: HostCapacity): Finding[] {
  const place = "workdir" in configuration ? configuration.workdir : "the data directory";
  const room: Finding = {
    check: "disk",
    ok: bytes >= leastRoom.bytes,
    found: `${(bytes / 1e9).toFixed(1)} GB free in ${place}`,
    remedy: `Free some room, or set \`workdir\` to a larger file system.`,
  };
  const files: Finding = {
    check: "inodes",
    ok: inodes >= leastRoom.inodes,
    found: `room for ${inodes.toLocaleString("en")} more files`,
    remedy: "Remove files that are not needed there: the number of files is limited, too.",
  };
  return [room, files].flatMap((one) => (one.ok ? { ...one, remedy: null } : one)).filter(isWorthSaying);
}

/** File systems that do not count inodes have nothing to say. */
const isWorthSaying = ({ check, ok }: Finding): boolean => check !== "inodes" || !ok;

function cardsOf(lane: Lane, { gpus }: HostCapacity): Finding[] {
  if (!lane.isPlaced || gpus.length === 0) return [];
  const free = gpus.filter((gpu) => gpu.memory_used <= 0.1 * gpu.memory_total).length;
  return [{ check: "GPUs", ok: true, found: `${gpus.length}, of which ${free} are not in use`, remedy: null }];
}

async function askScheduler(scheduler: NonNullable<Lane["scheduler"]>): Promise<Finding[]> {
  try {
    const { version, array_limit, problems } = await scheduler.facts();
    const arrays = array_limit > 1 ? `arrays of at most ${array_limit}` : "no arrays";
    const known: Finding = { check: "scheduler", ok: true, found: `${version}, ${arrays}`, remedy: null };
    const remedy = "Correct the account, partition, queue or options of this compute in rigor.yaml.";
    return [known, ...problems.map((found): Finding => ({ check: "scheduler", ok: false, found, remedy }))];
  } catch (error) {
    if (!(error instanceof RigorError) || error.code !== "scheduler") throw error;
    return [{ check: "scheduler", ok: false, found: error.message, remedy: error.next ?? null }];
  }
}

async function tryJob(lane: Lane, data: DataDirectory, patience: number): Promise<Finding> {
  const attempt = `check-${randomBytes(6).toString("hex")}`;
  const job: JobSpec = {
    attempt,
    run: attempt,
    command: `printf '{"metrics":{}}' >"$RIGOR_OUTPUT/result.json"`,
    working_directory: "/",
    environment: {},
    parameters: {},
    outputs: ["result.json"],
    time_limit: 60,
    grace: 1,
    heartbeat: 1,
    resources: { cpus: 1, gpus: 0, memory: null },
  };
  const directory = AttemptDirectory.in(data.root, attempt, attempt);
  const began = performance.now();
  try {
    const [handle] = await lane.executor.submit([job]);
    if (handle === undefined) throw new RigorError("internal", "The check's job was not submitted.");
    let status: JobStatus | undefined;
    while (performance.now() - began < patience) {
      status = (await lane.executor.status([handle])).get(attempt);
      if (status?.state === "ended" || status?.state === "gone") return judge(status, directory, began);
      await sleep(pollMs);
    }
    await lane.executor.cancel([handle]);
    return {
      check: "job",
      ok: false,
      found: `a job did not come back within ${Math.round(patience / 1_000)} s: it is ${status?.state ?? "not seen"}`,
      remedy: "Look at the queue there; `--wait` gives it more time.",
    };
  } catch (error) {
    if (!(error instanceof RigorError) || error.code === "unreachable") throw error;
    return { check: "job", ok: false, found: error.message, remedy: error.next ?? null };
  } finally {
    await rm(directory.path, { recursive: true, force: true });
  }
}

function judge(
  status: Extract<JobStatus, { state: "ended" | "gone" }>,
  directory: AttemptDirectory,
  began: number,
): Finding {
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  if (status.state === "ended" && status.exit.code === 0) {
    const host = directory.readProcess()?.host;
    const where = host === undefined ? "" : ` on ${host}`;
    return { check: "job", ok: true, found: `ran${where} and came back in ${seconds} s`, remedy: null };
  }
  const how = status.state === "ended" ? `ended with status ${status.exit.code}` : describeGone(status);
  return { check: "job", ok: false, found: `a job ${how}`, remedy: "Run one by hand there to see why." };
}

const describeGone = (status: Extract<JobStatus, { state: "gone" }>): string =>
  status.withdrawn ? "was withdrawn" : `is gone: ${status.evidence}`;
