import type { Client, RunFilter } from "../../api/contract/contract.ts";
import type { RunSummary } from "../../api/contract/views/runs.ts";
import type { Context } from "../context.ts";
import { integer, plural } from "../output/format.ts";
import type { Invocation } from "../invocation.ts";
import { lookOf } from "../views/look.ts";
import { experimentTable } from "../views/experiment.ts";
import { closedNotes, runTable } from "../views/run.ts";

const states = [
  "failed",
  "active",
  "pending",
  "done",
  "held",
  "invalid",
  "cancelled",
] as const satisfies RunSummary["state"][];

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const filter = readFilter(invocation);
  const { client } = await context.lab();
  if (Object.keys(filter).length > 0) await listRuns(context, client, { ...filter, ...limit(invocation, 10_000) });
  else await listExperiments(context, client, { archived: invocation.flag("archived"), ...limit(invocation, 1_000) });
  return 0;
}

type Filter = Partial<RunFilter>;

/** What narrows runs down; empty when experiments are meant. */
function readFilter(invocation: Invocation): Filter {
  const experiment = invocation.word(0);
  const wanted = states.filter((state) => invocation.flag(state));
  const arm = invocation.text("arm");
  const task = invocation.text("task");
  const seed = invocation.number("seed");
  return {
    ...(experiment === undefined ? {} : { experiment }),
    ...(wanted.length === 0 ? {} : { states: wanted }),
    ...(invocation.flag("stale") ? { stale: true } : {}),
    ...(arm === undefined ? {} : { arm }),
    ...(task === undefined ? {} : { task }),
    ...(seed === undefined ? {} : { seed }),
  };
}

function limit(invocation: Invocation, most: number): { limit?: number } {
  const limit = invocation.number("limit");
  if (limit === undefined) return {};
  if (limit < 1 || limit > most) throw invocation.usageError(`--limit must be from 1 to ${integer(most)}.`);
  return { limit };
}

async function listRuns(context: Context, client: Client, filter: Filter): Promise<void> {
  await context.answer(await client.runs.list(filter), ({ runs, total, declared_metrics: declared }) => {
    if (runs.length === 0) return ["No run fits."];
    const more =
      total > runs.length ? [`${integer(runs.length)} of ${plural(total, "run")}; --limit N shows more.`] : [];
    return [...runTable(runs, declared, lookOf(context)), ...more, ...closedNotes(runs)];
  });
}

async function listExperiments(
  context: Context,
  client: Client,
  input: { archived: boolean; limit?: number },
): Promise<void> {
  await context.answer(await client.experiments.list(input), ({ experiments }) =>
    experiments.length === 0
      ? ["No experiment yet. `rigor init` writes a first one, `rigor run FILE` runs it."]
      : experimentTable(experiments, lookOf(context)),
  );
}
