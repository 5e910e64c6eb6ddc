import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { HostCapacity } from "../../compute/placement/resources.ts";
import { definition } from "../../domain/events/events.testing.ts";
import { computeSchema } from "../../domain/files/compute-schema.ts";
import { computeId, machineOf } from "../../domain/rules/compute-rules.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { scratchDirectory } from "../../provenance/scratch-repository.testing.ts";
import { chooseRuns, limitedHost, type Holding, type Option, type WaitingRuns } from "./choice.ts";
import { findCompute, readSettings } from "../lab/settings.ts";

const gigabyte = 1e9;

function machine(cpus: number, gpus = 0): HostCapacity {
  return {
    host: "h",
    cpus,
    memory_total: 64 * gigabyte,
    memory_free: 64 * gigabyte,
    gpus: Array.from({ length: gpus }, (_, index) => ({
      index,
      uuid: `GPU-${index}`,
      name: "card",
      memory_total: 40 * gigabyte,
      memory_used: 0,
    })),
    disk_free: 1e12,
    inodes_free: 1e6,
    write_failure: null,
  };
}

/** A repository whose `rigor.yaml` says what is given; none without. */
function repository(compute?: Record<string, unknown>): string {
  const directory = scratchDirectory();
  if (compute !== undefined) {
    writeFileSync(join(directory, "rigor.yaml"), JSON.stringify({ compute: { local: { kind: "local", ...compute } } }));
  }
  return directory;
}

interface Wish {
  id: string;
  runs: number | string[];
  repository: string;
  active?: number;
  cpus?: number;
  gpus?: number;
  time?: number | null;
}

type Held = Omit<Holding, "machine" | "compute_id">;
type Waiting = Omit<WaitingRuns, "options" | "complete">;

function waitingRuns({ id, runs, repository: at, active = 0, cpus = 1, gpus = 0, time = null }: Wish): Waiting {
  const resources = { cpus, gpus, gpu_memory: null, memory: null, time };
  const record = { id, created_at: id, source: { repository: at }, definition: { ...definition, resources } };
  const runIds = typeof runs === "number" ? Array.from({ length: runs }, (_, index) => `${id}-${index}`) : runs;
  return { experiment: record as ExperimentRecord, runIds, learnt: new Map(), active };
}

/** Runs that this machine alone may start, as the `rigor.yaml` of each repository allows. */
function choose(capacity: HostCapacity, held: readonly Held[], waiting: readonly Waiting[]) {
  const here = { machine: "local", compute_id: "local" };
  return chooseRuns(
    held.map((one) => ({ ...one, ...here })),
    waiting.map((one) => {
      const configuration = findCompute(readSettings(one.experiment.source.repository), "local");
      const option = { name: "local", configuration, id: "local", machine: "local", capacity };
      return { ...one, options: [option], complete: true };
    }),
  );
}

const ofEach = (chosen: readonly { experiment: { id: string } }[], id: string): number =>
  chosen.filter((one) => one.experiment.id === id).length;

describe("runs that start now", () => {
  test("are shared fairly: no experiment gets two more than another that still waits [compute.fair]", () => {
    const at = repository();
    const wish = fc.record({ runs: fc.nat({ max: 20 }), active: fc.nat({ max: 5 }) });
    fc.assert(
      fc.property(fc.array(wish, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 30 }), (wishes, cpus) => {
        const waiting = wishes.map((one, index) => waitingRuns({ ...one, id: `e${index}`, repository: at }));
        const { chosen } = choose(machine(cpus), [], waiting);
        const all = wishes.reduce((sum, one) => sum + one.runs, 0);
        expect(chosen).toHaveLength(Math.min(cpus, all));
        const after = waiting.map(({ experiment, active, runIds }) => {
          const got = ofEach(chosen, experiment.id);
          return { got, total: active + got, waits: got < runIds.length };
        });
        for (const hungry of after.filter((one) => one.waits)) {
          for (const other of after) if (other.got > 0) expect(other.total).toBeLessThanOrEqual(hungry.total + 1);
        }
      }),
    );
  });

  test("are shared fairly between repositories with limits of their own too [compute.fair]", () => {
    const free = repository();
    const limited = repository({ cpus: 7 });
    const waiting = [
      waitingRuns({ id: "e1", runs: 64, repository: free }),
      waitingRuns({ id: "e2", runs: 64, repository: limited }),
    ];
    const { chosen } = choose(machine(8), [], waiting);
    expect(ofEach(chosen, "e1")).toBe(4);
    expect(ofEach(chosen, "e2")).toBe(4);
  });

  test("stay inside what rigor.yaml allows their repository, whatever others hold", () => {
    const free = repository();
    const limited = repository({ cpus: 2 });
    const waiting = [waitingRuns({ id: "e2", runs: 9, repository: limited })];
    const others: Held[] = Array.from({ length: 5 }, (_, index) => {
      return { attempt: `x${index}`, cpus: 1, memory: 0, gpus: [], repository: free };
    });
    expect(choose(machine(8), others, waiting).chosen).toHaveLength(2);
    const own = others.map((one, index) => ({ ...one, repository: index === 0 ? limited : free }));
    expect(choose(machine(8), own, waiting).chosen).toHaveLength(1);
    expect(choose(machine(5), others, waiting).chosen).toHaveLength(0);
  });

  test("never exceed the machine, nor share a card [job.slots] [F17]", () => {
    const at = repository();
    const wish = fc.record({
      runs: fc.nat({ max: 8 }),
      cpus: fc.integer({ min: 1, max: 4 }),
      gpus: fc.nat({ max: 2 }),
    });
    fc.assert(
      fc.property(
        fc.array(wish, { maxLength: 5 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat({ max: 4 }),
        (wishes, cpus, gpus) => {
          const waiting = wishes.map((one, index) => waitingRuns({ ...one, id: `e${index}`, repository: at }));
          const held: Held[] = [{ attempt: "x", cpus: 1, memory: 0, gpus: gpus > 0 ? ["GPU-0"] : [], repository: at }];
          const { chosen, impossible } = choose(machine(cpus, gpus), held, waiting);
          const leases = [...held, ...chosen.map((one) => one.lease)];
          expect(leases.reduce((sum, one) => sum + one.cpus, 0)).toBeLessThanOrEqual(Math.max(cpus, 1));
          const cards = leases.flatMap((one) => one.gpus);
          expect(new Set(cards).size).toBe(cards.length);
          for (const { experiment, lease } of chosen)
            expect(lease.gpus).toHaveLength(experiment.definition.resources.gpus);
          for (const { experiment } of impossible) {
            const { resources } = experiment.definition;
            expect(resources.cpus > cpus || resources.gpus > gpus).toBe(true);
          }
        },
      ),
    );
  });

  test("that do not fit now are not starved by smaller ones of whatever repository [compute.fair]", () => {
    const [one, two] = [repository(), repository()];
    const waiting = [
      waitingRuns({ id: "large", runs: 1, cpus: 4, repository: one, time: 1 }),
      waitingRuns({ id: "small", runs: 9, repository: two, active: 3 }),
    ];
    const held: Held[] = [{ attempt: "x", cpus: 3, memory: 0, gpus: [], repository: two }];
    expect(choose(machine(4), held, waiting).chosen).toEqual([]);
    expect(choose(machine(4), [], waiting).chosen.map((each) => each.runId)).toEqual(["large-0"]);
  });

  test("that two experiments ask for start once [identity.shared] [F10]", () => {
    const at = repository();
    const waiting = [
      waitingRuns({ id: "e1", runs: ["shared", "own-1"], repository: at }),
      waitingRuns({ id: "e2", runs: ["shared", "own-2"], repository: at }),
    ];
    const { chosen } = choose(machine(8), [], waiting);
    expect(chosen.map((one) => one.runId).toSorted()).toEqual(["own-1", "own-2", "shared"]);
  });

  test("that can never start are told once for each experiment, and others go on", () => {
    const at = repository();
    const waiting = [
      waitingRuns({ id: "e1", runs: 3, cpus: 99, repository: at }),
      waitingRuns({ id: "e2", runs: 2, repository: at }),
    ];
    const { chosen, impossible } = choose(machine(4), [], waiting);
    expect(impossible.map(({ experiment, reason }) => [experiment.id, reason])).toEqual([
      ["e1", "needs 99 CPUs; the host has 4"],
    ]);
    expect(ofEach(chosen, "e2")).toBe(2);
  });
});

describe("runs with several computes", () => {
  function option(name: string, configuration: Record<string, unknown>, capacity: HostCapacity | null): Option {
    const parsed = computeSchema.parse(configuration);
    return { name, configuration: parsed, id: computeId(parsed), machine: machineOf(parsed), capacity };
  }

  const lab1 = option("lab1", { kind: "ssh", host: "lab1" }, machine(2));
  const cluster = option("cluster", { kind: "slurm", max_jobs: 3 }, null);

  test("start on the first that has room, in the order of the experiment [compute.placement]", () => {
    const at = repository();
    const waiting = { ...waitingRuns({ id: "e", runs: 9, repository: at }), options: [lab1, cluster], complete: true };
    const { chosen } = chooseRuns([], [waiting]);
    expect(chosen.map((one) => one.option.name)).toEqual(["lab1", "lab1", "cluster", "cluster", "cluster"]);
  });

  test("start where they were tried last, if there is room: their checkpoints are there [job.resume-elsewhere]", () => {
    const waits = waitingRuns({ id: "e", runs: 2, repository: repository() });
    const [again = "", first = ""] = waits.runIds;
    const waiting = (tried: string) => ({
      ...waits,
      tried: new Map([[again, tried]]),
      options: [lab1, cluster],
      complete: true,
    });
    const places = ({ chosen }: ReturnType<typeof chooseRuns>) => chosen.map((one) => [one.runId, one.option.name]);
    expect(places(chooseRuns([], [waiting(cluster.id)]))).toEqual([
      [again, "cluster"],
      [first, "lab1"],
    ]);
    expect(places(chooseRuns([], [waiting("one that is drained")]))[0]).toEqual([again, "lab1"]);
  });

  test("never exceed max_jobs of a cluster, and need no card of Rigor's there [compute.placement]", () => {
    const at = repository();
    const own = { attempt: "x", cpus: 8, memory: 0, gpus: [], repository: at };
    const held = [{ ...own, machine: cluster.machine, compute_id: cluster.id }];
    const waiting = {
      ...waitingRuns({ id: "e", runs: 9, gpus: 2, repository: at }),
      options: [cluster],
      complete: true,
    };
    const { chosen } = chooseRuns(held, [waiting]);
    expect(chosen.map(({ lease }) => lease.gpus)).toEqual([[], []]);
  });

  test("one machine under two names is not used twice [F17] [compute.placement]", () => {
    const at = repository();
    const other = option("same", { kind: "ssh", host: "lab1", workdir: "/scratch" }, machine(2));
    const alias = option("alias", { kind: "ssh", host: "lab1.site" }, machine(2, 1));
    const first = waitingRuns({ id: "e1", runs: 2, repository: at });
    const second = waitingRuns({ id: "e2", runs: 2, repository: at });
    const cores = chooseRuns(
      [],
      [
        { ...first, options: [lab1], complete: true },
        { ...second, options: [other], complete: true },
      ],
    );
    expect(cores.chosen).toHaveLength(2);
    const card = { attempt: "x", cpus: 1, memory: 0, gpus: ["GPU-0"], repository: at };
    const waiting = { ...waitingRuns({ id: "e", runs: 1, gpus: 1, repository: at }), options: [alias], complete: true };
    expect(chooseRuns([{ ...card, machine: "ssh:lab1", compute_id: "x" }], [waiting]).chosen).toEqual([]);
  });

  test("are not given up while one of their computes is not known", () => {
    const at = repository();
    const large = waitingRuns({ id: "e", runs: 1, cpus: 99, repository: at });
    expect(chooseRuns([], [{ ...large, options: [lab1], complete: false }]).impossible).toEqual([]);
    expect(chooseRuns([], [{ ...large, options: [lab1], complete: true }]).impossible).toHaveLength(1);
  });
});

test("the machine is bounded by the repository's rigor.yaml, read anew when it changes", () => {
  const at = repository({ cpus: 2, memory: "8GB", gpus: [1, 3] });
  const local = () => findCompute(readSettings(at), "local");
  const host = limitedHost(machine(16, 4), local());
  expect(host).toMatchObject({ cpus: 2, memory_total: 8 * gigabyte });
  expect(host.gpus.map((gpu) => gpu.uuid)).toEqual(["GPU-1", "GPU-3"]);
  writeFileSync(join(at, "rigor.yaml"), "compute: { local: { kind: local, gpus: 1, cpus: 12345 } }\n");
  expect(limitedHost(machine(16, 4), local())).toMatchObject({ cpus: 12_345, gpus: [{ uuid: "GPU-0" }] });
});
