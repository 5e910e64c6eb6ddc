import { setTimeout as sleep } from "node:timers/promises";
import { dataDirectory } from "../../api/contract/data-directory.ts";
import { findDaemon } from "../daemon/client.ts";
import type { Context } from "../context.ts";
import { daemonLogPath } from "../daemon/daemon-file.ts";
import { isUnheard } from "../output/failure.ts";
import { plural } from "../output/format.ts";
import { isAlive } from "../daemon/processes.ts";
import { RigorError } from "../../domain/errors.ts";

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
  const found = findDaemon(environment);
  if (found === null || !isAlive(found.daemon.pid)) return none;
  try {
    const answer = await found.client.system.stop();
    await waitForEnd(answer.pid, daemonLogPath(dataDirectory(environment)));
    return { was_running: true, ...answer };
  } catch (error) {
    if (isUnheard(error)) return none;
    throw error;
  }
}

async function waitForEnd(pid: number, log: string): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (isAlive(pid)) {
    if (Date.now() > deadline) {
      throw new RigorError("daemon", `The daemon (pid ${pid}) has not ended after ${patienceMs / 1000} s.`, {
        next: `Its log is ${log}. \`kill -9 ${pid}\` ends it; jobs go on, and nothing is lost.`,
      });
    }
    await sleep(pollMs);
  }
}
