import { readFileSync, writeSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { pino } from "pino";
import { RigorError } from "../domain/errors.ts";
import { logLevel, readOptions } from "./options.ts";

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

/** Nothing more is written, not even an orderly end: another daemon may own the database already. Jobs go on. */
function endAtOnce(error: Error): void {
  log.fatal({ err: error }, "the connection that holds the database for this daemon is lost");
  process.exit(1);
}

for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, end);
// The terminal that started it may close; the daemon stays.
process.on("SIGHUP", () => undefined);
process.on("unhandledRejection", (error) => log.error({ err: error }, "unhandled rejection"));

try {
  // Compiling the modules is half of a start; only those that are imported after this line come from the cache.
  enableCompileCache();
  const { startDaemon } = await import("./daemon.ts");
  const daemon = await startDaemon(readOptions(process.env), version, log, end, endAtOnce);
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
