/** The daemon as a process: its log, its signals, its end. */
import { spawn } from "node:child_process";
import { fstatSync, readFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { isFull, notWritable } from "../api/contract/data-directory.ts";
import { RigorError } from "../domain/errors.ts";
import { startDaemon, type Daemon } from "./daemon.ts";
import { logLevel, readOptions, type DaemonOptions } from "./options.ts";

/** Where the log goes. On a full disk its lines are lost, and nothing else: whoever reports a fault must not make one. */
const output = {
  write(line: string): void {
    try {
      writeSync(1, line);
    } catch {
      // There is no other place in which this could be said.
    }
  },
};

const log = pino(
  { level: logLevel(process.env) ?? "info", base: null, timestamp: pino.stdTimeFunctions.isoTime },
  output,
);

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** Set once the daemon runs; a signal before that simply ends the process, as nothing was begun. */
let stop: (() => Promise<void>) | null = null;
let stopping = false;

function end(): void {
  if (stopping) return;
  stopping = true;
  // An answer that is being sent, to the client that asked for the stop, goes out first.
  setTimeout(() => {
    const stopped = stop === null ? Promise.resolve() : stop();
    stopped.then(
      () => process.exit(0),
      (error: unknown) => {
        log.fatal({ err: error }, "the daemon could not stop cleanly");
        process.exit(1);
      },
    );
  }, 50);
}

/**
 * Nothing that this process believes counts any more, so it ends at once, and not in order; jobs go on. A new one takes
 * its place, which asks for what is there. Whoever runs it in the foreground starts it again.
 */
function endAtOnce(error: Error): void {
  log.error({ err: error }, "another daemon drives now what this one did; a new one begins");
  if (fstatSync(1).isFile()) {
    const env = { ...process.env, RIGOR_SUCCEEDS: String(process.pid) };
    spawn(process.execPath, process.argv.slice(1), { detached: true, stdio: ["ignore", 1, 2], env }).unref();
  }
  process.exit(1);
}

/** How long the system may take until it has let go of everything that an ended process held. */
const farewellMs = 30_000;

/** Starts the daemon; one in the place of another one when that has ended. */
async function start(options: DaemonOptions): Promise<Daemon> {
  const predecessor = process.env["RIGOR_SUCCEEDS"];
  delete process.env["RIGOR_SUCCEEDS"];
  // A process whose parent has ended gets another one.
  while (String(process.ppid) === predecessor) await sleep(10);
  const deadline = performance.now() + (predecessor === undefined ? 0 : farewellMs);
  for (let tries = 1; ; tries++) {
    try {
      return await startDaemon(options, version, log, end, endAtOnce);
    } catch (error) {
      // The lock of a process is gone only with the last of its threads: on a busy machine, later than the process.
      const isTaken = error instanceof RigorError && error.code === "already-running";
      if (!isTaken || performance.now() > deadline) throw error;
      if (tries === 1) log.info("the data is still taken by the daemon in whose place this one is");
      await sleep(20);
    }
  }
}

for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, end);
// The terminal that started it may close; the daemon stays.
process.on("SIGHUP", () => undefined);
process.on("unhandledRejection", (error) => log.error({ err: error }, "unhandled rejection"));

try {
  const options = readOptions(process.env);
  const daemon = await start(options).catch((error: unknown) => {
    // Whatever it was that had no room.
    throw isFull(error) ? notWritable(options.directory, error) : error;
  });
  stop = daemon.stop;
} catch (error) {
  const known = error instanceof RigorError ? error : null;
  if (known === null) log.fatal({ err: error }, "the daemon could not start");
  const failure = {
    code: known?.code ?? "internal",
    message: known?.message ?? (error instanceof Error ? error.message : String(error)),
    next: known?.next ?? null,
  };
  output.write(`${JSON.stringify({ error: failure })}\n`);
  process.exit(1);
}
