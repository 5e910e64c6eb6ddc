import { eventIterator, oc, type ContractRouterClient } from "@orpc/contract";
import { z } from "zod";
import { investigationContract } from "./investigations.ts";
import { boardContract } from "./issues.ts";
import { computeView, finding } from "./views/computes.ts";
import { doctorCheck, health, loggedEvent, statusView } from "./views/daemon.ts";
import { documentProblem, renderedDocument } from "./views/documents.ts";
import { experimentSummary, progress } from "./views/experiments.ts";
import { planView } from "./views/plan.ts";
import { resultsView } from "./views/results.ts";
import { logChunk, runDetail, runSummary } from "./views/runs.ts";
import { json, runState } from "./views/states.ts";

const reference = z.string().min(1).describe("NAME, NAME@VERSION, or the beginning of an id");
const byReference = z.strictObject({ reference });
const message = z.string().max(2_000).optional();
/** What is under way is on machines that are lost for good, and has ended. */
const lost = z.boolean().default(false);
/** The daemon works in a directory of its own, so that a relative path would name something else there. */
const absolutePath = z.string().regex(/^\//, "expected an absolute path");

const startInput = z.strictObject({
  file: absolutePath.describe("Absolute path of the experiment file"),
  search_path: z.string().describe("PATH of the caller: where commands are found without an environment"),
  max_runs: z.int().positive().optional().describe("Raises the limit on the number of runs"),
  compute: z.array(z.string()).optional(),
});

const computeOfRepository = z.strictObject({
  repository: absolutePath.describe("Any directory of the repository whose rigor.yaml names it"),
  name: z.string().min(1),
});

const runFilter = z.strictObject({
  experiment: reference.optional(),
  states: z.array(runState).optional(),
  stale: z.boolean().optional().describe("Only runs whose code is no longer the repository's"),
  arm: z.string().optional(),
  task: z.string().optional(),
  seed: z.int().optional(),
  limit: z.int().min(1).max(10_000).default(100),
  offset: z.int().nonnegative().default(0),
});

const documentSource = z.string().max(1_000_000).describe("Markdown with directives");

const runPage = z.object({
  runs: z.array(runSummary),
  total: z.int(),
  declared_metrics: z.array(z.string()).describe("What the experiments of these runs declare, primary metrics first"),
});
const changed = z.object({
  changed: z.int().describe("Number of runs and experiments that changed"),
  message: z.string(),
});

/** One contract: it checks requests and answers, types the client, and is served as OpenAPI. */
export const contract = {
  ...boardContract,
  ...investigationContract,
  system: {
    health: oc.route({ method: "GET", path: "/health", summary: "Which daemon this is" }).output(health),
    status: oc.route({ method: "GET", path: "/status", summary: "What the lab does now" }).output(statusView),
    doctor: oc
      .route({ method: "GET", path: "/doctor", summary: "Check the machine, the tools and the data" })
      .output(z.object({ checks: z.array(doctorCheck) })),
    backup: oc
      .route({ method: "POST", path: "/backup", summary: "Copy the database while it is in use" })
      .input(z.strictObject({ file: absolutePath.describe("Absolute path of the copy; must not exist") }))
      .output(z.object({ file: z.string(), bytes: z.int() })),
    stop: oc
      .route({ method: "POST", path: "/stop", summary: "End the daemon; jobs go on" })
      .output(z.object({ pid: z.int(), running_jobs: z.int() })),
  },
  computes: {
    list: oc
      .route({ method: "GET", path: "/computes", summary: "Machines and clusters of a repository" })
      .input(computeOfRepository.omit({ name: true }))
      .output(z.object({ computes: z.array(computeView) })),
    check: oc
      .route({ method: "POST", path: "/computes/check", summary: "Prove that one can be used, with a job" })
      .input(computeOfRepository.extend({ wait: z.number().positive().optional().describe("seconds for the job") }))
      .output(z.object({ compute: computeView, findings: z.array(finding) })),
    rest: oc
      .route({ method: "POST", path: "/computes/rest", summary: "Start nothing there for a while" })
      .input(computeOfRepository.extend({ seconds: z.number().positive(), message }))
      .output(computeView),
    drain: oc
      .route({ method: "POST", path: "/computes/drain", summary: "Start nothing there until it is used again" })
      .input(computeOfRepository.extend({ message }))
      .output(computeView),
    use: oc
      .route({ method: "POST", path: "/computes/use", summary: "End a rest, or that it is drained" })
      .input(computeOfRepository)
      .output(computeView),
  },
  experiments: {
    plan: oc
      .route({ method: "POST", path: "/experiments/plan", summary: "What an experiment file would do" })
      .input(startInput)
      .output(planView),
    start: oc
      .route({ method: "POST", path: "/experiments", summary: "Start an experiment, or find it again" })
      .input(startInput)
      .output(
        z.object({
          experiment: experimentSummary,
          created: z.boolean(),
          message: z.string().describe("What was found or done, for people"),
          plan: planView.describe("What it meant to do, as it was before the start"),
        }),
      ),
    list: oc
      .route({ method: "GET", path: "/experiments", summary: "Experiments, newest first" })
      .input(z.strictObject({ archived: z.boolean().default(false), limit: z.int().min(1).max(1_000).default(100) }))
      .output(z.object({ experiments: z.array(experimentSummary) })),
    get: oc
      .route({ method: "GET", path: "/experiments/{reference}", summary: "One experiment with its definition" })
      .input(byReference)
      .output(z.object({ experiment: experimentSummary, definition: json })),
    progress: oc
      .route({ method: "GET", path: "/experiments/{reference}/progress", summary: "How far an experiment is" })
      .input(
        byReference.extend({
          wait: z.number().nonnegative().max(60).optional().describe("seconds to wait for news, such as its end"),
        }),
      )
      .output(progress),
    results: oc
      .route({ method: "GET", path: "/experiments/{reference}/results", summary: "Tables, comparisons, decision" })
      .input(byReference)
      .output(resultsView),
    export: oc
      .route({ method: "GET", path: "/experiments/{reference}/export", summary: "Results as text" })
      .input(z.strictObject({ reference, format: z.enum(["csv", "markdown", "latex"]) }))
      .output(z.object({ format: z.string(), text: z.string() })),
    cancel: oc
      .route({ method: "POST", path: "/experiments/{reference}/cancel", summary: "Cancel an experiment and its runs" })
      .input(z.strictObject({ reference, message, lost }))
      .output(changed),
    hold: oc
      .route({ method: "POST", path: "/experiments/{reference}/hold", summary: "Start no further run" })
      .input(z.strictObject({ reference, message }))
      .output(changed),
    release: oc
      .route({ method: "POST", path: "/experiments/{reference}/release", summary: "Let a held experiment go on" })
      .input(
        z.strictObject({
          reference,
          message,
          without_failed: z.boolean().default(false),
          gpu_hours: z.number().nonnegative().optional(),
          wall: z.number().positive().optional().describe("seconds"),
        }),
      )
      .output(changed),
    rerun: oc
      .route({ method: "POST", path: "/experiments/{reference}/rerun", summary: "Run failed or stale runs anew" })
      .input(z.strictObject({ reference, which: z.enum(["failed", "stale"]), search_path: z.string() }))
      .output(changed.extend({ experiment: z.string() })),
  },
  runs: {
    list: oc
      .route({ method: "GET", path: "/runs", summary: "Runs, by experiment and place" })
      .input(runFilter)
      .output(runPage),
    get: oc
      .route({ method: "GET", path: "/runs/{reference}", summary: "One run" })
      .input(byReference)
      .output(runDetail),
    cancel: oc
      .route({ method: "POST", path: "/runs/{reference}/cancel", summary: "Cancel a run" })
      .input(z.strictObject({ reference, message, lost }))
      .output(changed),
    hold: oc
      .route({ method: "POST", path: "/runs/{reference}/hold", summary: "Keep a run from starting" })
      .input(z.strictObject({ reference, message }))
      .output(changed),
    release: oc
      .route({ method: "POST", path: "/runs/{reference}/release", summary: "Let a held run start" })
      .input(z.strictObject({ reference, message }))
      .output(changed),
    rerun: oc
      .route({ method: "POST", path: "/runs/{reference}/rerun", summary: "Run it again; its result is revoked" })
      .input(z.strictObject({ reference, message }))
      .output(changed),
    log: oc
      .route({ method: "GET", path: "/runs/{reference}/log", summary: "A part of a log" })
      .input(
        z.strictObject({
          reference,
          attempt: z.int().positive().optional().describe("Number of the attempt; the last one if absent"),
          stream: z.enum(["stdout", "stderr"]).default("stdout"),
          offset: z.int().nonnegative().default(0),
          limit: z.int().min(1).max(4_194_304).default(262_144).describe("bytes"),
        }),
      )
      .output(logChunk),
    metrics: oc
      .route({ method: "GET", path: "/runs/{reference}/metrics", summary: "Points of a metric over its steps" })
      .input(z.strictObject({ reference, name: z.string(), limit: z.int().min(1).max(100_000).default(10_000) }))
      .output(z.object({ points: z.array(z.object({ step: z.number().nullable(), value: z.number() })) })),
  },
  documents: {
    draft: oc
      .route({ method: "GET", path: "/experiments/{reference}/document", summary: "A result document to fill in" })
      .input(byReference)
      .output(z.object({ experiment: z.string().describe("NAME@VERSION"), source: z.string() })),
    check: oc
      .route({ method: "POST", path: "/documents/check", summary: "What is wrong with a result document" })
      .input(z.strictObject({ source: documentSource }))
      .output(z.object({ experiment: z.string(), problems: z.array(documentProblem) })),
    render: oc
      .route({ method: "POST", path: "/documents/render", summary: "A result document with its numbers resolved" })
      .input(
        z.strictObject({
          source: documentSource,
          draft: z.boolean().default(false).describe("Render what has errors, too"),
        }),
      )
      .output(renderedDocument),
  },
  events: {
    stream: oc
      .route({ method: "GET", path: "/events", summary: "Events as they happen; resumes after Last-Event-ID" })
      .input(
        z.strictObject({
          after: z.int().nonnegative().optional().describe("Position after which to begin; now if absent"),
          experiment: reference.optional(),
        }),
      )
      .output(eventIterator(loggedEvent)),
  },
};

export type Client = ContractRouterClient<typeof contract>;
export type StartInput = z.infer<typeof startInput>;
export type RunFilter = z.infer<typeof runFilter>;
