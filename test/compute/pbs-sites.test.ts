import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LocalShell } from "../../packages/rigor/src/hosts/local-shell.ts";
import { SshShell } from "../../packages/rigor/src/hosts/ssh-shell.ts";
import { type PbsCluster, type PbsSettings, startPbs } from "../clusters/pbs.ts";
import { type SshLab, sshMissing, startSshHosts } from "../clusters/ssh.ts";
import { PbsBench } from "./pbs.testing.ts";
import { isRunning } from "./scheduler.testing.ts";

async function withCluster(settings: PbsSettings, use: (cluster: PbsCluster) => Promise<void>): Promise<void> {
  const cluster = await startPbs(settings);
  try {
    await use(cluster);
  } finally {
    await cluster.stop();
  }
}

describe("other sites of PBS", () => {
  test("without a history jobs are followed while they are alive, and absent afterwards [F16]", () =>
    withCluster({ history: false }, async (cluster) => {
      const bench = new PbsBench(cluster, new LocalShell());
      const batch = await bench.submit("while [ ! -e end ]; do sleep 0.1; done");
      await bench.untilAll(batch, "running");
      const afterCrash = new PbsBench(cluster, new LocalShell());
      await afterCrash.untilAll({ ...batch, id: null }, "running");
      bench.login.calls.length = 0;
      expect(await bench.report(batch)).toMatchObject([{ state: "running" }]);
      expect(bench.login.calls).toEqual(["qstat"]);
      writeFileSync(join(batch.directory, "end"), "");
      await bench.until(batch, ([report]) => report === undefined);
      expect(await afterCrash.report({ ...batch, id: null })).toEqual([undefined]);
    }));

  test("where a deleted job shows its signal, it is cancelled all the same [F13]", () =>
    withCluster({ deleted_status: "signal" }, async (cluster) => {
      const bench = new PbsBench(cluster, new LocalShell());
      const batch = await bench.submit("sleep 1000", 2);
      await bench.untilAll(batch, "running");
      await bench.cancel(batch, [0, 1]);
      expect(await bench.ends(batch)).toEqual(["cancelled", "cancelled"]);
    }));

  test("the limits of the site are known, and refusals have its own words and submit nothing [compute.own-words]", () =>
    withCluster(
      {
        queues: [
          { name: "short", max_walltime: 60, max_array_size: 3 },
          { name: "closed", enabled: false },
        ],
      },
      async (cluster) => {
        const bench = new PbsBench(cluster, new LocalShell());
        expect(await bench.scheduler.probe()).toEqual({ version: "PBS 23.06.06", array_limit: 3, problems: [] });
        const refused = async (use: PbsBench, size: number, time: number, words: string) => {
          const batch = use.batch("true", size, { time });
          await expect(use.scheduler.submit(batch)).rejects.toMatchObject({
            code: "scheduler",
            message: `qsub on login failed: ${words}`,
          });
          expect(await use.scheduler.report([{ ...batch, id: null }])).toEqual(new Map());
        };
        await refused(bench, 4, 60, "Array job exceeds server or queue size limit");
        await refused(bench, 1, 61, "Job violates queue and/or server resource limits");
        const nowhere = new PbsBench(cluster, new LocalShell(), { queue: "no such; queue" });
        await refused(nowhere, 1, 60, "Unknown queue");
        expect((await nowhere.scheduler.probe()).problems).toEqual([expect.stringContaining("Unknown queue")]);
        const closed = new PbsBench(cluster, new LocalShell(), { queue: "closed", array: false });
        await refused(closed, 1, 60, "Queue is not enabled");
        expect(await closed.scheduler.probe()).toMatchObject({
          array_limit: 1,
          problems: [expect.stringContaining("Queue is not enabled")],
        });
        const batch = await bench.submit("true", 3, { time: 60 });
        expect(await bench.ends(batch)).toEqual(["finished", "finished", "finished"]);
      },
    ));
});

describe.skipIf(sshMissing() !== null)("PBS through ssh", () => {
  let cluster: PbsCluster;
  let lab: SshLab;
  let shell: SshShell;
  beforeAll(async () => {
    cluster = await startPbs();
    lab = await startSshHosts({ login: { shared: [cluster.directory], noise: "Welcome!\n1.pbs1" } });
    shell = new SshShell({ host: "login", config: lab.config });
  });
  afterAll(async () => {
    await shell.close();
    await lab.stop();
    await cluster.stop();
  });

  test("arrays run, are found by name and are cancelled, whatever the login prints [F10] [F14]", async () => {
    const bench = new PbsBench(cluster, shell);
    expect(await bench.scheduler.probe()).toMatchObject({ array_limit: 10_000, problems: [] });
    const batch = await bench.submit("exit $((PBS_ARRAY_INDEX * 2))", 3);
    const reports = await bench.untilAll(batch, "ended");
    expect(reports.map((report) => report?.state === "ended" && /exit status (\d)/.exec(report.evidence)?.[1])).toEqual(
      ["0", "2", "4"],
    );
    const other = await bench.submit("sleep 1000", 2);
    const unlearnt = { ...other, id: null };
    await bench.untilAll(unlearnt, "running");
    await bench.cancel(unlearnt, [1]);
    await bench.until(unlearnt, ([first, second]) => isRunning(first) && second?.state === "ended");
    await bench.cancel(unlearnt, [0]);
    expect(await bench.ends(unlearnt)).toEqual(["cancelled", "cancelled"]);
  });
});
