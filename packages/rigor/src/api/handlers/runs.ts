import { existsSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import * as actions from "../../bench/experiments/actions.ts";
import { findExperiment, findRun } from "../../bench/records/lookup.ts";
import { attemptsOfRun } from "../../bench/records/attempt-queries.ts";
import { isStale } from "../../bench/experiments/staleness.ts";
import { AttemptDirectory } from "../../compute/attempt/attempt-directory.ts";
import { RigorError } from "../../domain/errors.ts";
import { closest } from "../../domain/files/suggest.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import type { AttemptRecord } from "../../domain/records.ts";
import { attemptLifecycle, isFinal, type RunState } from "../../domain/lifecycle.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { shortId } from "../../domain/format/words.ts";
import { metricPoints } from "../../store/metrics.ts";
import { decodeRow } from "../../store/tables.ts";
import type { ApiContext } from "../context.ts";
import type { RunFilter } from "../contract/contract.ts";
import type { LogChunk } from "../contract/views/runs.ts";
import { api } from "../implementation.ts";
import { listRuns, presentRun } from "../present/runs.ts";
import { isMissing } from "../../hosts/system-errors.ts";

export const runs = {
  list: api.runs.list.handler(async ({ context, input }) => {
    const { db } = context.lab.store;
    const { experiment, stale, ...filter } = input;
    const named = experiment === undefined ? undefined : await findExperiment(db, experiment);
    if (named !== undefined) refuseUnknownPlaces(named, input);
    if (stale === true) return listStale(context, input, named);
    return listRuns(context, { ...filter, ...(named === undefined ? {} : { experiments: [named.id] }) });
  }),

  get: api.runs.get.handler(async ({ context, input }) => {
    return presentRun(context, await findRun(context.lab.store.db, input.reference));
  }),

  cancel: api.runs.cancel.handler(({ context, input }) =>
    actions.cancelRun(
      context.lab,
      context.actor,
      input.reference,
      input.message ?? "cancelled by a person",
      input.lost,
    ),
  ),
  hold: api.runs.hold.handler(({ context, input }) =>
    actions.holdRun(context.lab, context.actor, input.reference, input.message ?? "held by a person"),
  ),
  release: api.runs.release.handler(({ context, input }) =>
    actions.releaseRun(context.lab, context.actor, input.reference, input.message ?? "released by a person"),
  ),
  rerun: api.runs.rerun.handler(({ context, input }) =>
    actions.rerunRun(context.lab, context.actor, input.reference, input.message ?? "rerun asked for by a person"),
  ),

  log: api.runs.log.handler(({ context, input }) => readLog(context, input)),

  metrics: api.runs.metrics.handler(async ({ context, input }) => {
    const run = await findRun(context.lab.store.db, input.reference);
    const attempt = run.result_attempt ?? run.current_attempt;
    if (attempt === null) return { points: [] };
    return { points: await metricPoints(context.lab.store, attempt, input.name, input.limit) };
  }),
};

/** A name that is misspelt would look like one that has no runs. */
function refuseUnknownPlaces(experiment: ExperimentRecord, filter: Pick<RunFilter, "arm" | "task">): void {
  const { arms, tasks } = experiment.definition;
  for (const [kind, name, known] of [
    ["arm", filter.arm, Object.keys(arms)],
    ["task", filter.task, Object.keys(tasks)],
  ] as const) {
    if (name === undefined || known.includes(name)) continue;
    const near = closest(name, known);
    throw new RigorError("not-found", `${reference(experiment)} has no ${kind} ${name}.`, {
      next: near === null ? `It has ${known.join(", ")}.` : `Did you mean ${near}?`,
    });
  }
}

const withResult: RunState[] = ["done", "failed", "invalid"];

/** Runs of the newest versions whose code is no longer the repository's: what `rerun --stale` would run anew. */
async function listStale(context: ApiContext, input: RunFilter, only: ExperimentRecord | undefined) {
  if (only !== undefined) actions.refuseArchived(only);
  const { db } = context.lab.store;
  let query = db.selectFrom("experiments").selectAll().where("state", "!=", "archived");
  if (only !== undefined) query = query.where("id", "=", only.id);
  const candidates = (await query.execute()).map((row) => decodeRow("experiments", row));
  const stale: string[] = [];
  for (const experiment of candidates) if (await isStale(experiment)) stale.push(experiment.id);
  if (stale.length === 0) return { runs: [], total: 0, declared_metrics: [] };
  const { experiment: _, stale: __, states = withResult, ...filter } = input;
  const page = await listRuns(context, { ...filter, states, experiments: stale });
  return { ...page, runs: page.runs.map((run) => ({ ...run, stale: true })) };
}

interface LogRequest {
  reference: string;
  attempt?: number | undefined;
  stream: "stdout" | "stderr";
  offset: number;
  limit: number;
}

async function readLog({ lab }: ApiContext, request: LogRequest): Promise<LogChunk> {
  const run = await findRun(lab.store.db, request.reference);
  const attempts = await attemptsOfRun(lab.store.db, run.id);
  const attempt =
    request.attempt === undefined ? attempts.at(-1) : attempts.find((one) => one.number === request.attempt);
  if (attempt === undefined) {
    const what = request.attempt === undefined ? "no attempt yet" : `no attempt ${request.attempt}`;
    throw new RigorError("not-found", `Run ${shortId(run.id)} has ${what}.`, {
      next:
        run.state === "pending"
          ? "It waits for its turn; see `rigor status`."
          : `See \`rigor show ${shortId(run.id)}\`.`,
    });
  }
  // Whether it has ended is asked before the file is read: what is written in between is then read next time.
  const ended = isFinal(attemptLifecycle, attempt.state);
  const directory = new AttemptDirectory(attempt.directory);
  await refuseElsewhere(lab, attempt);
  const bytes = await readPart(directory[request.stream], request.offset, request.limit);
  return {
    attempt_id: attempt.id,
    stream: request.stream,
    offset: request.offset,
    next_offset: request.offset + bytes.length,
    base64: bytes.toString("base64"),
    ended: ended && bytes.length < request.limit,
  };
}

/** Where several machines share a lab, the files of an attempt are on the one that drove its compute. */
async function refuseElsewhere({ driving: { drivers } }: ApiContext["lab"], attempt: AttemptRecord): Promise<void> {
  if (drivers === null || existsSync(attempt.directory)) return;
  const place = await drivers.roster.daemonOf(attempt.directory);
  if (place === null || place.member === drivers.member) return;
  throw new RigorError("not-possible", `The files of this attempt are on ${place.host}, in ${attempt.directory}.`, {
    next: "Ask there.",
  });
}

async function readPart(path: string, offset: number, limit: number): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    const length = Math.max(0, Math.min(limit, size - offset));
    if (length === 0) return Buffer.alloc(0);
    const file = await open(path, "r");
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return Buffer.alloc(0);
    throw error;
  }
}
