import { setTimeout as sleep } from "node:timers/promises";
import { dataDirectory } from "../../api/contract/data-directory.ts";
import { findDaemon } from "../daemon/client.ts";
import type { Context } from "../context.ts";
import { isUnheard } from "../output/failure.ts";
import { plural } from "../output/format.ts";
import { hangingDaemon, ownerPid } from "../daemon/owner.ts";
import { isAlive } from "../daemon/processes.ts";

const patienceMs = 20_000;
const pollMs = 20;

export async function execute(context: Context): Promise<number> {
  const stopped = await stop(context);
  await context.answer(stopped, ({ was_running: wasRunning, running_jobs: jobs }) => {
    if (!wasRunning) return ["No daemon is running."];
    const goOn =
      jobs === 0
        ? ""
        : ` ${plural(jobs, "job")} ${jobs === 1 ? "goes" : "go"} on; the next daemon finds ${jobs === 1 ? "it" : "them"} again.`;
    return [`The daemon has ended.${goOn}`];
  });
  return 0;
}

interface Stopped {
  was_running: boolean;
  pid: number | null;
  running_jobs: number;
}

async function stop({ environment }: Context): Promise<Stopped> {
  const none: Stopped = { was_running: false, pid: null, running_jobs: 0 };
  const directory = dataDirectory(environment);
  const deadline = Date.now() + patienceMs;
  const found = findDaemon(environment) ?? (await untilReady(environment, directory, deadline));
  if (found === null || !isAlive(found.daemon.pid)) return none;
  const { pid } = found.daemon;
  const signal = AbortSignal.timeout(patienceMs);
  let answer: Omit<Stopped, "was_running">;
  try {
    answer = await found.client.system.stop(undefined, { signal });
  } catch (error) {
    if (isUnheard(error)) return none;
    throw signal.aborted ? hangingDaemon(pid, `has not answered for ${patienceMs / 1000} s`, directory) : error;
  }
  await waitForEnd(pid, directory, deadline);
  return { was_running: true, ...answer };
}

/** A daemon that has the data and is not to be found yet, once it is; null when it has ended. */
async function untilReady(environment: NodeJS.ProcessEnv, directory: string, deadline: number) {
  for (let pid = ownerPid(directory); pid !== null; pid = ownerPid(directory)) {
    const found = findDaemon(environment);
    if (found !== null) return found;
    await pause(pid, directory, deadline);
  }
  return null;
}

async function waitForEnd(pid: number, directory: string, deadline: number): Promise<void> {
  while (isAlive(pid)) await pause(pid, directory, deadline);
}

async function pause(pid: number, directory: string, deadline: number): Promise<void> {
  if (Date.now() > deadline) throw hangingDaemon(pid, `has not ended after ${patienceMs / 1000} s`, directory);
  await sleep(pollMs);
}
