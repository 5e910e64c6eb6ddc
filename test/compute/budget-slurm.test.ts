import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SlurmCluster, slurmMissing, startSlurm } from "../clusters/slurm.ts";
import { startSshHosts, type SshLab } from "../clusters/ssh.ts";
import { experiment, script, UserLab } from "../e2e/lab.ts";
import type { Shown } from "./runs.testing.ts";

describe.skipIf(slurmMissing() !== null)("a budget of GPU hours on Slurm", () => {
  let cluster: SlurmCluster;
  let hosts: SshLab;
  let lab: UserLab;

  beforeAll(async () => {
    cluster = await startSlurm();
    hosts = await startSshHosts({ login: cluster.loginHost });
    lab = new UserLab().init();
    const via = { ssh: "login", ssh_config: hosts.config };
    lab.commit({
      "rigor.yaml": JSON.stringify({ compute: { cluster: { kind: "slurm", via, calls_per_minute: 600 } } }),
      "run.sh": script,
      "short.yaml": experiment({
        name: "short",
        compute: ["cluster"],
        run: `while [ ! -e ${cluster.scratch}/go ]; do sleep 0.1; done; sh run.sh`,
        resources: { gpus: 2 },
        budget: { gpu_hours: 0.002 },
      }),
    });
  });

  afterAll(async () => {
    await lab.close();
    await hosts.stop();
    await cluster.stop();
  });

  test("that is used up takes back what waits and lets go on what runs; with more of it all goes on [budget.queue] [budget.held]", async () => {
    const held = await lab.rigor("run", "short.yaml");
    expect(held.text).toContain("the budget of 0.002 GPU hours is used up");
    expect(held.text).toContain("rigor release short@1 --gpu-hours");
    expect(held.status).toBe(3);
    // Two nodes have two cards each.
    const queue = async () => (await cluster.client("squeue", "--noheader", "--array", "--format=%T")).trim();
    await expect.poll(queue, { interval: 500 }).toBe("RUNNING\nRUNNING");
    expect((await lab.rigor("list", "short")).stdout.match(/its job was taken back/g)).toHaveLength(4);

    writeFileSync(join(cluster.scratch, "go"), "");
    await expect.poll(async () => (await lab.runs("short")).filter(({ state }) => state === "done")).toHaveLength(2);
    expect((await lab.rigor("release", "short", "--gpu-hours", "10")).status).toBe(0);
    const again = await lab.rigor("run", "short.yaml");
    expect(again.text).toContain("6 done");
    expect(again.status).toBe(0);
    const runs = await lab.runs("short");
    expect(runs.map(({ attempts }) => attempts).toSorted((a, b) => a - b)).toEqual([1, 1, 2, 2, 2, 2]);
    for (const { id, attempts } of runs) {
      const { attempt_list: tries, retries } = await lab.json<Shown & { retries: unknown }>("show", id);
      expect(tries.map(({ state }) => state)).toEqual(attempts === 1 ? ["succeeded"] : ["cancelled", "succeeded"]);
      expect(retries).toEqual({ infrastructure: 0, preemption: 0, code: 0 });
    }
  });
});
