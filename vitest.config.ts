import { defineConfig } from "vitest/config";

/** Fast tests beside the source; they run first. */
const unit = [
  "packages/*/src/**/*.test.ts",
  "packages/*/helpers/*.test.ts",
  "examples/**/*.test.ts",
  "scripts/*.test.ts",
];

/** Tests that cross packages: a real daemon, real processes, the packed package. */
const integration = ["test/**/*.test.ts"];

/** Tests on clusters that they start on this machine: as root, with what Debian has. `npm run test:clusters`. */
const clusters = ["test/clusters/**/*.test.ts", "test/compute/**/*.test.ts"];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Starts one PostgreSQL for all tests and names it in RIGOR_TEST_DATABASE_URL.
    globalSetup: "test/support/postgres.ts",
    // Tests that start processes wait for them more than they compute.
    maxWorkers: "100%",
    projects: [
      { test: { name: "unit", include: unit, sequence: { groupOrder: 0 } } },
      {
        test: {
          name: "integration",
          include: integration,
          exclude: clusters,
          testTimeout: 180_000,
          sequence: { groupOrder: 1 },
        },
      },
      { test: { name: "clusters", include: clusters, testTimeout: 180_000, sequence: { groupOrder: 2 } } },
    ],
  },
});
