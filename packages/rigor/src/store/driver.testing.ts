/**
 * A daemon as far as the store goes, for tests: it drives a resource and writes an event in every turn.
 *
 * `node driver.testing.ts URL MEMBER RESOURCE PATIENCE [freeze]` prints `driving FENCE` when it drives the resource, then
 * `wrote POSITION` for each event, `refused` for each turn that was undone, and `lost` when another has taken over; then
 * it ends. With `freeze` it stops itself in the middle of its first turn, until somebody lets it go on.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { runCreated } from "./suite.testing.ts";
import { Drivers } from "./drivers.ts";
import { openPostgresStore } from "./open.ts";

const [, , url = "", member = "", resource = "", patience = "", freeze] = process.argv;
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const store = await openPostgresStore(url);
const facts = { member, host: "test", pid: process.pid, data_directory: `/${member}`, version: "0.0.0" };
const told = new Set<"lost" | "refused">();
const drivers = await Drivers.join(store, url, facts, {
  patience: Number(patience),
  onLost: () => {
    told.add("lost");
    say("lost");
  },
});

while (!drivers.drives(resource)) {
  await drivers.take([resource]);
  await sleep(50);
}
say(`driving ${drivers.fenceOf(resource)}`);

// Both are said, in any order: a turn in which it was stopped may be undone by the server, which says nothing of others,
// and a renewal may be told before the next turn is.
for (let turn = 0; told.size < 2; turn += 1) {
  try {
    const position = await store.transact(member, async (transaction) => {
      await transaction.append([runCreated(`${member}-${drivers.fenceOf(resource)}-${turn}`)]);
      if (freeze !== undefined && turn === 0) process.kill(process.pid, "SIGSTOP");
      return transaction.events.at(-1)?.position;
    });
    say(`wrote ${position}`);
  } catch (error) {
    told.add("refused");
    say(`refused ${error instanceof Error ? error.message : String(error)}`);
  }
  await sleep(20);
}
process.exit(0);
