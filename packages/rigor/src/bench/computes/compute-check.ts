import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { AttemptDirectory } from "../../compute/attempt/attempt-directory.ts";
import type { JobStatus } from "../../compute/executor.ts";
import type { JobSpec } from "../../compute/attempt/job.ts";
import { isIdleCard } from "../../compute/placement/placement.ts";
import type { HostCapacity } from "../../compute/placement/resources.ts";
import { RigorError } from "../../domain/errors.ts";
import { bytes } from "../../domain/format/numbers.ts";
import type { DataDirectory } from "../lab/lab.ts";
import type { Lane } from "../lab/lane.ts";

/** What one check of a compute found, and what to do where it is not good. */
export interface Finding {
  check: "reach" | "disk" | "inodes" | "GPUs" | "scheduler" | "job";
  ok: boolean;
  found: string;
  remedy: string | null;
  /** Its job was lost, or is not back: that may have other reasons than the compute. */
  is_undecided?: boolean;
}

/** Less room than this is too little for code, environments and outputs. */
const leastRoom = { bytes: 1e9, inodes: 10_000 };

const pollMs = 500;

/** Milliseconds for which the check's job may wait for what only a person can change. */
const heldMs = 15_000;

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
  const size = lane.isPlaced ? `, ${cpus} CPUs, ${bytes(memory)} of memory` : "";
  return { check: "reach", ok: true, found: `answers as ${host}${size}`, remedy: null };
}

function roomOf({ configuration }: Lane, capacity: HostCapacity): Finding[] {
  const { disk_free: free, inodes_free: inodes, write_failure: failure } = capacity;
  const place = "workdir" in configuration ? configuration.workdir : "the data directory";
  if (failure !== null) {
    const remedy = `Free some room, make it writable for you, or set \`workdir\` to another file system.`;
    return [{ check: "disk", ok: false, found: `nothing can be written in ${place}: ${failure}`, remedy }];
  }
  const room: Finding = {
    check: "disk",
    ok: free >= leastRoom.bytes,
    found: `${bytes(free)} free in ${place}`,
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
  const free = gpus.filter(isIdleCard).length;
  return [{ check: "GPUs", ok: true, found: `${free} of ${gpus.length} not in use`, remedy: null }];
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

/** When the job of a check was named so: epoch milliseconds; null for any other attempt. */
export function checkedAt(attempt: string): number | null {
  const [, seconds] = /^check-(\d+)-/.exec(attempt) ?? [];
  return seconds === undefined ? null : Number(seconds) * 1_000;
}

async function tryJob(lane: Lane, data: DataDirectory, patience: number): Promise<Finding> {
  const attempt = `check-${Math.floor(Date.now() / 1_000)}-${randomBytes(6).toString("hex")}`;
  const job: JobSpec = {
    attempt,
    run: attempt,
    command: `printf '{"metrics":{}}' >"$RIGOR_OUTPUT/result.json"`,
    working_directory: "/",
    environment: {},
    parameters: {},
    outputs: ["result.json"],
    // Two minutes at a scheduler: a partition or queue that allows no more is proven, too.
    time_limit: 59,
    grace: 1,
    margin: 60,
    heartbeat: 1,
    resources: { cpus: 1, gpus: 0, memory: null },
  };
  const directory = AttemptDirectory.in(data.root, attempt, attempt);
  const began = performance.now();
  try {
    await lane.executor.submit([job]);
    const handle = { attempt, run: attempt };
    let status: JobStatus | undefined;
    let startableMs = performance.now();
    while (performance.now() - began < patience && performance.now() - startableMs < heldMs) {
      status = (await lane.executor.status([handle])).get(attempt);
      if (status?.state === "ended" || status?.state === "gone") return judge(status, directory, began);
      if (!isHeld(status)) startableMs = performance.now();
      await sleep(pollMs);
    }
    await lane.executor.cancel([handle]);
    return isHeld(status) ? stuck(status) : late(status, patience);
  } catch (error) {
    if (!(error instanceof RigorError) || error.code === "unreachable") throw error;
    return { check: "job", ok: false, found: error.message, remedy: error.next ?? null };
  } finally {
    await rm(directory.path, { recursive: true, force: true });
  }
}

const isHeld = (status: JobStatus | undefined): status is Waiting =>
  status?.state === "waiting" && status.held === true;

type Waiting = Extract<JobStatus, { state: "waiting" }>;

const wordsOf = ({ reason }: Waiting): string =>
  reason === null || reason === undefined ? "" : `: its scheduler says ${JSON.stringify(reason)}`;

const stuck = (status: Waiting): Finding => ({
  check: "job",
  ok: false,
  found: `a job waits, and waiting alone does not start it${wordsOf(status)}`,
  remedy: "Correct the account, partition, queue or options of this compute in rigor.yaml.",
});

function late(status: JobStatus | undefined, patience: number): Finding {
  const words = status?.state === "waiting" ? wordsOf(status) : "";
  const state = status?.state === "unsubmitted" ? status.reason : (status?.state ?? "not seen");
  return {
    check: "job",
    ok: false,
    found: `a job did not come back within ${Math.round(patience / 1_000)} s: it is ${state}${words}`,
    remedy: "Look at the queue there; `--wait` gives it more time.",
    is_undecided: true,
  };
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
  return {
    check: "job",
    ok: false,
    found: `a job ${how}`,
    remedy: "Run one by hand there to see why.",
    is_undecided: status.state === "gone",
  };
}

function describeGone(status: Extract<JobStatus, { state: "gone" }>): string {
  if (status.withdrawn) return "was withdrawn";
  return `${status.category === "submission" ? "was refused" : "is gone"}: ${status.evidence}`;
}
