import type { ExperimentRecord } from "../../domain/records.ts";
import type { Store } from "../../store/store.ts";
import { findExperiment } from "../records/lookup.ts";

/** States that are left without anybody's doing. */
const goesOn: ReadonlySet<ExperimentRecord["state"]> = new Set(["draft", "running", "deciding"]);

/**
 * An experiment, as soon as something has happened to it - its end, a hold, its next stage - or after a while. One that
 * goes on only if somebody does something is not waited for.
 *
 * @param seconds at most; news that another daemon writes into a shared database is not heard before
 * @param noLonger ends the waiting
 * @throws RigorError `not-found`
 */
export async function waitForNews(
  store: Store,
  reference: string,
  seconds: number,
  noLonger: AbortSignal,
): Promise<ExperimentRecord> {
  const changed = new Set<string>();
  let onChange = (): void => undefined;
  // Listens before it reads: what happens in between is no less news.
  const unsubscribe = store.subscribe((events) => {
    for (const { kind, entity } of events) if (kind.startsWith("experiment.")) changed.add(entity);
    onChange();
  });
  try {
    const experiment = await findExperiment(store.db, reference);
    const { id } = experiment;
    if (seconds <= 0 || !goesOn.has(experiment.state) || noLonger.aborted) return experiment;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, seconds * 1_000);
      const finish = (): void => {
        clearTimeout(timer);
        resolve();
      };
      noLonger.addEventListener("abort", finish, { once: true });
      onChange = () => {
        if (changed.has(id)) finish();
      };
      onChange();
    });
    return await findExperiment(store.db, id);
  } finally {
    unsubscribe();
  }
}
