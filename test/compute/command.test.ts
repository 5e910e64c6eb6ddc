import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { runsWithArgument } from "../../packages/rigor/src/hosts/processes.ts";
import { CommandScheduler } from "../../packages/rigor/src/compute/schedulers/command.ts";
import { LocalShell } from "../../packages/rigor/src/hosts/local-shell.ts";
import { SshShell } from "../../packages/rigor/src/hosts/ssh-shell.ts";
import { type GridEngineCluster, gridEngineMissing, startGridEngine } from "../clusters/gridengine.ts";
import { type JobService, startJobService } from "../clusters/job-service.ts";
import { type SshLab, sshMissing, startSshHosts } from "../clusters/ssh.ts";
import { CommandBench, type CommandPlace, documented, examples } from "./command.testing.ts";
import { type Reports, type Submitted, writeAttempt, written } from "./scheduler.testing.ts";

const loop = "while [ ! -e end ]; do sleep 0.1; done";

const causesOf = (reports: Reports): (string | undefined)[] =>
  reports.map((report) => (report?.state === "ended" ? report.cause : report?.state));

test("every kind of compute has an example that can be read", () => {
  expect(Object.values(examples()).map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(["local", "ssh", "slurm", "pbs", "command"]),
  );
});

describe("a container job service that is described by commands", () => {
  let service: JobService;
  let place: CommandPlace;
  let bench: CommandBench;
  const settings = documented("containers");
  beforeAll(() => {
    service = startJobService();
    place = { scratch: service.scratch, programs: ["jobctl"], path: `${service.bin}:/usr/bin:/bin` };
    bench = new CommandBench(place, new LocalShell(), settings);
  });
  afterEach(() => {
    for (const set of [service.setFull, service.setDown, service.setCut, service.setMute]) set(false);
  });
  afterAll(() => service.stop());

  test("jobs wait, run, succeed and fail, with nothing of the login's environment [compute.command-kind] [compute.clean-login] [F22]", async () => {
    service.setFull(true);
    const good = await bench.submit(`pwd; env >environment; ${loop}`);
    const bad = await bench.submit("exit 3");
    expect(good.id).toMatch(/^job-\w{8}$/);
    expect(causesOf([...(await bench.report(good)), ...(await bench.report(bad))])).toEqual(["waiting", "waiting"]);
    expect((await bench.report(good))[0]).toEqual({
      state: "waiting",
      reason: "QUEUED",
      held: false,
    });
    service.setFull(false);
    await bench.untilAll(good, "running");
    const [failed] = await bench.untilAll(bad, "ended");
    expect(failed).toMatchObject({ cause: "finished", evidence: expect.stringContaining("says FAILED") });
    writeFileSync(join(good.directory, "end"), "");
    const [ended] = await bench.untilAll(good, "ended");
    expect(ended).toMatchObject({ cause: "finished", evidence: expect.stringContaining("says SUCCEEDED") });
    expect(written(good, "job.log")).toBe(`${good.directory}\n`);
    expect(written(good, "environment")).not.toMatch(/LEAKED|BASH_ENV|RIGOR_/);
  });

  test("many jobs are looked at with one command [F15] [compute.constant-calls]", async () => {
    const batches = await Promise.all(Array.from({ length: 12 }, () => bench.submit("true")));
    bench.login.calls.length = 0;
    expect((await bench.scheduler.report(batches)).size).toBe(12);
    expect(bench.login.calls).toEqual(["jobctl"]);
    await Promise.all(batches.map((batch) => bench.untilAll(batch, "ended")));
  });

  test("cancels what waits and runs, leaves ended jobs and others alone [job.cancel]", async () => {
    const [ended, running, other] = await Promise.all(["true", loop, loop].map((script) => bench.submit(script)));
    if (ended === undefined || running === undefined || other === undefined) throw new Error("not submitted");
    await bench.untilAll(ended, "ended");
    await bench.untilAll(running, "running");
    await bench.untilAll(other, "running");
    const members = [ended, running].map(({ name, id }) => ({ member: { batch: name, index: 0 }, id }));
    bench.login.calls.length = 0;
    await bench.scheduler.cancel([...members, { member: { batch: "rigor-unknown", index: 0 }, id: null }]);
    expect(bench.login.calls).toHaveLength(2);
    expect(await bench.ends(running)).toEqual(["cancelled"]);
    expect(causesOf(await bench.report(other))).toEqual(["running"]);
    await bench.scheduler.cancel(members);
    await bench.cancel(other, [0]);
    expect(await bench.ends(other)).toEqual(["cancelled"]);
  });

  test("a job whose id was never learnt is found by what the host noted [F10]", async () => {
    const batch = bench.batch(loop);
    const unlearnt = { ...batch, id: null };
    expect(await bench.report(unlearnt)).toEqual([undefined]);
    await bench.scheduler.submit(batch);
    const afterCrash = new CommandBench(place, new LocalShell(), settings);
    await afterCrash.untilAll(unlearnt, "running");
    await new CommandBench(place, new LocalShell(), settings).cancel(unlearnt, [0]);
    expect(await afterCrash.ends(unlearnt)).toEqual(["cancelled"]);
  });

  test("a submission that was cut off before anybody learnt the id is found by the note [F10]", async () => {
    service.setCut(true);
    const batch = bench.batch(loop);
    await expect(bench.scheduler.submit(batch)).rejects.toMatchObject({ code: "scheduler" });
    service.setCut(false);
    await bench.untilAll({ ...batch, id: null }, "running");
    await bench.cancel({ ...batch, id: null }, [0]);
    expect(await bench.ends({ ...batch, id: null })).toEqual(["cancelled"]);
  });

  test("a submission of which nobody can learn the id is as if it had never been, and may be repeated [F10] [F11]", async () => {
    service.setMute(true);
    const batch = bench.batch("(set -C && : >claim) 2>/dev/null && echo run >>runs");
    await expect(bench.scheduler.submit(batch)).rejects.toMatchObject({ code: "scheduler" });
    service.setMute(false);
    expect(await bench.report({ ...batch, id: null })).toEqual([undefined]);
    const again = { ...batch, id: await bench.scheduler.submit(batch) };
    expect(await bench.ends(again)).toEqual(["finished"]);
    await expect.poll(() => written(batch, "runs")).toBe("run\n");
  });

  test("nothing is concluded from a word that is not described, and it is named [F11] [compute.command-kind]", async () => {
    const batch = await bench.submit(loop);
    await bench.untilAll(batch, "running");
    service.setState(batch.id ?? "", "DRAINING");
    expect(await bench.report(batch)).toEqual([
      { state: "waiting", reason: expect.stringContaining('says "DRAINING" of job'), held: false },
    ]);
    service.setState(batch.id ?? "", "constructor");
    expect(await bench.report(batch)).toMatchObject([{ state: "waiting" }]);
    service.setState(batch.id ?? "", "RUNNING");
    await bench.cancel(batch, [0]);
  });

  test("without the service nothing is concluded, also behind a pipe, and its words are shown [F11] [compute.own-words]", async () => {
    const batch = await bench.submit(loop);
    await bench.untilAll(batch, "running");
    service.setDown(true);
    const answers = await Promise.allSettled([bench.report(batch), bench.cancel(batch, [0]), bench.submit("true")]);
    service.setDown(false);
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: "rejected", reason: { code: "scheduler" } });
      expect(String((answer as PromiseRejectedResult).reason)).toContain("jobctl: the service is not available (503)");
    }
    await bench.untilAll(batch, "running");
    await bench.cancel(batch, [0]);
  });

  test("what the service refuses is told in its words, and is not submitted [compute.own-words]", async () => {
    const batch = bench.batch("true", 1, { cpus: 5 });
    await expect(bench.scheduler.submit(batch)).rejects.toThrow(
      "The command `submit` failed on login: jobctl: no machine has 5 CPUs",
    );
    await expect(bench.scheduler.submit(batch)).rejects.toMatchObject({
      next: expect.stringContaining("no other variables of a login than the usual ones"),
    });
    expect(await bench.report({ ...batch, id: null })).toEqual([undefined]);
    await expect(bench.submit("true", 2)).rejects.toThrow("has no arrays");
  });

  test("a program that is not on PATH is told, and where PATH comes from [compute.own-words]", async () => {
    const away = new CommandBench({ ...place, path: "/usr/bin:/bin" }, new LocalShell(), settings);
    await expect(away.submit("true")).rejects.toMatchObject({
      message: expect.stringMatching(/^The command `submit` failed on login: .*jobctl: .*not found\.$/),
      next: expect.stringMatching(
        /whole path of its program in `submit`.*PATH where a login without a terminal reads it/,
      ),
    });
  });

  test("commands and patterns with mistakes are told before anything is submitted", async () => {
    const wrong = new CommandBench(place, new LocalShell(), { ...settings, status: "jobctl list | while" });
    expect(await wrong.scheduler.probe()).toMatchObject({
      array_limit: 1,
      problems: expect.arrayContaining([expect.stringMatching(/^status: .*syntax error/)]),
    });
    expect((await bench.scheduler.probe()).problems).toEqual([]);
    expect(() => new CommandScheduler(new LocalShell(), { ...settings, id: "(" })).toThrow("no regular expression");
    const none = new CommandBench(place, new LocalShell(), { ...settings, id: "ID=(.*)" });
    await expect(none.submit("true")).rejects.toThrow(/printed no id: .*Job rigor-/);
  });

  test("a directory that is gone is told by the host, and nothing is submitted", async () => {
    const batch = bench.batch("true");
    rmSync(batch.directory, { recursive: true });
    const before = readdirSync(join(service.scratch, "../jobs")).length;
    await expect(bench.scheduler.submit(batch)).rejects.toMatchObject({ code: "scheduler" });
    expect(readdirSync(join(service.scratch, "../jobs"))).toHaveLength(before);
  });
});

describe.skipIf(gridEngineMissing() !== null || sshMissing() !== null)(
  "a real Grid Engine that is described by commands",
  () => {
    let cluster: GridEngineCluster;
    let place: CommandPlace;
    let bench: CommandBench;
    let lab: SshLab;
    let settings: ReturnType<typeof documented>;
    beforeAll(async () => {
      cluster = await startGridEngine();
      settings = documented("gridengine", { "/opt/sge/default/common/settings.sh": cluster.settings });
      place = { scratch: cluster.scratch, programs: ["qsub", "qstat", "qdel"] };
      bench = new CommandBench(place, new LocalShell(), settings);
      lab = await startSshHosts({ [hostname()]: { ...cluster.loginHost, noise: "Welcome!\n17 r" } });
    });
    afterAll(async () => {
      await lab.stop();
      await cluster.stop();
    });

    test("jobs run where they were told to, in what Grid Engine ends, and are forgotten when they have ended [compute.command-kind] [F16]", async () => {
      const batch = await bench.submit(`pwd; env >environment; ${loop}`, 1, { cpus: 2, gpus: 1 });
      expect(batch.id).toMatch(/^\d+$/);
      await bench.untilAll(batch, "running");
      await expect.poll(() => existsSync(join(batch.directory, "environment"))).toBe(true);
      expect(await cluster.client("qstat", "-j", batch.id ?? "")).toMatch(
        /h_rt=600,mem_free=50\.000M[^]*gpu=1|gpu=1[^]*h_rt=600/,
      );
      writeFileSync(join(batch.directory, "end"), "");
      await bench.until(batch, ([report]) => report === undefined);
      expect(written(batch, "job.log")).toBe(`${batch.directory}\n`);
      expect(written(batch, "environment")).toMatch(new RegExp(`^JOB_ID=${batch.id}$`, "m"));
      expect(written(batch, "environment")).toMatch(/^NSLOTS=2$/m);
      expect(written(batch, "environment")).not.toMatch(/LEAKED|BASH_ENV/);
    });

    test("a job that is cancelled is ended with all that it runs [job.cancel]", async () => {
      const mark = `9${process.pid}.75`;
      const batch = bench.batch("exec /bin/sh attempt/job.sh");
      const attempt = writeAttempt(batch, `sleep ${mark} & wait`);
      const submitted = { ...batch, id: await bench.scheduler.submit(batch) };
      const lives = () => runsWithArgument(mark);
      await expect.poll(() => existsSync(join(attempt, "heartbeat")) && lives()).toBe(true);
      await bench.cancel(submitted, [0]);
      await expect.poll(lives).toBe(false);
      await bench.until(submitted, ([report]) => report === undefined);
    });

    test("jobs wait for GPUs and are held by people, and all of them cost one call for each look [F15] [compute.constant-calls]", async () => {
      const batches: Submitted[] = [];
      for (let count = 0; count < 4; count += 1) batches.push(await bench.submit(loop, 1, { gpus: 1 }));
      for (const batch of batches.slice(0, 2)) await bench.untilAll(batch, "running");
      bench.login.calls.length = 0;
      const reports = await bench.scheduler.report(batches);
      expect(bench.login.calls).toEqual(["qstat"]);
      expect(causesOf([...reports.values()])).toEqual(["running", "running", "waiting", "waiting"]);
      await cluster.client("qhold", batches[3]?.id ?? "");
      expect([...(await bench.scheduler.report(batches)).values()][3]).toEqual({
        state: "waiting",
        reason: "hqw",
        held: true,
      });
      const members = batches.map(({ name, id }) => ({ member: { batch: name, index: 0 }, id }));
      bench.login.calls.length = 0;
      await bench.scheduler.cancel(members);
      expect(bench.login.calls).toEqual(["qstat", "qdel"]);
      await expect.poll(async () => (await bench.scheduler.report(batches)).size).toBe(0);
      await bench.scheduler.cancel(members);
    });

    test("through ssh, a job whose id was never learnt is found and ended, whatever the login prints [F10]", async () => {
      const shell = new SshShell({ host: hostname(), config: lab.config });
      try {
        const remote = new CommandBench(place, shell, settings);
        const batch = remote.batch(loop);
        await remote.scheduler.submit(batch);
        const afterCrash = new CommandBench(place, shell, settings);
        await afterCrash.untilAll({ ...batch, id: null }, "running");
        await afterCrash.cancel({ ...batch, id: null }, [0]);
        const seen = await afterCrash.until({ ...batch, id: null }, ([report]) => report === undefined);
        expect(seen.at(-1)).toEqual([undefined]);
      } finally {
        await shell.close();
      }
    });

    test("what Grid Engine refuses, and that it does not answer, is told in its words [F11] [compute.own-words]", async () => {
      const nowhere = new CommandBench(place, new LocalShell(), {
        ...settings,
        submit: settings.submit.replace("-pe smp", "-pe nowhere"),
      });
      await expect(nowhere.submit("true")).rejects.toThrow(/parallel environment "nowhere" does not exist/);
      const batch = await bench.submit(loop);
      await bench.untilAll(batch, "running");
      await cluster.endMaster();
      const answers = await Promise.allSettled([bench.report(batch), bench.cancel(batch, [0]), bench.submit("true")]);
      for (const answer of answers) {
        expect(answer).toMatchObject({ status: "rejected", reason: { code: "scheduler" } });
        expect(String((answer as PromiseRejectedResult).reason)).toMatch(
          /unable to (?:contact|send message to) qmaster/,
        );
      }
      await cluster.startMaster();
      await bench.untilAll(batch, "running");
      await bench.cancel(batch, [0]);
      await bench.until(batch, ([report]) => report === undefined);
    });
  },
);
