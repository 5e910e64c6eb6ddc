import { RigorError } from "../../domain/errors.ts";
import type { Compute } from "../../domain/files/compute-schema.ts";
import type { ComputeRecord } from "../../domain/records.ts";
import { machineOfId, memberOfId, sharedComputeId } from "../../domain/rules/compute-rules.ts";
import type { Store } from "../../store/store.ts";
import { decodeRow } from "../../store/tables.ts";
import { Lane, type Connection } from "./lane.ts";

/** Makes the connection to a compute; nothing is asked of it yet. */
export type Connect = (id: string, configuration: Compute) => Connection;

/** What this machine offers where `rigor.yaml` does not limit it. */
const here: Compute = { kind: "local", cpus: "auto", memory: "auto", gpus: "auto" };

/** All computes that are in use, each by one lane. */
export class Lanes {
  /** This machine. */
  readonly here: Lane;
  readonly #store: Store;
  readonly #connect: Connect;
  readonly #member: string | null;
  readonly #lanes = new Map<string, Lane>();
  readonly #listeners = new Set<(attempt: string) => void>();

  /** @param member names this daemon's data directory among those that share the lab; null where there is only one */
  constructor(store: Store, connect: Connect, member: string | null = null) {
    this.#store = store;
    this.#connect = connect;
    this.#member = member;
    this.here = this.#add(this.#idOf(here), here, null);
    this.here.isAdopted = true;
  }

  #idOf(configuration: Compute): string {
    return sharedComputeId(configuration, this.#member);
  }

  /** The lane of a compute as `rigor.yaml` describes it, if it is open. */
  find(configuration: Compute): Lane | undefined {
    return this.#lanes.get(this.#idOf(configuration));
  }

  get(id: string): Lane | undefined {
    return this.#lanes.get(id);
  }

  all(): Lane[] {
    return [...this.#lanes.values()];
  }

  /** The lane of a compute as `rigor.yaml` describes it. The first time, the log takes down how it is reached. */
  async open(configuration: Compute): Promise<Lane> {
    const id = this.#idOf(configuration);
    const known = this.#lanes.get(id);
    if (known !== undefined) {
      known.limit(configuration);
      return known;
    }
    const record = await this.#note(id, configuration);
    return this.#lanes.get(id) ?? this.#add(id, configuration, record);
  }

  /** Whether a compute of this id can be reached from here: `local` of another machine cannot. */
  isReachable(id: string): boolean {
    return (memberOfId(id) ?? this.#member) === this.#member;
  }

  /** The lane of a compute that attempts were started on before. */
  async reopen(id: string): Promise<Lane> {
    const known = this.#lanes.get(id);
    if (known !== undefined) return known;
    if (!this.isReachable(id)) throw new RigorError("internal", `${id} is on another machine of the lab.`);
    const record = await this.#recordOf(id);
    if (record === null) throw new RigorError("internal", `Attempts are on the compute ${id}, which no record names.`);
    return this.#add(id, record.configuration, record);
  }

  /** Takes down how this machine is used, too, before something is said about it. */
  async note(lane: Lane): Promise<void> {
    lane.record ??= await this.#note(lane.id, lane.configuration);
  }

  /** Reads what the log says of computes now. */
  async refresh(): Promise<void> {
    for (const lane of this.all()) lane.record = await this.#recordOf(lane.id);
  }

  async #recordOf(id: string): Promise<ComputeRecord | null> {
    const row = await this.#store.db.selectFrom("computes").selectAll().where("id", "=", id).executeTakeFirst();
    return row === undefined ? null : decodeRow("computes", row);
  }

  async #note(id: string, configuration: Compute): Promise<ComputeRecord | null> {
    await this.#store.transact("daemon", async (transaction) => {
      const row = await transaction.db.selectFrom("computes").select("id").where("id", "=", id).executeTakeFirst();
      if (row !== undefined) return;
      await transaction.append([{ kind: "compute.noted", entity: id, data: { configuration } }]);
    });
    return this.#recordOf(id);
  }

  /** Calls the listener soon after a job has changed, where its executor can know. */
  onChange(listener: (attempt: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async settle(): Promise<void> {
    await Promise.all(this.all().map((lane) => lane.settle()));
  }

  /** Waits no longer for other machines: what was asked of them is asked again by the next daemon. */
  async letGo(): Promise<void> {
    const others = this.all().filter((lane) => !lane.isHere);
    await Promise.all(others.map((lane) => lane.executor.close()));
  }

  async close(): Promise<void> {
    await Promise.all(this.all().map((lane) => lane.executor.close()));
  }

  #add(id: string, configuration: Compute, record: ComputeRecord | null): Lane {
    const lane = new Lane(id, configuration, this.#connect(id, configuration), machineOfId(id));
    lane.record = record;
    lane.isAdopted = this.#member === null;
    lane.executor.onChange((attempt) => {
      for (const listener of this.#listeners) listener(attempt);
    });
    this.#lanes.set(id, lane);
    return lane;
  }
}
