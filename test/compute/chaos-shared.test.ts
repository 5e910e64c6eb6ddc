/** Three machines that share a lab and two hosts, while anything that can happen to their daemons happens at random. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../packages/rigor/src/statistics/random.ts";
import { compareWithLog } from "../../packages/rigor/src/store/rebuild.ts";
import { decodeRow } from "../../packages/rigor/src/store/tables.ts";
import { eventually, type TestLab } from "../chaos/lab.ts";
import { killIfThere } from "../chaos/processes.ts";
import { sshMissing } from "../clusters/ssh.ts";
import { CuttableProxy } from "../support/cuttable-proxy.ts";
import { testServerUrl } from "../support/postgres.ts";
import { patience, pidOf, SharedLab } from "./shared-lab.ts";

/** Set `RIGOR_CHAOS_SEED` to repeat the choices; what the machine does meanwhile differs all the same. */
const seed = Number(process.env["RIGOR_CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const random = seededRandom(seed);

const names = ["one", "two", "three"];
const hostNames = ["hostA", "hostB"];
const seedsPerArm = 8;

/** How often each happens. */
const plan = { kill: 5, pause: 3, stop: 3, refuse: 3, silence: 2, drop: 2 } as const;
type Happening = keyof typeof plan;

interface Machine {
  name: string;
  lab: TestLab;
  proxy: CuttableProxy;
  isBusy: boolean;
}

const missing = sshMissing() !== null || testServerUrl() === undefined;

describe.skipIf(missing)("several daemons that share a lab and to which anything may happen", () => {
  let shared: SharedLab;
  const machines: Machine[] = [];
  const story: string[] = [];

  beforeAll(async () => {
    shared = await SharedLab.open(hostNames);
    for (const name of names) {
      const proxy = await CuttableProxy.open(shared.database.url);
      const lab = shared.machine(name, hostNames, proxy.url);
      const compute = [...hostNames, "local"];
      lab.commit({ "experiment.yaml": shared.experiment(name, compute, { seeds: { count: seedsPerArm } }, "1") });
      machines.push({ name, lab, proxy, isBusy: false });
    }
  });
  afterAll(async () => {
    for (const { proxy } of machines) await proxy.close();
    await shared.close();
  });

  test(
    "no run is lost, none is run twice, and the log rebuilds equal [shared.chaos]",
    { timeout: 900_000 },
    async () => {
      process.stdout.write(`RIGOR_CHAOS_SEED=${seed}\n`);
      let isOver = false;
      const followers = machines.map((machine) => follow(machine, () => isOver));
      const happenings = Object.entries(plan)
        .flatMap(([what, count]) => Array.from({ length: count }, () => what as Happening))
        .map((what) => ({ what, order: random() }))
        .toSorted((a, b) => a.order - b.order);
      const work: Promise<void>[] = [];
      for (const { what } of happenings) {
        await sleep(500 + random() * 3_000);
        const free = machines.filter(({ isBusy }) => !isBusy);
        const machine = free[Math.floor(random() * free.length)];
        if (machine !== undefined) work.push(happen(what, machine));
      }
      await Promise.all(work);
      isOver = true;
      await Promise.all(followers);
      process.stdout.write(`${story.join("\n")}\n`);

      const { store, journal } = shared;
      const starts = journal.attempts("start");
      expect(journal.attempts("overlap")).toEqual([]);
      expect(starts).toHaveLength(new Set(starts).size);
      const attempts = (await store.db.selectFrom("attempts").selectAll().execute()).map((row) =>
        decodeRow("attempts", row),
      );
      // Nothing was done to any job, so every attempt succeeds.
      expect(attempts.filter(({ state }) => state !== "succeeded")).toEqual([]);
      expect(attempts.map(({ id }) => id).toSorted()).toEqual(starts.toSorted());
      expect(await shared.runsIn("done")).toBe(names.length * 2 * seedsPerArm);
      const finished = await shared.events("attempt.finished");
      expect(finished).toHaveLength(new Set(finished).size);
      expect(await compareWithLog(store)).toEqual([]);
      const events = await store.eventsAfter(0, 1_000_000);
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    },
  );

  /** Comes back until nothing happens any more and the experiment has ended. */
  async function follow({ lab }: Machine, isOver: () => boolean): Promise<void> {
    for (;;) {
      const { status, stdout, stderr } = await lab.startCli(["run", "experiment.yaml", "--json"]).answer;
      if (status === 0) {
        if (isOver()) return;
      } else if (!/daemon|PostgreSQL/i.test(stdout + stderr))
        throw new Error(`rigor run: ${status}\n${stdout}${stderr}`);
      await sleep(300);
    }
  }

  async function happen(what: Happening, machine: Machine): Promise<void> {
    let pid = 0;
    await eventually("a daemon", () => (pid = pidOf(machine.lab)) > 1);
    story.push(`${new Date().toISOString()} ${what} ${machine.name} ${pid}`);
    machine.isBusy = true;
    switch (what) {
      case "kill":
        killIfThere(pid);
        break;
      case "pause":
      case "stop":
        killIfThere(pid, "SIGSTOP");
        await sleep(what === "pause" ? 2_000 : (patience + 6) * 1_000);
        killIfThere(pid, "SIGCONT");
        break;
      case "refuse":
        machine.proxy.refuse();
        await sleep(random() * 4_000);
        machine.proxy.mend();
        break;
      case "silence":
        machine.proxy.silence();
        await sleep((patience + 6) * 1_000);
        machine.proxy.mend();
        break;
      default:
        await shared.hosts.host(random() < 0.5 ? "hostA" : "hostB").dropConnections();
    }
    machine.isBusy = false;
  }
});
