import { computes } from "./handlers/computes.ts";
import { documents } from "./handlers/documents.ts";
import { events } from "./handlers/events.ts";
import { experiments } from "./handlers/experiments.ts";
import { investigations } from "./handlers/investigations.ts";
import { gates, issues } from "./handlers/issues.ts";
import { sessions } from "./handlers/sessions.ts";
import { runs } from "./handlers/runs.ts";
import { system } from "./handlers/system.ts";
import { api } from "./implementation.ts";

/** Every handler at its place in the contract. */
export const router = api.router({
  system,
  computes,
  experiments,
  runs,
  documents,
  events,
  issues,
  gates,
  sessions,
  investigations,
});
