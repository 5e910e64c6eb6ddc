import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { RigorError } from "../domain/errors.ts";
import { ownershipLock } from "./dialects/postgres.ts";
import { databaseError } from "./errors.ts";

/** What one owner tells another that is refused, in the table `meta`. */
const ownerKey = "owner";

/** The server may take a moment to notice that the last owner was killed. */
const patienceMs = 2_000;

export interface PostgresOwnership {
  /** Says for others who the owner is, for example `pid 12 on lab1 at http://127.0.0.1:4000`. */
  announce: (description: string) => Promise<void>;
  release: () => Promise<void>;
}

/**
 * Takes a shared database for this process, until the process ends or its connection does: an advisory lock of a
 * session that does nothing else, so that no stale lock can remain.
 *
 * @param onLoss called once if the connection is lost: another daemon may then become the owner, so that this one must
 *   end at once
 * @throws RigorError `database` if another process is the owner, or the server does not answer
 */
export async function takePostgresOwnership(url: string, onLoss: (error: Error) => void): Promise<PostgresOwnership> {
  const { default: pg } = await import("pg");
  // Silence is noticed: a connection that a network has forgotten would else look alive for hours.
  const client = new pg.Client({ connectionString: url, keepAlive: true, keepAliveInitialDelayMillis: 10_000 });
  let released = false;
  const lost = (error: Error) => {
    if (released) return;
    released = true;
    onLoss(error);
  };
  // Before the lock is held a failure belongs to whoever waits for the query.
  let onError: (error: Error) => void = () => undefined;
  client.on("error", (error) => onError(error));
  client.on("end", () => onError(new Error("the connection to the PostgreSQL server has ended")));
  try {
    await client.connect();
    await takeLock(client);
  } catch (error) {
    await client.end().catch(() => undefined);
    throw databaseError(error);
  }
  onError = lost;
  return {
    announce: async (description) => {
      await client.query(
        "insert into meta (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value",
        [ownerKey, description],
      );
    },
    release: async () => {
      if (released) return;
      released = true;
      await client.query("delete from meta where key = $1", [ownerKey]);
      await client.end();
    },
  };
}

async function takeLock(client: Client): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const { rows } = await client.query<{ taken: boolean }>(
      `select pg_try_advisory_lock(${ownershipLock}, hashtext(current_schema())) as taken`,
    );
    if (rows[0]?.taken === true) return;
    if (performance.now() > deadline) break;
    await sleep(100);
  }
  // Not `already-running`: whoever hears that waits for a daemon in its own data directory.
  throw new RigorError("database", `Another daemon uses this database: ${await ownerOf(client)}.`, {
    next: "Use that one, or end it with `rigor down` where it runs.",
  });
}

async function ownerOf(client: Client): Promise<string> {
  const { rows: tables } = await client.query<{ found: string | null }>("select to_regclass('meta')::text as found");
  if (tables[0]?.found === null) return "it is just starting";
  const { rows } = await client.query<{ value: string }>("select value from meta where key = $1", [ownerKey]);
  return rows[0]?.value ?? "it is just starting";
}
