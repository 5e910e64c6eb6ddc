import type { Compute } from "../../domain/files/compute-schema.ts";
import type { Staged } from "../../provenance/staging/stager.ts";
import type { Store } from "../../store/store.ts";
import type { OfferRow } from "../../store/tables.ts";

/** An experiment that is ready on a compute, whoever drives either. */
export interface Offer {
  experiment_id: string;
  compute_id: string;
  /** As `rigor.yaml` of the experiment's repository names the compute. */
  name: string;
  /** Its place in the order of preference; null when the experiment does not name it any more. */
  rank: number | null;
  /** With the limits that stand in that `rigor.yaml`. */
  configuration: Compute;
  staged: Staged;
}

/**
 * What daemons that share a lab tell each other of experiments and computes. Only the daemon of the machine that an
 * experiment was started on has its repository: it makes the experiment ready everywhere. Who drives a compute then
 * needs nothing else to start runs there, nor does who takes either over.
 */
export class Offers {
  readonly #store: Store;
  readonly #published = new Map<string, string>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Says which computes an experiment is ready on; those that it does not name any more are marked so. */
  async publish(experimentId: string, offers: readonly Omit<Offer, "experiment_id">[], named: readonly string[]) {
    const rows = offers.map((offer): OfferRow => ({
      ...offer,
      experiment_id: experimentId,
      configuration: JSON.stringify(offer.configuration),
      staged: JSON.stringify(offer.staged),
    }));
    const text = JSON.stringify([rows, named]);
    if (this.#published.get(experimentId) === text) return;
    // A turn of the store, so that a daemon that another has taken over from overwrites nothing.
    await this.#store.transact("daemon", async ({ db: trx }) => {
      for (const row of rows) {
        const { experiment_id: _, compute_id: __, ...changed } = row;
        await trx
          .insertInto("offers")
          .values(row)
          .onConflict((conflict) => conflict.columns(["experiment_id", "compute_id"]).doUpdateSet(changed))
          .execute();
      }
      const others = trx.updateTable("offers").set({ rank: null }).where("experiment_id", "=", experimentId);
      await (named.length === 0 ? others : others.where("compute_id", "not in", named)).execute();
    });
    this.#published.set(experimentId, text);
  }

  /** Everything that is offered to some computes by some experiments, in the order of preference. */
  async read(computeIds: readonly string[], experimentIds: readonly string[]): Promise<Offer[]> {
    if (computeIds.length === 0 || experimentIds.length === 0) return [];
    const rows = await this.#store.db
      .selectFrom("offers")
      .selectAll()
      .where("compute_id", "in", computeIds)
      .where("experiment_id", "in", experimentIds)
      .orderBy("rank")
      .execute();
    return rows.map(({ configuration, staged, ...row }) => ({
      ...row,
      configuration: JSON.parse(configuration) as Compute,
      staged: JSON.parse(staged) as Staged,
    }));
  }
}
