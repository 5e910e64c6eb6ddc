import { describe } from "vitest";
import { logSuite } from "./log.suite.ts";
import { migrationsSuite } from "./migrations.suite.ts";
import { processesSuite } from "./processes.suite.ts";
import { rebuildSuite } from "./rebuild.suite.ts";
import type { CreateDatabase } from "./suite.testing.ts";

/** What every store must do, whatever database it stands on. */
export function storeSuite(name: string, create: CreateDatabase): void {
  describe(`store on ${name}`, () => {
    logSuite(create);
    rebuildSuite(create);
    migrationsSuite(create);
    processesSuite(create);
  });
}
