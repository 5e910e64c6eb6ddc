import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { dataDirectory } from "../../api/contract/data-directory.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Context } from "../context.ts";
import type { Failure } from "../output/failure.ts";
import type { Invocation } from "../invocation.ts";
import { daemonEntry, startFailure } from "../daemon/start-daemon.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  if (invocation.flag("foreground")) return inForeground(context);
  const lab = await context.lab();
  // Asked, so that a daemon that died without a word is replaced.
  const health = await lab.client.system.health();
  const answer = { ...health, address: lab.daemon.address, started: lab.started };
  await context.answer(answer, (running) => [
    `Rigor ${running.version} ${running.started ? "is up" : "was up already"} at ${running.address} (pid ${running.pid}), data in ${running.data_directory}`,
  ]);
  return 0;
}

/** The daemon as a child that shows its log, ends with this program, and ends this program with it. */
async function inForeground(context: Context): Promise<number> {
  const child = spawn(process.execPath, [daemonEntry()], {
    env: { ...context.environment, RIGOR_HOME: dataDirectory(context.environment) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, forward);
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
  let failure: Failure | null = null;
  for await (const line of createInterface({ input: child.stdout })) {
    failure ??= startFailure(line);
    if (failure === null) await context.write(`${line}\n`);
  }
  const status = await ended;
  if (failure !== null)
    throw new RigorError(failure.code, failure.message, failure.next === null ? {} : { next: failure.next });
  return status;
}
