/**
 * A process that writes to a store until it is killed or has taken its turns, for tests.
 *
 * `node writer.testing.ts TARGET NAME TURNS [soon]` prints one line per commit that was acknowledged: the position of its last
 * event. TARGET is a file or the URL of a PostgreSQL database; NAME makes its ids its own.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { attemptCandidates } from "../domain/events/events.testing.ts";
import { openPostgresStore, openSqliteStore } from "./open.ts";
import type { Transaction } from "./store.ts";

const [, , target = "", name = "", turns = "0", durability] = process.argv;
const store = await (target.startsWith("postgres") ? openPostgresStore(target) : openSqliteStore(target));

for (let turn = 0; turn < Number(turns); turn++) {
  const run = `${name}-${turn}`;
  const decide = async (transaction: Transaction) => {
    const row = await transaction.db
      .selectFrom("placements")
      .select(({ fn }) => fn.countAll<number>().as("count"))
      .executeTakeFirstOrThrow();
    const position = row.count;
    const at = { experiment_id: "e1", position, arm: "a", task: "t", grid: {}, seed: turn };
    const placement = { ...at, stages: [0], in_final_stage: true };
    await transaction.append([{ kind: "run.created", entity: run, data: { parameters: {}, needs: {}, placement } }]);
    const wanted = new Set(["attempt.queued", "attempt.submitted", "attempt.started"]);
    await transaction.append(attemptCandidates(run, 1).filter((event) => wanted.has(event.kind)));
    return transaction.events.at(-1)?.position;
  };
  const last = await store.transact(name, decide, durability === "soon" ? durability : "at-once");
  process.stdout.write(`${last}\n`);
  // Whoever else waits for the database's lock asks for it now and then only, and must find it free once.
  await sleep(1);
}
await store.close();
