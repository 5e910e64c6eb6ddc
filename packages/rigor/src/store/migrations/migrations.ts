import { initial } from "./0001-initial.ts";
import { issues } from "./0002-issues.ts";
import { investigations } from "./0003-investigations.ts";
import { interruptedJobs } from "./0004-interrupted-jobs.ts";
import type { Migration } from "./migration.ts";

/** In order; the number of a schema is the number of migrations that made it. Never edit one that was released. */
export const migrations: readonly Migration[] = [initial, issues, investigations, interruptedJobs];
