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

interface Listed {
  name: string;
  trouble: { message: string } | null;
}

interface Manifest {
  host: { name: string };
}

/** The first attempt of a run. */
async function attemptOf(lab: UserLab, run: string): Promise<Shown["attempt_list"][number]> {
  const [attempt] = (await lab.json<Shown>("show", run)).attempt_list;
  if (attempt === undefined) throw new Error(`${run} has no attempt`);
  return attempt;
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
    await hosts.host("hostA").run("mkdir /tmp/full && mount -t tmpfs -o size=1m none /tmp/full");
    lab = new UserLab().init();
    const compute = (host: string) => ({ kind: "ssh", host, ssh_config: hosts.config, cpus: 2 });
    lab.commit({
      "run.sh": program,
      "part.txt": "as committed\n",
      "words.txt": "words of the input\n",
      "rigor.yaml": JSON.stringify({
        compute: {
          hostA: compute("hostA"),
          hostB: compute("hostB"),
          nowhere: compute("nowhere.invalid"),
          full: { ...compute("hostA"), workdir: "/tmp/full" },
        },
      }),
      "silent.yaml": experiment({ ...described, name: "silent", compute: ["nowhere", "hostA"], seeds: [4] }),
      "steered.yaml": experiment({ ...described, name: "steered", compute: ["hostA", "hostB"], seeds: [5] }),
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
      const attempt = await attemptOf(lab, run.id);
      const where = readFileSync(join(attempt.directory, "output/where.txt"), "utf8");
      places.add(where.replace(/.* on /, ""));
      expect(readFileSync(join(attempt.directory, "stdout.log"), "utf8")).toBe("words of the input\nas committed\n");
    }
    expect(places).toEqual(new Set(["hostA", "hostB"]));
  });

  test("goes on without a host that does not answer, and says so [F11] [compute.placement]", async () => {
    const answer = await lab.rigor("run", "silent.yaml");
    expect(answer.text).toContain("no answer from nowhere");
    expect(answer.text).toContain("2 done");
    const { computes } = await lab.json<{ computes: Listed[] }>("compute", "list");
    expect(computes.find(({ name }) => name === "nowhere")?.trouble).toMatchObject({
      message: expect.stringContaining("gave no answer") as string,
    });
  });

  test("are checked with a job, and what is wrong is told with its remedy [compute.check]", async () => {
    const good = await lab.rigor("compute", "check", "hostB");
    expect(good.stdout).toMatch(/ok +job +ran on hostB and came back in/);
    expect(good.status).toBe(0);
    const silent = await lab.rigor("compute", "check", "nowhere");
    expect(silent.stdout).toMatch(
      /wrong +reach +nowhere\.invalid gave no answer[^]*Try it by hand: ssh nowhere\.invalid true/,
    );
    expect(silent.status).toBe(1);
    const full = await lab.rigor("compute", "check", "full");
    expect(full.stdout).toMatch(/wrong +disk/);
    expect(full.status).toBe(1);
  });

  test("start nothing while they rest or are drained, until a person says so [compute.steering]", async () => {
    await lab.rigor("compute", "drain", "hostA", "-m", "maintenance");
    await lab.rigor("compute", "rest", "hostB", "--for", "1h");
    await lab.rigor("run", "--detach", "steered.yaml");
    const listed = (await lab.rigor("compute")).stdout;
    expect(listed).toMatch(/hostA.* drained: maintenance/);
    expect(listed).toMatch(/hostB.* resting until /);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect((await lab.runs("steered")).map(({ state }) => state)).toEqual(["pending", "pending"]);
    await lab.rigor("compute", "use", "hostB");
    expect((await lab.rigor("run", "steered.yaml")).text).toContain("2 done");
    await lab.rigor("compute", "use", "hostA");
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
      "large.yaml": experiment({
        ...described,
        name: "large",
        compute: ["cluster"],
        seeds: [8],
        resources: { gpus: 99 },
      }),
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
      const attempt = await attemptOf(lab, run.id);
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
    expect((await lab.runs("closed")).map(({ attempts }) => attempts)).toEqual([0, 0]);
    const large = await lab.rigor("run", "large.yaml");
    expect(large.status).toBe(3);
    expect(large.text).toContain("Requested node configuration is not available");
    expect((await lab.runs("large")).map(({ state, attempts }) => `${state} ${attempts}`)).toEqual([
      "pending 1",
      "pending 1",
    ]);
  });
});
