import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { place } from "./placement.ts";
import type { HeldResources, PlacementHost, PlacementRequest } from "./placement.ts";

const gigabyte = 1e9;

function card(uuid: string, used = 0, total = 80) {
  return { uuid, memory_total: total * gigabyte, memory_used: used * gigabyte };
}

function request(attempt: string, more: Partial<PlacementRequest> = {}): PlacementRequest {
  return { attempt, cpus: 1, memory: gigabyte, gpus: 0, gpu_memory: null, learnt_gpu_memory: null, ...more };
}

const host: PlacementHost = { cpus: 4, memory_total: 16 * gigabyte, gpus: [card("a"), card("b")] };

describe("placement on one host", () => {
  test("jobs start in their order until a resource is used up [job.slots]", () => {
    const found = place(
      host,
      [],
      ["1", "2", "3"].map((name) => request(name, { cpus: 2 })),
    );
    expect(found.placed.map((one) => one.attempt)).toEqual(["1", "2"]);
    expect(found.waiting).toEqual(["3"]);
  });

  test("each GPU is given to one job [F17]", () => {
    const found = place(
      host,
      [],
      ["1", "2", "3"].map((name) => request(name, { gpus: 1, gpu_memory: gigabyte })),
    );
    expect(found.placed.map((one) => one.gpus)).toEqual([["a"], ["b"]]);
  });

  test("a card that somebody else uses is not free, although nobody holds a lease on it [F17]", () => {
    const busy = { ...host, gpus: [card("a", 79), card("b", 10)] };
    const found = place(busy, [], [request("1", { gpus: 1, gpu_memory: 40 * gigabyte }), request("2", { gpus: 1 })]);
    expect(found.placed).toMatchObject([{ attempt: "1", gpus: ["b"] }]);
    expect(found.waiting).toEqual(["2"]);
  });

  test("1.2 times the asked GPU memory must be free [F17]", () => {
    const used = { ...host, gpus: [card("a", 33)] };
    expect(place(used, [], [request("1", { gpus: 1, gpu_memory: 40 * gigabyte })]).waiting).toEqual(["1"]);
    const less = { ...host, gpus: [card("a", 32)] };
    expect(place(less, [], [request("1", { gpus: 1, gpu_memory: 40 * gigabyte })]).placed).toHaveLength(1);
  });

  test("as much as such jobs were seen to use counts like what they ask for [F17] [memory.learnt]", () => {
    const placed = (used: number, gpu_memory: number | null, learnt: number | null, total = 80) => {
      const cards = { ...host, gpus: [card("a", used, total)] };
      const more = { gpus: 1, gpu_memory, learnt_gpu_memory: learnt };
      return place(cards, [], [request("1", more)]).placed.length === 1;
    };
    const [ten, forty] = [10 * gigabyte, 40 * gigabyte];
    expect(placed(33, ten, forty)).toBe(false);
    expect(placed(32, ten, forty)).toBe(true);
    expect(placed(33, forty, ten)).toBe(false);
    // Nobody said what it needs: without experience only an idle card will do.
    expect(placed(32, null, null)).toBe(false);
    expect(placed(32, null, forty)).toBe(true);
  });

  test("what was learnt never makes a job impossible: it fits the card that it filled, and smaller hosts [memory.learnt]", () => {
    const need = (bytes: number, gpus = 1) => [request("1", { gpus, learnt_gpu_memory: bytes })];
    expect(place(host, [], need(79 * gigabyte)).placed).toHaveLength(1);
    expect(place({ ...host, gpus: [card("a", 8)] }, [], need(79 * gigabyte)).placed).toHaveLength(1);
    expect(place({ ...host, gpus: [card("a", 9)] }, [], need(79 * gigabyte)).waiting).toEqual(["1"]);
    const small = { ...host, gpus: [card("a", 0, 24), card("b", 0, 24)] };
    expect(place(small, [], need(60 * gigabyte)).placed).toMatchObject([{ gpus: ["a"] }]);
    const mixed = { ...host, gpus: [card("a", 0, 24), card("b", 0, 80)] };
    expect(place(mixed, [], need(60 * gigabyte)).placed).toMatchObject([{ gpus: ["b"] }]);
    expect(place(mixed, [], need(60 * gigabyte, 2)).placed).toMatchObject([{ gpus: ["a", "b"] }]);
  });

  test("small jobs do not starve a large one, and other resources are still used [job.slots]", () => {
    const held: HeldResources[] = [{ attempt: "0", cpus: 2, memory: 0, gpus: ["a"] }];
    const found = place(host, held, [
      request("large", { gpus: 2, gpu_memory: gigabyte }),
      request("small", { gpus: 1, gpu_memory: gigabyte }),
      request("other"),
    ]);
    expect(found.placed.map((one) => one.attempt)).toEqual(["other"]);
    expect(found.waiting).toEqual(["large", "small"]);
  });

  test.each([
    [{ cpus: 5 }, "needs 5 CPUs; the host has 4"],
    [{ memory: 17 * gigabyte }, "needs 17 GB of memory; the host has 16 GB"],
    [{ memory: 999_000 * gigabyte }, "needs 999 TB of memory; the host has 16 GB"],
    [{ memory: 16 * gigabyte + 1 }, "needs 16,000,000,001 B of memory; the host has 16,000,000,000 B"],
    [{ gpus: 3 }, "needs 3 GPUs; the host has 2"],
    [
      { gpus: 1, gpu_memory: 70 * gigabyte },
      "needs 1 GPU of 84 GB (1.2 times gpu_memory, 70 GB); the host has 0 of that size",
    ],
  ])("what can never fit is said with its reason: %j", (more, reason) => {
    expect(place(host, [], [request("1", more)]).impossible).toEqual([{ attempt: "1", reason }]);
  });
});

const hosts = fc.record({
  cpus: fc.integer({ min: 1, max: 16 }),
  memory_total: fc.integer({ min: 0, max: 64 }),
  gpus: fc.uniqueArray(
    fc.record({
      uuid: fc.constantFrom("a", "b", "c", "d", "e"),
      memory_total: fc.constant(80),
      memory_used: fc.integer({ min: 0, max: 80 }),
    }),
    { selector: (gpu) => gpu.uuid, maxLength: 5 },
  ),
});
const requests = fc.array(
  fc.record({
    cpus: fc.integer({ min: 0, max: 8 }),
    memory: fc.integer({ min: 0, max: 32 }),
    gpus: fc.integer({ min: 0, max: 3 }),
    gpu_memory: fc.option(fc.integer({ min: 0, max: 80 })),
    learnt_gpu_memory: fc.option(fc.integer({ min: 0, max: 80 })),
  }),
  { maxLength: 30 },
);

test("nothing is ever given twice, and every request has one answer [job.slots] [F17]", () => {
  fc.assert(
    fc.property(hosts, requests, requests, (one, first, second) => {
      const named = (list: typeof first, prefix: string) =>
        list.map((each, index) => ({ ...each, attempt: `${prefix}${index}` }));
      // Leases of a first round are held in the second.
      const before = place(one, [], named(first, "f")).placed;
      const found = place(one, before, named(second, "s"));
      const all = [...before, ...found.placed];
      const gpus = all.flatMap((each) => each.gpus);
      expect(all.reduce((sum, each) => sum + each.cpus, 0)).toBeLessThanOrEqual(one.cpus);
      expect(all.reduce((sum, each) => sum + each.memory, 0)).toBeLessThanOrEqual(one.memory_total);
      expect(new Set(gpus).size).toBe(gpus.length);
      const asked = named(second, "s");
      for (const each of found.placed) {
        const request = asked.find((other) => other.attempt === each.attempt);
        expect(each.gpus).toHaveLength(request?.gpus ?? -1);
        for (const uuid of each.gpus) {
          const gpu = one.gpus.find((other) => other.uuid === uuid);
          expect((gpu?.memory_total ?? 0) - (gpu?.memory_used ?? 0)).toBeGreaterThanOrEqual(
            1.2 * (request?.gpu_memory ?? 0),
          );
        }
      }
      const answered = [
        ...found.placed.map((each) => each.attempt),
        ...found.waiting,
        ...found.impossible.map((each) => each.attempt),
      ];
      expect(answered.toSorted()).toEqual(asked.map((each) => each.attempt).toSorted());
    }),
  );
});

test("the first request that can ever fit an idle host is always placed [job.slots]", () => {
  fc.assert(
    fc.property(hosts, requests, (one, list) => {
      const idle = { ...one, gpus: one.gpus.map((gpu) => ({ ...gpu, memory_used: 0 })) };
      const found = place(
        idle,
        [],
        list.map((each, index) => ({ ...each, attempt: String(index) })),
      );
      expect(found.placed.length > 0 || found.waiting.length === 0).toBe(true);
    }),
  );
});
