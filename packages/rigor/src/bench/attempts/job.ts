import { delimiter, join } from "node:path";
import { AttemptDirectory, attemptPath } from "../../compute/attempt/attempt-directory.ts";
import type { JobSpec } from "../../compute/attempt/job.ts";
import { outputPaths } from "../../domain/design.ts";
import { renderCommand } from "../../domain/command.ts";
import { needPaths } from "../../domain/needs.ts";
import type { AttemptRecord, ExperimentRecord, RunRecord } from "../../domain/records.ts";
import type { Lane } from "../lab/lane.ts";
import { stagedPaths, type Staged } from "../../provenance/staging/stager.ts";

const heartbeatSeconds = 10;
const graceSeconds = 10;

export interface JobFacts {
  experiment: ExperimentRecord;
  run: RunRecord;
  attempt: Pick<AttemptRecord, "id" | "number" | "lease">;
  prepared: Staged;
  /** Folder below `RIGOR_NEEDS` -> where its content is on the machine. */
  given: Record<string, string>;
  /** Folder of all attempts on the machine that it runs on. */
  attemptsRoot: string;
  resume: NonNullable<JobSpec["resume"]> | null;
  /** This machine, whose `PATH` was recorded when the experiment was planned; or where Rigor chose cores and cards. */
  lane: Pick<Lane, "isHere" | "isPlaced">;
}

/** The job of an attempt: always the same command and parameters, whichever try it is. */
export function jobOf(facts: JobFacts): JobSpec {
  const { experiment, run, attempt, prepared, lane, attemptsRoot } = facts;
  const { definition } = experiment;
  const directory = new AttemptDirectory(join(attemptsRoot, attemptPath(run.id, attempt.id)));
  const resumption = facts.resume !== null && "path" in facts.resume ? facts.resume : null;
  const resume = resumption?.path ?? null;
  const rendered = renderCommand(definition.run, {
    seed: run.seed,
    arm: run.arm,
    task: run.task,
    parameters: run.parameters,
    inputs: prepared.inputs,
    needs: needPaths(definition, run, directory.needs),
    output: directory.output,
    run_id: run.id,
    attempt: attempt.number,
    resume,
  });
  return {
    attempt: attempt.id,
    run: run.id,
    command: "shell" in rendered ? rendered.shell : rendered.argv,
    working_directory: prepared.directory,
    environment: {
      ...variablesOf(facts),
      ...(Object.keys(facts.given).length === 0 ? {} : { RIGOR_NEEDS: directory.needs }),
      ...(resume === null ? {} : { RIGOR_RESUME: resume }),
    },
    needs: facts.given,
    staged: [...stagedPaths(prepared), ...(resumption?.is_copy === true ? [resumption.path] : [])],
    ...(lane.isHere ? {} : { path_prefix: prepared.environment.path_prefix }),
    secrets: passedVariables(definition.environment.pass),
    parameters: run.parameters,
    resume: facts.resume,
    outputs: outputPaths(definition, run.arm),
    time_limit: definition.resources.time,
    resources: definition.resources,
    grace: graceSeconds,
    heartbeat: heartbeatSeconds,
  };
}

function variablesOf({ experiment, run, attempt, prepared, lane }: JobFacts): Record<string, string> {
  const { definition, search_path } = experiment;
  const inputs = Object.entries(prepared.inputs).map(([name, path]) => [`RIGOR_INPUT_${variableName(name)}`, path]);
  return {
    PYTHONDONTWRITEBYTECODE: "1",
    PYTHONUNBUFFERED: "1",
    ...prepared.environment.variables,
    ...(lane.isHere ? { PATH: [...prepared.environment.path_prefix, search_path].join(delimiter) } : {}),
    RIGOR_EXPERIMENT: definition.name,
    RIGOR_ARM: run.arm,
    RIGOR_TASK: run.task,
    RIGOR_SEED: String(run.seed),
    RIGOR_ATTEMPT: String(attempt.number),
    ...(Object.fromEntries(inputs) as Record<string, string>),
    ...gpuVariables(definition.resources.gpus, lane.isPlaced ? attempt.lease.gpus : null),
  };
}

/**
 * A run sees the cards that it holds, and none when it asked for none.
 *
 * @param held null where a scheduler gives out the cards, and says itself which
 */
export function gpuVariables(asked: number, held: readonly string[] | null): Record<string, string> {
  const order = { CUDA_DEVICE_ORDER: "PCI_BUS_ID" };
  if (asked === 0) return { ...order, CUDA_VISIBLE_DEVICES: "" };
  return held === null ? order : { ...order, CUDA_VISIBLE_DEVICES: held.join(",") };
}

function passedVariables(names: readonly string[]): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of names) {
    const value = process.env[name];
    if (value !== undefined) passed[name] = value;
  }
  return passed;
}

/** `my-corpus` -> `MY_CORPUS`, so that it can be the name of a variable. */
export function variableName(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, "_");
}
