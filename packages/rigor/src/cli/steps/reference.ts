import type { Client } from "../../api/contract/contract.ts";
import type { RunDetail } from "../../api/contract/views/runs.ts";
import { RigorError } from "../../domain/errors.ts";
import { isFailure } from "../output/failure.ts";

type ExperimentAnswer = Awaited<ReturnType<Client["experiments"]["get"]>>;

export type Found = ({ kind: "experiment" } & ExperimentAnswer) | { kind: "run"; run: RunDetail };

/** Run ids are hexadecimal; fewer digits than this are too easily a word. */
const runId = /^[0-9a-f]{4,64}$/i;

/**
 * What a reference names. A name that could be the beginning of a run's id is an experiment if one is called so.
 *
 * @throws RigorError `not-found` if it names nothing; the daemon's `ambiguous` if it names several things.
 */
export async function resolve(client: Client, reference: string): Promise<Found> {
  const asked = [
    client.experiments.get({ reference }).then((answer): Found => ({ kind: "experiment", ...answer })),
    ...(runId.test(reference)
      ? [client.runs.get({ reference: reference.toLowerCase() }).then((run): Found => ({ kind: "run", run }))]
      : []),
  ];
  const answers = await Promise.allSettled(asked);
  const found = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  const named = found.find((one) => one.kind === "experiment" && one.experiment.name === reference);
  const best = named ?? found.find(({ kind }) => kind === "run") ?? found[0];
  if (best !== undefined) return best;
  const reasons = answers.flatMap((answer): unknown[] => (answer.status === "rejected" ? [answer.reason] : []));
  const telling = reasons.find((reason) => !isFailure(reason, "not-found"));
  if (telling instanceof Error) throw telling;
  throw new RigorError("not-found", `No experiment and no run is called ${reference}.`, {
    next: "`rigor list` shows the experiments, `rigor list EXPERIMENT` its runs.",
  });
}
