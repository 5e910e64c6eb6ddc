import { sql, type Kysely } from "kysely";
import type { DaemonRow, Database, DriverRow } from "./tables.ts";

/** What a daemon says of itself to the others. */
export type DaemonFacts = Pick<DaemonRow, "member" | "host" | "pid" | "data_directory" | "version">;

/** Which daemon drives a resource. */
export interface Driver extends Pick<DriverRow, "resource" | "fence" | "home"> {
  /** Null for one that nobody drives. */
  daemon: Pick<DaemonRow, "id" | "member" | "host" | "pid" | "data_directory"> | null;
  /** False when its daemon has ended or has not been heard of for too long: others may take it. */
  is_driven: boolean;
}

/** The clock that all daemons share: epoch seconds of the database's server. */
export const now = sql<number>`extract(epoch from clock_timestamp())::float8`;

/** The daemons that share a database, and who of them drives what. Only reads. */
export class Roster {
  readonly #db: Kysely<Database>;

  constructor(db: Kysely<Database>) {
    this.#db = db;
  }

  /** Who drives what; of some resources, or of all. */
  async drivers(resources?: readonly string[]): Promise<Driver[]> {
    if (resources?.length === 0) return [];
    let query = this.#db
      .selectFrom("drivers")
      .leftJoin("daemons", "daemons.id", "drivers.daemon")
      .select(["resource", "fence", "home", "daemons.id", "member", "host", "pid", "data_directory"])
      .select(
        sql<boolean>`coalesce(daemons.ended_at is null and daemons.lives_until >= ${now}, false)`.as("is_driven"),
      );
    if (resources !== undefined) query = query.where("resource", "in", resources);
    const rows = await query.orderBy("resource").execute();
    return rows.map(({ resource, fence, home, is_driven, id, member, host, pid, data_directory }) => ({
      ...{ resource, fence, home, is_driven },
      daemon:
        id === null || member === null || host === null || pid === null || data_directory === null
          ? null
          : { id, member, host, pid, data_directory },
    }));
  }

  /** The daemons that live, the oldest first. */
  async daemons(): Promise<(DaemonFacts & { id: string })[]> {
    return this.#db
      .selectFrom("daemons")
      .select(["id", "member", "host", "pid", "data_directory", "version"])
      .where("ended_at", "is", null)
      .where("lives_until", ">=", now)
      .orderBy("started_at")
      .execute();
  }

  /** The daemon, living or not, whose data directory a file is in; null for none. */
  async daemonOf(path: string): Promise<Pick<DaemonRow, "member" | "host"> | null> {
    const row = await this.#db
      .selectFrom("daemons")
      .select(["member", "host"])
      .where(sql<boolean>`starts_with(${path}::text, data_directory || '/')`)
      .orderBy("started_at", "desc")
      .executeTakeFirst();
    return row ?? null;
  }

  /** The host that a member was on last; null for one that was never seen. */
  async hostOf(member: string): Promise<string | null> {
    const row = await this.#db
      .selectFrom("daemons")
      .select("host")
      .where("member", "=", member)
      .orderBy("started_at", "desc")
      .executeTakeFirst();
    return row?.host ?? null;
  }
}
