/** Whole experiments on clusters behind a login node, by the command line: PBS, and Grid Engine by its commands. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gridEngineMissing, startGridEngine } from "../clusters/gridengine.ts";
import { startPbs } from "../clusters/pbs.ts";
import { sshMissing, startSshHosts } from "../clusters/ssh.ts";
import { experiment, UserLab } from "../e2e/lab.ts";
import { documented } from "./command.testing.ts";

interface Shown {
  attempt_list: { directory: string }[];
}

/** A cluster behind a login node, and what stands in `rigor.yaml` about it. */
interface Site {
  compute: Record<string, unknown>;
  stop: () => Promise<void>;
}

async function pbsSite(): Promise<Site> {
  const cluster = await startPbs();
  const environment = { PATH: cluster.environment()["PATH"] ?? "" };
  const hosts = await startSshHosts({ login: { shared: [cluster.directory], environment } });
  const stop = async () => {
    await hosts.stop();
    await cluster.stop();
  };
  const via = { ssh: "login", ssh_config: hosts.config };
  return { compute: { kind: "pbs", via, workdir: `${cluster.home}/it's work`, calls_per_minute: 600 }, stop };
}

async function gridEngineSite(): Promise<Site> {
  const cluster = await startGridEngine();
  const hosts = await startSshHosts({ [hostname()]: cluster.loginHost });
  const stop = async () => {
    await hosts.stop();
    await cluster.stop();
  };
  const via = { ssh: hostname(), ssh_config: hosts.config };
  const settings = documented("gridengine", { "/opt/sge/default/common/settings.sh": cluster.settings });
  return { compute: { ...settings, via, workdir: `${cluster.scratch}/it's work`, calls_per_minute: 600 }, stop };
}

const sites = [
  { name: "PBS", start: pbsSite, missing: sshMissing() },
  { name: "Grid Engine", start: gridEngineSite, missing: sshMissing() ?? gridEngineMissing() },
];

describe.each(sites.filter(({ missing }) => missing === null))(
  "an experiment on $name behind a login node",
  ({ start }) => {
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
      });
    }, 120_000);

    afterAll(async () => {
      await lab.close();
      await site.stop();
    });

    test("runs there to its decision, and what it made is here [compute.scheduler-runs]", async () => {
      const answer = await lab.rigor("run", "cluster.yaml");
      expect(answer.text).toContain("6 done");
      expect(answer.status).toBe(0);
      const runs = await lab.runs("cluster");
      expect(runs).toHaveLength(6);
      for (const run of runs) {
        const [attempt] = (await lab.json<Shown>("show", run.id)).attempt_list;
        const output = readFileSync(join(attempt?.directory ?? "", "stdout.log"), "utf8");
        expect(output).toBe("words of the input\nas committed\n");
      }
    });

    test("is checked with a job that runs and comes back", async () => {
      const answer = await lab.rigor("compute", "check", "cluster");
      expect(answer.stdout).toMatch(/ok +job +ran on /);
      expect(answer.status).toBe(0);
    });
  },
);
