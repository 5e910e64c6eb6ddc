/** Whole experiments on clusters behind a login node, by the command line: PBS, and Grid Engine by its commands. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { experiment, UserLab } from "../e2e/lab.ts";
import { chainFiles, expectChain } from "./needs.testing.ts";
import { sites, type Site } from "./sites.testing.ts";

interface Shown {
  attempt_list: { directory: string; job: string | null }[];
}

describe.each(sites)("an experiment on $name behind a login node", ({ start, job }) => {
  let site: Site;
  let lab: UserLab;

  beforeAll(async () => {
    site = await start();
    lab = new UserLab().init();
    lab.commit({
      "run.sh": `sleep 0.2; cat "$RIGOR_INPUT_WORDS" part.txt; printf '{"metrics":{"loss":%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"\n`,
      "part.txt": "as committed\n",
      "words.txt": "words of the input\n",
      "rigor.yaml": JSON.stringify({ compute: { cluster: site.compute } }),
      "cluster.yaml": experiment({
        name: "cluster",
        compute: ["cluster"],
        inputs: { words: { path: "words.txt" } },
        code: ["run.sh", "part.txt"],
        seeds: [1, 2, 3],
        run: "sh run.sh",
      }),
      ...chainFiles("cluster"),
    });
  });

  afterAll(async () => {
    await lab.close();
    await site.stop();
  });

  test("runs there to its decision, and what it made is here [compute.scheduler-runs] [compute.job-shown]", async () => {
    const answer = await lab.rigor("run", "cluster.yaml");
    expect(answer.text).toContain("6 done");
    expect(answer.status).toBe(0);
    const runs = await lab.runs("cluster");
    expect(runs).toHaveLength(6);
    for (const run of runs) {
      const [attempt] = (await lab.json<Shown>("show", run.id)).attempt_list;
      const output = readFileSync(join(attempt?.directory ?? "", "stdout.log"), "utf8");
      expect(output).toBe("words of the input\nas committed\n");
      expect(attempt?.job).toMatch(job);
    }
  });

  test("is given outputs of runs that were made there [needs.hosts] [needs.order] [F23]", () => expectChain(lab));

  test("is checked with a job that runs and comes back", async () => {
    const answer = await lab.rigor("compute", "check", "cluster");
    expect(answer.stdout).toMatch(/ok +job +ran on /);
    expect(answer.status).toBe(0);
  });
});
