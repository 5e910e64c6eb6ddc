import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { hasCode, isMissing } from "./system-errors.ts";

/** Who listens on a port of this machine, among all processes and some of them. */
export type PortHolder = "nobody" | "ours" | "somebody-else";

/**
 * Whether everything that listens on a TCP port of this machine belongs to some of its processes. The system is asked,
 * not the port: whoever answers there may be anybody.
 *
 * @param ours process ids
 */
export function holderOfPort(port: number, ours: readonly number[]): PortHolder {
  return process.platform === "linux" ? holderByProc(port, ours) : holderByLsof(port, ours);
}

function holderByProc(port: number, ours: readonly number[]): PortHolder {
  const sockets = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) => listeningSockets(readIfThere(table), port));
  if (sockets.length === 0) return "nobody";
  const held = new Set(ours.flatMap((pid) => socketsOf(pid)));
  return sockets.every((inode) => held.has(inode)) ? "ours" : "somebody-else";
}

/** Inodes of the sockets that listen on a port, from a table of the kernel: `sl local remote st ... inode`. */
export function listeningSockets(table: string, port: number): string[] {
  return table.split("\n").flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const [, local = "", , state] = fields;
    const inode = fields[9];
    if (state !== "0A" || inode === undefined) return [];
    return Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16) === port ? [inode] : [];
  });
}

function socketsOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readWhileThere(() => readdirSync(directory), []).flatMap((name) => {
    const target = readWhileThere(() => readlinkSync(`${directory}/${name}`), "");
    return /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? [];
  });
}

function readIfThere(path: string): string {
  return readWhileThere(() => readFileSync(path, "latin1"), "");
}

/** A process and its descriptors may go while they are looked at. */
function readWhileThere<Value>(read: () => Value, otherwise: Value): Value {
  try {
    return read();
  } catch (error) {
    if (isMissing(error) || ["ESRCH", "EACCES", "EPERM"].some((code) => hasCode(error, code))) return otherwise;
    throw error;
  }
}

function holderByLsof(port: number, ours: readonly number[]): PortHolder {
  const pids = lsofLines(port).flatMap((line) => (line.startsWith("p") ? [Number(line.slice(1))] : []));
  if (pids.length === 0) return "nobody";
  return pids.every((pid) => ours.includes(pid)) ? "ours" : "somebody-else";
}

function lsofLines(port: number): string[] {
  try {
    return execFileSync("lsof", ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fp"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).split("\n");
  } catch (error) {
    // lsof ends with status 1 when it finds nothing.
    if (error instanceof Error && "status" in error && error.status === 1) return [];
    throw error;
  }
}
