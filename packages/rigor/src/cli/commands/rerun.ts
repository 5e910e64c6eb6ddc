import type { Client } from "../../api/contract/contract.ts";
import { changeNamed } from "../steps/changes.ts";
import type { Context } from "../context.ts";
import { plural } from "../output/format.ts";
import type { Invocation } from "../invocation.ts";

type Which = "failed" | "stale";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const reference = invocation.word(0);
  const which = readWhich(invocation);
  if (reference === undefined && which === null) {
    throw invocation.usageError("Say what to run again: --failed, --stale, or a run.");
  }
  const searchPath = context.environment["PATH"] ?? "";
  if (reference === undefined) return rerunEverywhere(context, which ?? "failed", searchPath);
  return changeNamed(context, invocation, {
    run: async (client, change) => {
      if (which !== null) throw invocation.usageError(`--${which} is for experiments; ${reference} is a run.`);
      return client.runs.rerun(change);
    },
    experiment: async (client, change) => {
      if (which === null) throw invocation.usageError(`Say which runs of ${reference}: --failed or --stale.`);
      return client.experiments.rerun({ reference: change.reference, which, search_path: searchPath });
    },
  });
}

function readWhich(invocation: Invocation): Which | null {
  const failed = invocation.flag("failed");
  const stale = invocation.flag("stale");
  if (failed && stale) throw invocation.usageError("Choose one of --failed and --stale.");
  if (failed) return "failed";
  return stale ? "stale" : null;
}

async function rerunEverywhere(context: Context, which: Which, searchPath: string): Promise<number> {
  const { client } = await context.lab();
  const references = which === "failed" ? await withFailures(client) : await withStaleRuns(client);
  const experiments: Awaited<ReturnType<Client["experiments"]["rerun"]>>[] = [];
  for (const reference of references) {
    experiments.push(await client.experiments.rerun({ reference, which, search_path: searchPath }));
  }
  const changed = experiments.reduce((sum, one) => sum + one.changed, 0);
  await context.answer({ changed, experiments }, (answer) =>
    answer.experiments.length === 0
      ? [which === "failed" ? "No run has failed." : "No run is stale."]
      : [
          ...answer.experiments.map(({ message }) => message),
          `${plural(answer.experiments.length, "experiment")} in all.`,
        ],
  );
  return 0;
}

async function withFailures(client: Client): Promise<string[]> {
  const { experiments } = await client.experiments.list({ limit: 1_000 });
  return experiments.filter(({ counts }) => counts.failed + counts.invalid > 0).map(({ reference }) => reference);
}

async function withStaleRuns(client: Client): Promise<string[]> {
  const { runs } = await client.runs.list({ stale: true, limit: 10_000 });
  return [...new Set(runs.map(({ experiment }) => experiment))];
}
