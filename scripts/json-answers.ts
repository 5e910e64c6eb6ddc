import { z } from "zod";
import { contract } from "../packages/rigor/src/api/contract/contract.ts";
import { experimentSummary } from "../packages/rigor/src/api/contract/views/experiments.ts";
import { hostView } from "../packages/rigor/src/api/contract/views/computes.ts";
import { planView } from "../packages/rigor/src/api/contract/views/plan.ts";
import { resultsView } from "../packages/rigor/src/api/contract/views/results.ts";
import { attemptView, runDetail, runSummary } from "../packages/rigor/src/api/contract/views/runs.ts";

const { experiments, runs, system, documents } = contract;

/** What a route of the API answers. */
function answerOf(route: { "~orpc": { outputSchema?: unknown } }): z.ZodObject {
  const { outputSchema } = route["~orpc"];
  if (!(outputSchema instanceof z.ZodObject)) throw new Error("a route without an answer that is an object");
  return outputSchema;
}

const started = answerOf(experiments.start).omit({ plan: true });
const rerun = answerOf(experiments.rerun);

/** What `--json` prints of the bench's commands. A test holds the real answers against these. */
export const jsonAnswers: Readonly<Record<string, z.ZodObject>> = {
  init: z.object({
    repository: z.string().describe("its top directory"),
    written: z.array(z.string()),
    kept: z.array(z.string()).describe("what was there already, and was left as it is"),
    experiment: z.string().describe("path of the first experiment's file"),
    language: z.enum(["python", "node"]),
    environment: z.object({ manager: z.string(), lock: z.string().nullable() }),
  }),
  plan: answerOf(experiments.plan),
  run: started.extend({ results: resultsView }),
  "run --detach": started,
  status: answerOf(system.status),
  list: answerOf(experiments.list),
  "list EXPERIMENT": answerOf(runs.list),
  "show EXPERIMENT": answerOf(experiments.get),
  "show RUN": answerOf(runs.get),
  results: answerOf(experiments.results),
  export: answerOf(experiments.export),
  "document draft": answerOf(documents.draft),
  "rerun EXPERIMENT --failed": rerun,
  "rerun --failed": z.object({ changed: z.int(), experiments: z.array(rerun) }),
  "rerun RUN": answerOf(runs.rerun),
  backup: answerOf(system.backup),
  doctor: answerOf(system.doctor),
  up: answerOf(system.health).extend({ address: z.string(), started: z.boolean().describe("by this call") }),
  down: answerOf(system.stop).extend({ was_running: z.boolean(), pid: z.int().nullable() }),
  "an error": z.object({ error: z.object({ code: z.string(), message: z.string(), next: z.string().nullable() }) }),
};

/** What several answers hold; each is told once. */
export const sharedViews: Readonly<Record<string, z.ZodObject>> = {
  Experiment: experimentSummary,
  Plan: planView,
  Results: resultsView,
  Run: runSummary,
  RunDetail: runDetail,
  Attempt: attemptView,
  Host: hostView,
};
