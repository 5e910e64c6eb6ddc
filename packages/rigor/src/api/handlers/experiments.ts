import * as actions from "../../bench/actions.ts";
import { findExperiment } from "../../bench/lookup.ts";

import { placedRuns } from "../../bench/placed-runs.ts";
import { tallyOf } from "../../bench/queries.ts";
import { resolveExperiment } from "../../bench/resolve.ts";
import { startExperiment } from "../../bench/start.ts";
import { refuseImpossible, refuseMissingVariables } from "../../bench/fit.ts";
import type { Json } from "../../domain/canonical.ts";
import { decodeRow } from "../../store/tables.ts";
import { exportResults } from "../present/export.ts";
import { api } from "../implementation.ts";
import { summarize, summarizeAll } from "../present/experiments.ts";
import { presentPlan } from "../present/plan.ts";
import { presentProgress } from "../present/progress.ts";
import { presentResults } from "../present/results.ts";

export const experiments = {
  plan: api.experiments.plan.handler(async ({ context, input }) => {
    const resolved = await resolveExperiment(input, context.lab.data);
    return presentPlan(context.lab, resolved);
  }),

  start: api.experiments.start.handler(async ({ context, input }) => {
    const { lab, dispatcher, actor } = context;
    const resolved = await resolveExperiment(input, lab.data);
    refuseMissingVariables(resolved);
    refuseImpossible(lab.lanes, await lab.lanes.here.probe(0), resolved);
    const plan = await presentPlan(lab, resolved);
    const { experiment_id, created, message } = await startExperiment(lab, actor, resolved);
    dispatcher.wake();
    const experiment = await findExperiment(lab.store.db, experiment_id);
    return { experiment: summarize(experiment, await tallyOf(lab.store.db, experiment_id)), created, message, plan };
  }),

  list: api.experiments.list.handler(async ({ context, input }) => {
    const { db } = context.lab.store;
    let query = db.selectFrom("experiments").selectAll();
    if (!input.archived) query = query.where("state", "!=", "archived");
    const rows = await query.orderBy("created_at", "desc").limit(input.limit).execute();
    return {
      experiments: await summarizeAll(
        db,
        rows.map((row) => decodeRow("experiments", row)),
      ),
    };
  }),

  get: api.experiments.get.handler(async ({ context, input }) => {
    const { db } = context.lab.store;
    const experiment = await findExperiment(db, input.reference);
    const summary = summarize(experiment, await tallyOf(db, experiment.id));
    return { experiment: summary, definition: experiment.definition as unknown as Json };
  }),

  progress: api.experiments.progress.handler(async ({ context, input }) => {
    const experiment = await findExperiment(context.lab.store.db, input.reference);
    return presentProgress(context.lab, context.dispatcher, experiment);
  }),

  results: api.experiments.results.handler(async ({ context, input }) => {
    const { db } = context.lab.store;
    const experiment = await findExperiment(db, input.reference);
    return presentResults(context.lab, experiment, await placedRuns(db, experiment.id));
  }),

  export: api.experiments.export.handler(async ({ context, input }) => {
    const experiment = await findExperiment(context.lab.store.db, input.reference);
    return { format: input.format, text: await exportResults(context.lab, experiment, input.format) };
  }),

  cancel: api.experiments.cancel.handler(({ context, input }) =>
    actions.cancelExperiment(context.lab, context.actor, input.reference, input.message ?? "cancelled by a person"),
  ),

  hold: api.experiments.hold.handler(({ context, input }) =>
    actions.holdExperiment(context.lab, context.actor, input.reference, input.message ?? "held by a person"),
  ),

  release: api.experiments.release.handler(({ context, input }) => {
    const { reference, message = "released by a person", ...release } = input;
    return actions.releaseExperiment(context.lab, context.actor, reference, { message, ...release });
  }),

  rerun: api.experiments.rerun.handler(({ context, input }) =>
    input.which === "failed"
      ? actions.rerunFailed(context.lab, context.actor, input.reference)
      : actions.rerunStale(context.lab, context.actor, input.reference, input.search_path),
  ),
};
