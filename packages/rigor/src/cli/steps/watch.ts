import { setTimeout as sleep } from "node:timers/promises";
import type { Progress } from "../../api/contract/views/experiments.ts";
import type { RunSummary } from "../../api/contract/views/runs.ts";
import type { Lab } from "../daemon/connection.ts";
import type { Context } from "../context.ts";
import { hasEnded } from "../output/exit-status.ts";
import { isConnectionFailure } from "../output/failure.ts";
import { createReporter } from "../views/reporter.ts";
import { printable } from "../output/text.ts";

/** Seconds between two looks at how far it is; an end is told at once. */
const lookEvery = { young: 0.2, usual: 1 };
const youngMs = 10_000;

/** Milliseconds before a daemon that did not answer is asked again. */
const pauseMs = 200;

/** How often a daemon may die within this watch before it is given up. */
const maxRestarts = 10;

/** How many failed runs are named while others go on. */
const maxNamedFailures = 10;

/** Shows how far an experiment is until it has ended, also over deaths of the daemon. */
export async function watch(context: Context, lab: Lab, reference: string): Promise<Progress> {
  const reporter = context.json ? null : createReporter(context.errorTerminal, context.note);
  const begun = Date.now();
  const named = new Set<string>();
  let restarts = 0;
  let wait: number | undefined;
  try {
    for (;;) {
      const progress = await askedAgain(() => lab.client.experiments.progress({ reference, wait }));
      if (reporter !== null) {
        for (const run of await newFailures(progress)) reporter.failed(printable(run));
        reporter.progress(printable(progress), Date.now());
      }
      if (hasEnded(progress.experiment)) return progress;
      const isYoung = context.errorTerminal.interactive && Date.now() - begun < youngMs;
      wait = isYoung ? lookEvery.young : lookEvery.usual;
    }
  } finally {
    reporter?.end();
  }

  /** A daemon that goes away while it answers is asked again; the connection then starts another one. */
  async function askedAgain<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        restarts += 1;
        if (!isConnectionFailure(error) || restarts > maxRestarts) throw error;
        reporter?.interrupt();
        await sleep(pauseMs);
      }
    }
  }

  async function newFailures({ experiment }: Progress): Promise<RunSummary[]> {
    const wrong = experiment.counts.failed + experiment.counts.invalid;
    if (wrong <= named.size || named.size >= maxNamedFailures) return [];
    const { runs } = await askedAgain(() =>
      lab.client.runs.list({ experiment: reference, states: ["failed", "invalid"], limit: maxNamedFailures }),
    );
    const fresh = runs.filter(({ id }) => !named.has(id));
    for (const { id } of fresh) named.add(id);
    return fresh;
  }
}
