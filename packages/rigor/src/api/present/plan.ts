import type { PlacementHost } from "../../compute/placement/placement.ts";
import { whyImpossible } from "../../bench/dispatch/fit.ts";
import type { Lab } from "../../bench/lab/lab.ts";
import { lackingRoom } from "../../bench/dispatch/readiness.ts";
import type { Lane } from "../../bench/lab/lane.ts";
import { limitedHost } from "../../bench/dispatch/choice.ts";
import { memoryNeeds } from "../../bench/dispatch/learnt.ts";
import { experimentsNamed } from "../../bench/records/experiment-queries.ts";
import { runStates } from "../../bench/records/run-queries.ts";
import type { ResolvedExperiment } from "../../bench/experiments/resolve.ts";
import { sameExperiment, whyNew } from "../../bench/experiments/start.ts";
import { computesOf } from "../../bench/lab/settings.ts";
import { plannedUses, unlistedNote } from "../../bench/experiments/unlisted-changes.ts";
import { unfilledNotes } from "../../domain/command.ts";
import { plural } from "../../domain/format/numbers.ts";
import { needPaths } from "../../domain/needs.ts";
import type { RunState } from "../../domain/lifecycle.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import { isBuilt } from "../../provenance/environment.ts";
import { median } from "../../statistics/summaries.ts";
import type { PlanView } from "../contract/views/plan.ts";
import { notesOnNeeds, plannedNeeds } from "./needs.ts";
import { hostOf } from "./computes.ts";
import { presentUnlisted } from "./results.ts";
import { commandText } from "./runs.ts";

const hour = 3_600;

/** How old what is known of this machine may be: whoever starts an experiment has just looked at it. */
const freshMs = 1_000;

/** What starting a resolved experiment would do. Records nothing. */
export async function presentPlan(lab: Lab, resolved: ResolvedExperiment): Promise<PlanView> {
  const { definition, source, runs } = resolved;
  const states = await runStates(
    lab.store.db,
    runs.map((run) => run.key),
  );
  const neededStates = await runStates(
    lab.store.db,
    runs.flatMap(({ needs }) => Object.values(needs)),
  );
  const computes = await describeComputes(lab, resolved);
  const done = count(states, "done");
  const [first] = runs;
  const { resources } = definition;
  const seconds = await medianSeconds(lab, definition.name);
  const isToDo = ({ key }: { key: string }): boolean => !ended.has(states.get(key) ?? "pending");
  const toDo = runs.filter(isToDo).length;
  const room = computes.reduce((sum, one) => sum + one.atATime, 0);
  const atATime = Math.max(1, Math.min(room, toDo));
  const earlier = await experimentsNamed(lab.store.db, definition.name);
  const uses = await plannedUses(lab.store.db, resolved, sameExperiment(earlier, resolved));
  return {
    name: definition.name,
    file: resolved.file,
    plan_hash: resolved.plan_hash,
    repository: source.repository,
    commit: source.commit,
    dirty: source.dirty,
    changed_files: resolved.changed_files,
    arms: Object.keys(definition.arms),
    tasks: Object.keys(definition.tasks),
    grid: Object.fromEntries(Object.entries(definition.parameters).map(([name, { values }]) => [name, values])),
    seeds: definition.seeds,
    stages: definition.stages.map((stage, index) => {
      const ofStage = runs.filter((run) => run.stages.includes(index));
      return {
        name: stage.name,
        runs: ofStage.length,
        to_do: ofStage.filter(isToDo).length,
      };
    }),
    needs: plannedNeeds(resolved, new Map([...states, ...neededStates])),
    total_runs: runs.length,
    done,
    failed: count(states, "failed") + count(states, "invalid"),
    to_do: toDo,
    command:
      first === undefined
        ? ""
        : commandText(
            { definition },
            { id: first.key, seed: first.seed, needs: first.needs, ...first.cell },
            lab.data,
            1,
          ),
    environment: {
      manager: resolved.environment.manager,
      lock: resolved.environment.lock,
      built: resolved.environment.manager === "none" || (await isBuiltHere(lab, resolved)),
    },
    estimate: {
      seconds_per_run: seconds,
      at_a_time: atATime,
      seconds: seconds === null ? null : Math.ceil(toDo / atATime) * seconds,
      gpu_hours: gpuHours(toDo, seconds, resources.gpus),
    },
    ...(await memoryNeeds(lab.store.db, resolved)),
    budget: definition.budget,
    compute: computes.map(({ name, kind, host, fits }) => ({ name, kind, host, fits })),
    existing: existing(earlier, resolved),
    unlisted_changes: presentUnlisted(uses),
    notes: [
      ...unfilledNotes(definition.run, {
        parameters: Object.keys(first?.cell.parameters ?? {}),
        inputs: Object.keys(definition.inputs),
        needs: Object.keys(needPaths(definition, { needs: {} }, "")),
      }),
      unlistedNote(resolved, uses, runs.length, "the present files"),
      toDo === 0 || resolved.names_code ? null : wholeRepository,
      ...(await notesOnNeeds(lab.store.db, resolved)),
    ].filter((note) => note !== null),
  };
}

/** Runs that a start leaves as they are: one that failed is tried again when somebody asks for it. */
const ended = new Set<RunState>(["done", "failed", "invalid"]);

const wholeRepository =
  "All files of the repository identify the runs, as `code` is not given: a change of any, even of a README, makes all " +
  "results stale.";

const count = (states: Map<string, RunState>, state: RunState): number =>
  [...states.values()].filter((one) => one === state).length;

/** The computes of an experiment, as far as is known without asking another machine. */
async function describeComputes(lab: Lab, resolved: ResolvedExperiment) {
  const here = await lab.lanes.here.probe(freshMs);
  return computesOf(resolved.source.repository, resolved.definition.compute).map(({ name, configuration }) => {
    const { kind } = configuration;
    const host = kind === "local" ? here.host : (hostOf(configuration) ?? "this machine");
    const lane = lab.lanes.find(configuration);
    const closed = lane === undefined ? null : closedFor(lane);
    if ("max_jobs" in configuration) {
      const most = configuration.max_jobs;
      const fits = closed ?? `its scheduler decides; at most ${plural(most, "job")} at a time`;
      return { name, kind, host, fits, atATime: most };
    }
    const capacity = kind === "local" ? here : (lane?.capacity ?? null);
    if (capacity === null) return { name, kind, host, fits: closed ?? "not looked at yet", atATime: 1 };
    const fits = whyImpossible(capacity, configuration, resolved) ?? closed ?? "fits";
    return { name, kind, host, fits, atATime: runsAtATime(limitedHost(capacity, configuration), resolved) };
  });
}

/** What keeps runs from starting on a compute, as far as that is known. */
function closedFor({ record, trouble, capacity }: Lane): string | null {
  if (trouble !== null) return trouble.code === "unreachable" ? `no answer: ${trouble.message}` : trouble.message;
  if (record !== null && record.state !== "available") return `${record.state}: ${record.reason ?? ""}`;
  const lacking = capacity === null ? null : lackingRoom(capacity);
  if (lacking !== null) return lacking;
  const [problem] = record?.problems ?? [];
  return problem === undefined ? null : `failed its check (${problem.check}): ${problem.found}`;
}

function runsAtATime(host: PlacementHost, { definition }: ResolvedExperiment): number {
  const { cpus, gpus } = definition.resources;
  return Math.floor(Math.min(host.cpus / cpus, gpus === 0 ? Number.POSITIVE_INFINITY : host.gpus.length / gpus));
}

function gpuHours(runs: number, seconds: number | null, gpus: number): number | null {
  if (gpus === 0) return 0;
  return seconds === null ? null : (runs * seconds * gpus) / hour;
}

async function isBuiltHere(lab: Lab, { environment }: ResolvedExperiment): Promise<boolean> {
  return isBuilt(lab.data.environments, environment);
}

/** Median duration of what ran under this name before. */
async function medianSeconds(lab: Lab, name: string): Promise<number | null> {
  const rows = await lab.store.db
    .selectFrom("attempts")
    .innerJoin("experiments", "experiments.id", "attempts.experiment_id")
    .select("attempts.duration")
    .where("experiments.name", "=", name)
    .where("attempts.state", "=", "succeeded")
    .orderBy("attempts.finished_at", "desc")
    .limit(100)
    .execute();
  const durations = rows.flatMap((row) => row.duration ?? []);
  return durations.length === 0 ? null : median(durations);
}

function existing(earlier: readonly ExperimentRecord[], resolved: ResolvedExperiment): PlanView["existing"] {
  const same = sameExperiment(earlier, resolved);
  const shown = same ?? earlier[0];
  if (shown === undefined) return null;
  const why = same === undefined ? whyNew(resolved, earlier) : "same plan, code, environment and inputs";
  return { reference: reference(shown), state: shown.state, same: same !== undefined, why };
}
