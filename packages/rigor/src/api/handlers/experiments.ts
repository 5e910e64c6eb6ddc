import * as actions from "../../bench/experiments/actions.ts";
import { findExperiment } from "../../bench/records/lookup.ts";
import { waitForNews } from "../../bench/dispatch/news.ts";
import { placedRuns } from "../../bench/records/placed-runs.ts";
import { resolveExperiment } from "../../bench/experiments/resolve.ts";
import { startExperiment } from "../../bench/experiments/start.ts";
import { refuseNameOfIssue } from "../../conductor/experiment-names.ts";
import { refuseImpossible, refuseMissingVariables } from "../../bench/dispatch/fit.ts";
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
    const resolved = await resolveExperiment(input, context.lab);
    return presentPlan(context.lab, resolved);
  }),

  start: api.experiments.start.handler(async ({ context, input }) => {
    const { lab, dispatcher, actor } = context;
    const { here } = lab.lanes;
    const [resolved, capacity] = await Promise.all([
      resolveExperiment(input, lab, (environment) => here.stager.foresee?.(environment, input.search_path)),
      here.probe(0),
    ]);
    refuseMissingVariables(resolved);
    refuseImpossible(lab.lanes, capacity, resolved);
    const plan = await presentPlan(lab, resolved);
    const { experiment_id, created, message } = await startExperiment(lab, actor, resolved, {
      mayReplace: refuseNameOfIssue,
    });
    dispatcher.wake();
    const experiment = await findExperiment(lab.store.db, experiment_id);
    return { experiment: await summarize(lab.store.db, experiment), created, message, plan };
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
    const summary = await summarize(db, experiment);
    return { experiment: summary, definition: experiment.definition as unknown as Json };
  }),

  progress: api.experiments.progress.handler(async ({ context, input, signal }) => {
    const { lab, dispatcher, daemon } = context;
    const noLonger = AbortSignal.any([daemon.stopping, ...(signal === undefined ? [] : [signal])]);
    const experiment = await waitForNews(lab.store, input.reference, input.wait ?? 0, noLonger);
    return presentProgress(lab, dispatcher, experiment);
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
    actions.cancelExperiment(
      context.lab,
      context.actor,
      input.reference,
      input.message ?? "cancelled by a person",
      input.lost,
    ),
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
      : actions.rerunStale(context.lab, context.actor, input.reference, input.search_path, {
          mayReplace: refuseNameOfIssue,
        }),
  ),
};
