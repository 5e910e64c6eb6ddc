/** Whole experiments on other machines, by the command line: hosts over SSH, and a cluster behind a login node. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SlurmCluster, slurmMissing, startSlurm } from "../clusters/slurm.ts";
import { startSshHosts, sshMissing, type SshLab } from "../clusters/ssh.ts";
import { experiment, UserLab } from "../e2e/lab.ts";

const program = `printf '%s' "$RIGOR_ARM on $(cat /proc/sys/kernel/hostname)" >"$RIGOR_OUTPUT/where.txt"
cat "$RIGOR_INPUT_WORDS" part.txt
printf '{"metrics":{"loss":%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
`;

interface Shown {
  attempt_list: { directory: string; compute: string; host: string }[];
}

interface Manifest {
  host: { name: string };
}

const described = {
  inputs: { words: { path: "words.txt" } },
  outputs: { artifacts: ["where.txt"] },
  code: ["run.sh", "part.txt"],
  seeds: [1, 2, 3],
  run: "sh run.sh",
};

describe.skipIf(sshMissing() !== null)("an experiment on hosts over SSH", () => {
  let hosts: SshLab;
  let lab: UserLab;

  beforeAll(async () => {
    hosts = await startSshHosts({ hostA: {}, hostB: { shell: "/bin/dash", noise: "Welcome!" } });
    lab = new UserLab().init();
    const compute = (host: string) => ({ kind: "ssh", host, ssh_config: hosts.config, cpus: 2 });
    lab.commit({
      "run.sh": program,
      "part.txt": "as committed\n",
      "words.txt": "words of the input\n",
      "rigor.yaml": JSON.stringify({ compute: { hostA: compute("hostA"), hostB: compute("hostB") } }),
      "both.yaml": experiment({
        name: "both",
        compute: ["hostA", "hostB"],
        ...described,
      }),
    });
  });

  afterAll(async () => {
    await lab.close();
    await hosts.stop();
  });

  test("runs there to its decision, and what it made is here [compute.ssh-runs]", async () => {
    const answer = await lab.rigor("run", "both.yaml");
    expect(answer.text).toContain("6 done");
    expect(answer.status).toBe(0);
    const runs = await lab.runs("both");
    const places = new Set<string>();
    for (const run of runs) {
      const shown = await lab.json<{ attempt_list: { directory: string; compute: string; host: string }[] }>(
        "show",
        run.id,
      );
      const [attempt] = shown.attempt_list;
      if (attempt === undefined) throw new Error("no attempt");
      const where = readFileSync(join(attempt.directory, "output/where.txt"), "utf8");
      places.add(where.replace(/.* on /, ""));
      expect(readFileSync(join(attempt.directory, "stdout.log"), "utf8")).toBe("words of the input\nas committed\n");
    }
    expect(places).toEqual(new Set(["hostA", "hostB"]));
  });
});

describe.skipIf(slurmMissing() !== null)("an experiment on Slurm behind a login node", () => {
  let cluster: SlurmCluster;
  let hosts: SshLab;
  let lab: UserLab;

  beforeAll(async () => {
    cluster = await startSlurm();
    hosts = await startSshHosts({ login: cluster.loginHost });
    lab = new UserLab().init();
    const via = { ssh: "login", ssh_config: hosts.config };
    lab.commit({
      "run.sh": program,
      "part.txt": "as committed\n",
      "words.txt": "words of the input\n",
      "rigor.yaml": JSON.stringify({
        compute: {
          cluster: { kind: "slurm", via, calls_per_minute: 600 },
          closed: { kind: "slurm", via, partition: "nowhere", calls_per_minute: 600 },
        },
      }),
      "cluster.yaml": experiment({ ...described, name: "cluster", compute: ["cluster"] }),
      "closed.yaml": experiment({ ...described, name: "closed", compute: ["closed"], seeds: [7] }),
    });
  });

  afterAll(async () => {
    await lab.close();
    await hosts.stop();
    await cluster.stop();
  });

  test("runs on its nodes to its decision, and what it made is here [compute.slurm-runs]", async () => {
    const answer = await lab.rigor("run", "cluster.yaml");
    expect(answer.text).toContain("6 done");
    expect(answer.status).toBe(0);
    const places = new Set<string>();
    for (const run of await lab.runs("cluster")) {
      const { attempt_list } = await lab.json<Shown>("show", run.id);
      const [attempt] = attempt_list;
      if (attempt === undefined) throw new Error("no attempt");
      places.add(readFileSync(join(attempt.directory, "output/where.txt"), "utf8").replace(/.* on /, ""));
      const manifest = JSON.parse(readFileSync(join(attempt.directory, "manifest.json"), "utf8")) as Manifest;
      places.add(manifest.host.name);
    }
    expect([...places].filter((place) => !["n1", "n2"].includes(place))).toEqual([]);
  });

  test("is held with the scheduler's own words when that refuses [compute.own-words]", async () => {
    const answer = await lab.rigor("run", "closed.yaml");
    expect(answer.status).toBe(3);
    expect(answer.text).toContain("invalid partition specified: nowhere");
    expect(await lab.runs("closed")).toEqual(
      expect.arrayContaining([expect.objectContaining({ state: "pending", attempts: 1 })]),
    );
  });
});
