import { conda } from "./conda.ts";
import type { EnvironmentManager, ManagerName } from "./manager.ts";
import { none } from "./none.ts";
import { npm } from "./npm.ts";
import { pip } from "./pip.ts";
import { uv } from "./uv.ts";

/** Every tool that an experiment can name as `environment.manager`. */
export const environmentManagers: Record<ManagerName, EnvironmentManager> = { npm, uv, pip, conda, none };
