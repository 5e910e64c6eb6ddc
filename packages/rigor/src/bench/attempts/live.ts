import { AttemptDirectory } from "../../compute/attempt/attempt-directory.ts";
import type { Handle } from "../../compute/executor.ts";
import type { AttemptRecord, ExperimentRecord, RunRecord } from "../../domain/records.ts";
import type { ObservedOutcome } from "./outcome.ts";

/** An attempt that has not ended, with what is needed to start and to conclude it. */
export interface Live {
  attempt: AttemptRecord;
  run: RunRecord;
  experiment: ExperimentRecord;
}

export interface Ended {
  live: Live;
  outcome: ObservedOutcome;
}

export const attemptId = (run: Pick<RunRecord, "id">, number: number): string => `${run.id.slice(0, 16)}-${number}`;

export const directoryOf = ({ attempt }: Live): AttemptDirectory => new AttemptDirectory(attempt.directory);

export const handleOf = ({ attempt }: Live): Handle => ({ attempt: attempt.id, run: attempt.run_id });
