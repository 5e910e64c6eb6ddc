import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { PbsCluster } from "./pbs.ts";

type Attributes = Record<string, unknown>;

export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`It did not happen: ${what}.`);
    await sleep(50);
  }
}

/** The attributes of `qstat -x -f -F json -t`, by id. */
export async function jobs(cluster: PbsCluster, ...ids: string[]): Promise<Record<string, Attributes>> {
  const { stdout } = await cluster.run("qstat", ["-x", "-f", "-F", "json", "-t", ...ids]);
  return stdout === "" ? {} : (JSON.parse(stdout) as { Jobs: Record<string, Attributes> }).Jobs;
}

/** The attributes of one job; none where the server does not know it. */
export async function job(cluster: PbsCluster, id: string): Promise<Attributes> {
  return (await jobs(cluster, id))[id] ?? {};
}

/** Submits a script, which comes from the command's input, and returns the id. */
export async function submit(cluster: PbsCluster, script: string, ...options: string[]): Promise<string> {
  const answer = await cluster.run("qsub", options, { input: `#!/bin/bash\n${script}\n` });
  expect(answer).toMatchObject({ stderr: "", exit: 0 });
  return answer.stdout.trim();
}

export const untilState = (cluster: PbsCluster, id: string, state: string): Promise<void> =>
  until(async () => (await job(cluster, id))["job_state"] === state, `${id} is in state ${state}`);

export const untilRunning = (cluster: PbsCluster, id: string): Promise<void> =>
  until(async () => (await job(cluster, id))["substate"] === 42, `${id} runs`);
