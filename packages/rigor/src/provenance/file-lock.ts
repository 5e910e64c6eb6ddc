import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { link, mkdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { z } from "zod";
import { isMissing } from "../hosts/system-errors.ts";

const owner = z.object({ host: z.string(), pid: z.number(), started: z.string().nullable() });

type Owner = z.infer<typeof owner>;

export interface FileLockOptions {
  /** Called once when somebody else holds the lock. */
  onWait?: (message: string) => void;
  pollMs?: number;
  /** Ends the wait, with the signal's reason as error; work that has begun is not its concern. */
  signal?: AbortSignal | undefined;
}

/** The owner renews the file's time this often, for those who cannot see its process. */
const renewMs = 10_000;
/** An owner on another host that has not renewed for this long is dead. */
const silentMs = 120_000;
/** Taking over needs milliseconds; a takeover older than this died on the way. */
const takeoverMs = 30_000;

/**
 * Runs `work` while holding a lock that other processes respect, on a shared file system too. The lock is a file that
 * names its owner's host, process and the time when that started; the lock of a dead owner is taken over.
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>, options: FileLockOptions = {}): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  await acquire(path, options);
  const renewal = setInterval(() => {
    const now = new Date();
    // A missed renewal is made up for by the next one.
    utimes(path, now, now).catch(() => undefined);
  }, renewMs);
  renewal.unref();
  try {
    return await work();
  } finally {
    clearInterval(renewal);
    await rm(path, { force: true });
  }
}

async function acquire(path: string, { onWait, pollMs = 200, signal }: FileLockOptions): Promise<void> {
  const me: Owner = { host: hostname(), pid: process.pid, started: await processStart(process.pid) };
  for (let waited = false; ;) {
    signal?.throwIfAborted();
    if (await create(path, JSON.stringify(me))) return;
    const holder = await readOwner(path);
    if (holder !== "free" && (await isDead(path, holder))) await removeDead(path);
    else if (holder !== "free") {
      if (!waited && holder !== "unreadable") onWait?.(`waiting for process ${holder.pid} on ${holder.host}`);
      waited = true;
      await sleep(pollMs);
    }
  }
}

/** Makes the file with its whole content, or nothing if it is there: a link either succeeds or does not. */
async function create(path: string, content: string): Promise<boolean> {
  const draft = `${path}.${process.pid}-${randomBytes(4).toString("hex")}`;
  await writeFile(draft, content, { flag: "wx" });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Removes the lock of a dead owner. Only one process at a time may, lest it remove the lock of its successor. */
async function removeDead(path: string): Promise<void> {
  const takeover = `${path}.takeover`;
  if (!(await create(takeover, String(process.pid)))) {
    if ((await ageMs(takeover)) > takeoverMs) await rm(takeover, { force: true });
    await sleep(20);
    return;
  }
  try {
    const holder = await readOwner(path);
    if (holder !== "free" && (await isDead(path, holder))) await rm(path, { force: true });
  } finally {
    await rm(takeover, { force: true });
  }
}

async function readOwner(path: string): Promise<Owner | "free" | "unreadable"> {
  try {
    return owner.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    return isMissing(error) ? "free" : "unreadable";
  }
}

async function isDead(path: string, holder: Owner | "unreadable"): Promise<boolean> {
  if (holder === "unreadable" || holder.host !== hostname()) return (await ageMs(path)) > silentMs;
  const started = await processStart(holder.pid);
  return started === null || (holder.started !== null && started !== holder.started);
}

async function ageMs(path: string): Promise<number> {
  try {
    return Date.now() - (await stat(path)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

/**
 * When a process started, in a form that only it has; null when it is gone. A process id alone is not enough, because
 * ids are used again, also after a restart of the machine.
 */
export async function processStart(pid: number): Promise<string | null> {
  if (process.platform !== "linux") return processStartByPs(pid);
  try {
    const [line, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, "utf8"),
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
    ]);
    // The name in parentheses may hold anything; the fields after it are the state (3rd) to the start time (22nd).
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    const isZombie = fields[0] === "Z" || fields[0] === "X";
    return isZombie ? null : `${boot.trim()}:${fields[19]}`;
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return isMissing(error) || (error instanceof Error && "code" in error && error.code === "ESRCH");
}

async function processStartByPs(pid: number): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)("ps", ["-o", "lstart=", "-p", String(pid)]);
    return stdout.trim() || null;
  } catch (error) {
    // ps answers with status 1 for a process that does not exist.
    if (error instanceof Error && "code" in error && error.code === 1) return null;
    throw error;
  }
}
