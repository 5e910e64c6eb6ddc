import { computes } from "./handlers/computes.ts";
import { events } from "./handlers/events.ts";
import { experiments } from "./handlers/experiments.ts";
import { runs } from "./handlers/runs.ts";
import { system } from "./handlers/system.ts";
import { api } from "./implementation.ts";

/** Every handler at its place in the contract. */
export const router = api.router({ system, computes, experiments, runs, events });
