import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { cgroupLimits, parseGpus, probeHost } from "./resources.ts";

const mebibyte = 1024 * 1024;

describe("GPUs as nvidia-smi lists them", () => {
  test("are read with their memory in bytes [F17]", () => {
    const recorded = [
      "0, GPU-5d1f0c3a-9a2e-1c1b-6f3e-0a1b2c3d4e5f, NVIDIA H100 80GB HBM3, 81559, 0",
      "1, GPU-7e1f0c3a-9a2e-1c1b-6f3e-0a1b2c3d4e5f, NVIDIA H100 80GB HBM3, 81559, 79012",
      "",
    ].join("\n");
    expect(parseGpus(recorded)).toEqual([
      {
        index: 0,
        uuid: "GPU-5d1f0c3a-9a2e-1c1b-6f3e-0a1b2c3d4e5f",
        name: "NVIDIA H100 80GB HBM3",
        memory_total: 81559 * mebibyte,
        memory_used: 0,
      },
      expect.objectContaining({ index: 1, memory_used: 79012 * mebibyte }),
    ]);
  });

  test("that are lost or do not tell their memory are left out, and a name may have commas", () => {
    expect(parseGpus("0, GPU-a, A, with comma, 100, 5\n1, GPU-b, B, [N/A], [N/A]\n2, GPU-c, C, , \n")).toEqual([
      { index: 0, uuid: "GPU-a", name: "A, with comma", memory_total: 100 * mebibyte, memory_used: 5 * mebibyte },
    ]);
    expect(parseGpus("No devices were found\n")).toEqual([]);
    expect(parseGpus("Unable to determine the device handle for GPU 0000:01:00.0: Unknown Error\n")).toEqual([]);
  });
});

describe("limits of control groups", () => {
  function limits(membership: string, files: Record<string, string>) {
    return cgroupLimits(membership, (path) => files[path] ?? null);
  }

  test("version 2: the tightest on the way to the root counts [job.slots]", () => {
    const files = {
      "a/b/cpu.max": "max 100000\n",
      "a/cpu.max": "150000 100000\n",
      "a/b/memory.max": "1073741824\n",
      "a/memory.max": "max\n",
    };
    expect(limits("0::/a/b\n", files)).toEqual({ cpus: 1.5, memory: 1073741824 });
  });

  test("version 1, as in older containers [job.slots]", () => {
    const files = {
      "memory/x/memory.limit_in_bytes": "9223372036854771712\n",
      "memory/memory.limit_in_bytes": "2147483648\n",
      "cpu,cpuacct/x/cpu.cfs_quota_us": "200000\n",
      "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
    };
    expect(limits("4:memory:/x\n3:cpu,cpuacct:/x\n0::/\n", files)).toEqual({ cpus: 2, memory: 2147483648 });
  });

  test("none on a system without them", () => {
    expect(cgroupLimits(null, () => null)).toEqual({ cpus: null, memory: null });
    expect(limits("4:memory:/x\n3:cpu:/x\n0::/\n", { "cpu/x/cpu.cfs_quota_us": "-1\n" })).toEqual({
      cpus: null,
      memory: null,
    });
  });
});

test("this machine has CPUs, memory, disk and inodes [F21]", async () => {
  const found = await probeHost(tmpdir());
  expect(found.cpus).toBeGreaterThanOrEqual(1);
  expect(found.memory_free).toBeLessThanOrEqual(found.memory_total);
  expect(found.disk_free).toBeGreaterThan(0);
  expect(found.inodes_free).toBeGreaterThan(0);
});
