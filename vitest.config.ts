import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** Fast tests beside the source; they run first. */
const unit = [
  "packages/*/src/**/*.test.ts",
  "packages/*/helpers/*.test.ts",
  "examples/**/*.test.ts",
  "scripts/*.test.ts",
];

/** Properties are tried with random values, unless a seed is named; only then each file loads what takes it. */
const propertySeed = process.env["RIGOR_PROPERTY_SEED"] ? ["test/support/property-seed.ts"] : [];

const setupFiles = ["test/support/kill-guard.ts"];

/** Tests that cross packages: a real daemon, real processes, the packed package. */
const integration = ["test/**/*.test.ts"];

/** Sessions of agents and whole issues, with the agents' own programs. */
const agents = ["test/agents/*.test.ts"];

/** Processes that are killed, disks that fill up, clocks that jump. */
const chaos = ["test/chaos/**/*.test.ts"];

/** Tests on clusters that they start on this machine: as root, with what Debian has. */
const clusters = ["test/clusters/**/*.test.ts", "test/compute/**/*.test.ts"];

/**
 * Tests that start processes wait for them more than they compute: on few cores, more files than cores go at a time. What they
 * wait for then takes many times as long as alone; a limit is there to end what hangs, and says nothing about speed.
 */
const waiting = {
  setupFiles,
  maxWorkers: Math.max(4, availableParallelism()),
  testTimeout: 300_000,
  hookTimeout: 300_000,
  expect: { poll: { timeout: 90_000 } },
};

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
    // Starts one PostgreSQL for all tests and names it in RIGOR_TEST_DATABASE_URL.
    globalSetup: "test/support/postgres.ts",
    projects: [
      {
        test: {
          name: "unit",
          include: unit,
          setupFiles: [...setupFiles, ...propertySeed],
          maxWorkers: "100%",
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "integration",
          include: integration,
          // The agents' programs lie below test/ with all that they need, and its tests.
          exclude: [...agents, ...chaos, ...clusters, "**/node_modules/**"],
          ...waiting,
          sequence: { groupOrder: 1 },
        },
      },
      { test: { name: "agents", include: agents, ...waiting, sequence: { groupOrder: 1 } } },
      { test: { name: "chaos", include: chaos, ...waiting, sequence: { groupOrder: 1 } } },
      { test: { name: "clusters", include: clusters, ...waiting, sequence: { groupOrder: 2 } } },
    ],
  },
});
