/** Several daemons on one PostgreSQL database. */
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { compareWithLog } from "../../packages/rigor/src/store/rebuild.ts";
import { eventually } from "../chaos/lab.ts";
import { sshMissing } from "../clusters/ssh.ts";
import { CuttableProxy } from "../support/cuttable-proxy.ts";
import { testServerUrl } from "../support/postgres.ts";
import { pidOf, SharedLab, untilStarted } from "./shared-lab.ts";

const missing = sshMissing() !== null || testServerUrl() === undefined;

describe.skipIf(missing)("several daemons that share a lab", () => {
  let shared: SharedLab;
  beforeEach(async () => {
    shared = await SharedLab.open(["hostA"]);
  });
  afterEach(() => shared.close());

  async function expectEachOnce(): Promise<void> {
    const starts = shared.journal.attempts("start");
    expect(shared.journal.attempts("overlap")).toEqual([]);
    expect(starts).toHaveLength(new Set(starts).size);
    expect(await compareWithLog(shared.store)).toEqual([]);
  }

  test("what a killed one drove is taken over: its runs end once, and those that wait are started [shared.one-driver] [shared.take-over]", async () => {
    const first = shared.machine("first", ["hostA"]);
    const second = shared.machine("second", ["hostA"]);
    for (const [lab, name] of [
      [first, "first"],
      [second, "second"],
    ] as const) {
      lab.commit({ "experiment.yaml": shared.experiment(name, ["hostA"], {}, "wait") });
    }
    expect(await first.cli("run", "experiment.yaml", "--detach")).toMatchObject({ status: 0 });
    await untilStarted(shared, 2);
    expect(await shared.driverOf("compute:ssh:hostA")).toBe(pidOf(first));
    expect(await second.cli("run", "experiment.yaml", "--detach")).toMatchObject({ status: 0 });
    // Both are seen from either, and either can steer both.
    for (const lab of [first, second]) {
      const { experiments } = await lab.json<{ experiments: { name: string }[] }>("list");
      expect(experiments.map(({ name }) => name).toSorted()).toEqual(["first", "second"]);
      // What is in use is in use for whoever looks.
      const { computes } = await lab.json<{ computes: { name: string; jobs: number }[] }>("compute", "list");
      expect(computes.find(({ name }) => name === "hostA")).toMatchObject({ jobs: 2 });
    }
    process.kill(pidOf(first), "SIGKILL");
    await eventually(
      "two attempts that were adopted",
      async () => (await shared.events("attempt.adopted")).length === 2,
    );
    expect(await shared.driverOf("compute:ssh:hostA")).toBe(pidOf(second));
    shared.go();
    // All of the first were made ready before it died, or else they wait for it.
    await eventually("the runs of both", async () => (await shared.runsIn("done")) === 12);
    expect(await first.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    expect(await second.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    expect(shared.lookers).toEqual(["first", "second"]);
    await expectEachOnce();
  });

  test("one that was stopped between its decision and the submission starts nothing twice when it goes on [shared.fence] [shared.one-driver]", async () => {
    const first = shared.machine("first", ["hostA"]);
    const second = shared.machine("second", ["hostA"]);
    first.commit({ "experiment.yaml": shared.experiment("first", ["hostA"], { seeds: [1] }, "1") });
    expect(await second.cli("up")).toMatchObject({ status: 0 });
    expect(await first.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    const stopped = pidOf(first);
    const { runs } = await first.json<{ runs: { id: string }[] }>("list", "first");
    await shared.hosts.host("hostA").freeze();
    for (const { id } of runs) expect(await first.cli("rerun", id)).toMatchObject({ status: 0 });
    await eventually("two decisions", async () => (await shared.events("attempt.queued")).length === 4);
    process.kill(stopped, "SIGSTOP");
    await shared.hosts.host("hostA").thaw();
    await eventually("a take-over", async () => (await shared.events("attempt.adopted")).length === 2);
    await untilStarted(shared, 3);
    process.kill(stopped, "SIGCONT");
    await eventually("a successor", () => pidOf(first) !== stopped);
    await eventually("the runs", async () => (await shared.runsIn("done")) === 2);
    expect(await first.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    await expectEachOnce();
    expect(shared.journal.attempts("start")).toHaveLength(4);
  });

  test("one that is cut off from the database begins nothing until it is back, and nothing is lost [shared.fence] [shared.take-over]", async () => {
    const proxy = await CuttableProxy.open(shared.database.url);
    const first = shared.machine("first", ["hostA"], proxy.url);
    const second = shared.machine("second", ["hostA"]);
    try {
      first.commit({ "experiment.yaml": shared.experiment("first", ["hostA", "local"], {}, "2") });
      expect(await second.cli("up")).toMatchObject({ status: 0 });
      expect(await first.cli("run", "experiment.yaml", "--detach")).toMatchObject({ status: 0 });
      await untilStarted(shared, 2);
      // A moment without the database changes nothing.
      const pid = pidOf(first);
      proxy.refuse();
      await sleep(1_500);
      proxy.mend();
      await eventually("an end", async () => (await shared.runsIn("done")) > 0);
      expect(pidOf(first)).toBe(pid);
      expect(await shared.driverOf("compute:ssh:hostA")).toBe(pid);
      // A long one ends what it drives.
      proxy.silence();
      await eventually("a take-over", async () => (await shared.driverOf("compute:ssh:hostA")) === pidOf(second));
      proxy.mend();
      await eventually("a successor", () => pidOf(first) !== pid);
      expect(await first.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
      await expectEachOnce();
    } finally {
      await proxy.close();
    }
  });

  test("runs of an experiment on one machine are given the outputs of another's, and decided where they belong [needs.hosts] [needs.order] [F23]", async () => {
    const first = shared.machine("first", ["hostA"]);
    const second = shared.machine("second", ["hostA"]);
    const chain = { tasks: { only: {} }, seeds: [1, 2] };
    const producer = { ...chain, arms: { pretrain: {} } };
    first.commit({ "experiment.yaml": shared.experiment("producer", ["hostA"], producer, "wait") });
    const consumer = {
      ...chain,
      arms: { probe: { needs: [{ from: "producer/pretrain", as: "pretrain" }], artifacts: [] } },
      run: ["sh", "-c", 'cat "$1/where.txt" && exec sh run.sh "$2" 0', "probe", "{needs.pretrain}", shared.place],
    };
    second.commit({ "experiment.yaml": shared.experiment("consumer", ["hostA"], consumer) });
    expect(await first.cli("run", "experiment.yaml", "--detach")).toMatchObject({ status: 0 });
    await untilStarted(shared, 2);
    expect(await second.cli("run", "experiment.yaml", "--detach")).toMatchObject({ status: 0 });
    for (const lab of [first, second])
      expect((await lab.cli("status")).stdout).toContain("2 waiting for producer@1 (running)");
    const producers = shared.journal.attempts("start");
    shared.go();
    expect(await second.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    const read: string[] = [];
    for (const { id } of (await second.json<{ runs: { id: string }[] }>("list", "consumer")).runs) {
      const { attempt_list } = await second.json<{ attempt_list: { directory: string }[] }>("show", id);
      read.push(readFileSync(join(attempt_list[0]?.directory ?? "", "stdout.log"), "utf8").trim());
    }
    expect(read.toSorted()).toEqual(producers.toSorted());
    await expectEachOnce();
  });
  test("runs that need what lies on a machine that is gone are held and say so, instead of waiting for ever [needs.remedy] [needs.hosts]", async () => {
    const first = shared.machine("first", ["hostA"]);
    const second = shared.machine("second", ["hostA"]);
    const chain = { tasks: { only: {} }, seeds: [1] };
    const producer = { ...chain, arms: { pretrain: {} } };
    first.commit({ "experiment.yaml": shared.experiment("producer", ["local"], producer, "0") });
    const consumer = { ...chain, arms: { probe: { needs: ["producer/pretrain"], artifacts: [] } } };
    second.commit({
      "experiment.yaml": shared.experiment("consumer", ["local"], {
        ...consumer,
        run: ["sh", "-c", 'cat "$RIGOR_NEEDS/producer/pretrain/where.txt" && exec sh run.sh "$1" 0', "-", shared.place],
      }),
    });
    expect(await first.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    expect(await first.cli("down")).toMatchObject({ status: 0 });
    renameSync(first.home, `${first.home}-gone`);
    const answer = await second.cli("run", "experiment.yaml");
    expect(answer.stdout + answer.stderr).toMatch(
      /What run [0-9a-f]{10}, which it needs, left is in the data directory of another machine/,
    );
    expect(answer.status).toBe(3);
    renameSync(`${first.home}-gone`, first.home);
    expect(await second.cli("release", "consumer")).toMatchObject({ status: 0 });
    expect(await second.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    await expectEachOnce();
  });
});
