import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decodeRow } from "../../store/tables.ts";
import { TestBench } from "../bench.testing.ts";
import { directoryOf, type Live } from "./live.ts";
import { Sightings } from "./sightings.ts";

test("a job is said to run when it has told on which machine, and until then nobody guesses [compute.shown-host]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start();
  const [run] = await bench.runs(id);
  if (run === undefined) throw new Error("The experiment has no runs.");
  const attempts = bench.db.selectFrom("attempts").selectAll();
  const row = await attempts.where("id", "=", await bench.begin(run)).executeTakeFirstOrThrow();
  const directory = mkdtempSync(join(tmpdir(), "rigor-attempt-"));
  const attempt = { ...decodeRow("attempts", row), directory };
  const live: Live = { attempt, run, experiment: await bench.experiment(id) };
  const sightings = new Sightings();

  sightings.started(live, "4711_3");
  expect(sightings.events).toEqual([]);
  writeFileSync(directoryOf(live).process, '{"host":"n2","pid":123,"started":"77","boot":"b"}\n');
  sightings.started(live, "4711_3");
  sightings.started(live, "4711_3");
  expect(sightings.events).toMatchObject([
    { kind: "attempt.started", entity: attempt.id, data: { host: "n2", process: { pid: 123, started: "77" } } },
  ]);
  expect(live.attempt).toMatchObject({ state: "running", host: "n2" });
});
