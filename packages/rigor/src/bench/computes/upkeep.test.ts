import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LocalStager } from "../../provenance/staging/local-stager.ts";
import { TestBench } from "../bench.testing.ts";
import { Preparation } from "./preparation.ts";
import { Upkeep } from "./upkeep.ts";

test("what only ended experiments used goes after its time, and what others use stays [staging.clean-up]", async () => {
  const bench = await TestBench.open((data) => new LocalStager(data));
  const { lab } = bench;
  const preparation = new Preparation(lab);
  const { here } = lab.lanes;
  const prepare = async (id: string): Promise<string> => {
    const experiment = await bench.experiment(id);
    await new Promise<void>((done) => preparation.begin(experiment, here, done));
    const staged = preparation.get(id, here.id);
    if (staged === undefined) throw preparation.failure(id, here.id) ?? new Error(`${id} is not prepared`);
    return staged.directory;
  };
  const { experiment_id: running } = await bench.start({ name: "running" });
  const kept = await prepare(running);
  bench.write({ "run.sh": "echo other\n" });
  const { experiment_id: ended } = await bench.start({ name: "ended" });
  const unused = await prepare(ended);
  const used = join(lab.data.root, "used");
  const longAgo = Math.floor(Date.now() / 1_000) - 40 * 86_400;
  for (const name of readdirSync(used)) writeFileSync(join(used, name), `${longAgo}\n`);

  await new Upkeep(lab, preparation).cleanUp(here, new Set([running]), { in_use: [], inputs_in_use: [] });
  expect([existsSync(kept), existsSync(unused)]).toEqual([true, false]);
  expect(preparation.get(ended, here.id)).toBeUndefined();
  expect(await prepare(ended)).toBe(unused);
  expect(existsSync(unused)).toBe(true);
});
