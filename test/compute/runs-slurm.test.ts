/** Whole experiments on a Slurm cluster behind a login node, by the command line. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SlurmCluster, slurmMissing, startSlurm } from "../clusters/slurm.ts";
import { startSshHosts, type SshLab } from "../clusters/ssh.ts";
import { experiment, UserLab } from "../e2e/lab.ts";
import { chainFiles, expectChain } from "./needs.testing.ts";
import { attemptOf, described, program, type Shown } from "./runs.testing.ts";

interface Waiting {
  reason: string | null;
  runs: number;
}

interface Manifest {
  restarts: number | null;
  resumed_from: { attempt: string; compute: string } | null;
  host: { name: string };
}

describe.skipIf(slurmMissing() !== null)("an experiment on Slurm behind a login node", () => {
  let cluster: SlurmCluster;
  let hosts: SshLab;
  let lab: UserLab;
  /** One whose jobs a partition never starts, unless it is changed. */
  const quarter = (name: string, changes: Record<string, unknown>) =>
    experiment({ ...described, name, compute: ["quarter"], resources: { time: "2h" }, ...changes });

  beforeAll(async () => {
    cluster = await startSlurm({ settings: ["PartitionName=quarter Nodes=ALL MaxTime=15"] });
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
          short: { kind: "slurm", via, partition: "short", calls_per_minute: 600 },
          modular: { kind: "slurm", via, modules: ["good/1.0"], calls_per_minute: 600 },
          brief: { kind: "slurm", via, partition: "brief", calls_per_minute: 600 },
          quarter: { kind: "slurm", via, partition: "quarter", calls_per_minute: 600 },
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
      "queue.yaml": experiment({
        ...described,
        name: "queue",
        compute: ["cluster"],
        run: "while [ ! -e go ]; do sleep 0.1; done; sh run.sh".replace("go", `${cluster.scratch}/go`),
        resources: { gpus: 2 },
      }),
      "long.yaml": experiment({
        ...described,
        name: "long",
        compute: ["short"],
        seeds: [9],
        resources: { time: "10m" },
      }),
      "longer.yaml": quarter("longer", { seeds: [10] }),
      "elsewhere.yaml": quarter("elsewhere", { seeds: [11] }),
      "closed.yaml": experiment({ ...described, name: "closed", compute: ["closed"], seeds: [7] }),
      "again.yaml": experiment({
        ...described,
        name: "again",
        arms: { one: {} },
        compute: ["cluster"],
        seeds: [3],
        run: `echo "from \${RIGOR_RESUME-nothing}"; mkdir -p "$RIGOR_OUTPUT/checkpoints"
          echo x >>"$RIGOR_OUTPUT/checkpoints/step"; while [ ! -e ${cluster.scratch}/finish ]; do sleep 0.1; done; sh run.sh`,
      }),
      "modular.yaml": experiment({
        ...described,
        name: "modular",
        compute: ["modular"],
        seeds: [6],
        run: 'echo "the module is $GOOD"; sh run.sh',
      }),
      ...chainFiles("cluster"),
    });
  });

  afterAll(async () => {
    await lab.close();
    await hosts.stop();
    await cluster.stop();
  });

  test("runs on its nodes to its decision, and what it made is here [compute.slurm-runs] [compute.true-ends] [compute.job-shown]", async () => {
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
    // Its jobs have ended well for Slurm, too.
    const listed = await cluster.client("squeue", "--noheader", "--states=all", "--array", "--format=%i %T");
    const jobs = new Map(
      listed.split("\n").flatMap((line) => (line === "" ? [] : [line.split(" ") as [string, string]])),
    );
    expect([...new Set(jobs.values())]).toEqual(["COMPLETED"]);
    for (const { id, host } of await lab.runs("cluster")) {
      expect(["n1", "n2"]).toContain(host);
      const shown = (await lab.rigor("show", id)).stdout;
      expect(shown).toContain("By hand, in any shell on cluster");
      const [, job = ""] = /job +(\S+) at cluster/.exec(shown) ?? [];
      expect(jobs.has(job)).toBe(true);
      jobs.delete(job);
    }
  });

  test("with fewer runs than it has room for takes as long as one of them, by its plan [compute.plan]", async () => {
    lab.write({
      "more.yaml": experiment({ ...described, name: "cluster", compute: ["cluster"], seeds: [1, 2, 3, 20] }),
    });
    expect((await lab.rigor("plan", "more.yaml")).stdout).toMatch(/estimate +about (.+): 2 runs at a time, \1 each/);
  });

  test("is given outputs of runs that were made there [needs.hosts] [needs.order] [F23]", () => expectChain(lab));

  test("is proven where a partition allows no more than two minutes [compute.check]", async () => {
    await cluster.client("scontrol", "create", "PartitionName=brief", "Nodes=ALL", "MaxTime=2");
    const check = await lab.rigor("compute", "check", "brief");
    expect(check.stdout).toMatch(/ok +job +ran on n\d and came back/);
  });

  test("is given the modules of its compute, also when it is repeated by hand [compute.site] [cli.by-hand]", async () => {
    const modules = join(cluster.scratch, "modules");
    mkdirSync(join(modules, "good"), { recursive: true });
    writeFileSync(join(modules, "good/1.0"), "#%Module\nsetenv GOOD yes\n");
    const nodes = ["n1", "n2"].map((node) => join(dirname(cluster.scratch), "hosts", node));
    for (const directory of [...nodes, join(dirname(hosts.config), "hosts/login")]) {
      appendFileSync(join(directory, "etc/profile"), `. /etc/profile.d/modules.sh\nmodule use ${modules}\n`);
    }
    expect((await lab.rigor("run", "modular.yaml")).text).toContain("2 done");
    const [run] = await lab.runs("modular");
    const { directory } = await attemptOf(lab, run?.id ?? "");
    expect(readFileSync(join(directory, "stdout.log"), "utf8")).toContain("the module is yes\n");
    const { repeat } = await lab.json<{ repeat: string }>("show", run?.id ?? "");
    expect(await hosts.host("login").run(repeat)).toContain("the module is yes\nwords of the input\nas committed\n");
  });

  test("tells of a job that the cluster has started again how often that was, and what it went on from [compute.restarts] [compute.requeue]", async () => {
    const { answer } = lab.start(["run", "again.yaml"]);
    const attempt = async () => {
      const [run] = await lab.runs("again");
      return (await lab.json<Shown>("show", run?.id ?? "")).attempt_list[0];
    };
    const output = async () => {
      const { directory } = (await attempt()) ?? {};
      const log = join(directory ?? "", "stdout.log");
      return existsSync(log) ? readFileSync(log, "utf8") : "";
    };
    await expect.poll(output).toBe("from nothing\n");
    const shown = (await lab.rigor("show", (await lab.runs("again"))[0]?.id ?? "")).stdout;
    const [, job = ""] = /job +(\S+) at cluster/.exec(shown) ?? [];
    await cluster.client("scontrol", "requeue", job);
    await expect.poll(output).toMatch(/^from nothing\nfrom \/.*\/output\/checkpoints\n$/);
    writeFileSync(join(cluster.scratch, "finish"), "");
    expect((await answer).text).toContain("1 done");
    const { directory = "", id } = (await attempt()) ?? {};
    const manifest = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8")) as Manifest;
    expect(manifest).toMatchObject({ restarts: 1, resumed_from: { attempt: id, compute: "cluster" } });
  });

  test("says why its jobs wait wherever its runs are looked at [compute.why-waiting]", async () => {
    const { child, answer, said: printed } = lab.start(["run", "queue.yaml"]);
    const waiting = async () => {
      const { experiments } = await lab.json<{ experiments: { name: string; waiting: Waiting[] }[] }>("list");
      const found = experiments.find(({ name }) => name === "queue")?.waiting ?? [];
      return found.filter(({ reason }) => reason !== null).reduce((sum, { runs }) => sum + runs, 0);
    };
    await expect.poll(waiting, { interval: 500 }).toBe(4);
    const said = /4 waiting at cluster: (?:Priority|Resources)/;
    expect((await lab.rigor("status")).stdout).toMatch(said);
    expect((await lab.rigor("show", "queue")).stdout).toMatch(said);
    expect((await lab.rigor("list", "queue")).stdout.match(/waiting at cluster: \w+/g)).toHaveLength(4);
    const runs = await lab.json<{ runs: { id: string; waiting: { compute: string } | null }[] }>("list", "queue");
    const one = runs.runs.find((run) => run.waiting !== null);
    expect((await lab.rigor("show", one?.id ?? "")).stdout).toMatch(/waits +waiting at cluster: \w+\n +since /);
    // Progress is told in lines that stay, and so not at once.
    await expect.poll(() => printed.text).toMatch(said);
    writeFileSync(join(cluster.scratch, "go"), "");
    const { status } = await answer;
    expect(status).toBe(0);
    expect(child.exitCode).toBe(0);
    const after = await lab.json<{ experiment: { waiting: Waiting[] } }>("show", "queue");
    expect(after.experiment.waiting).toEqual([]);
  });

  test("is held with the scheduler's word when waiting alone starts none of its jobs, and goes on when that is mended [compute.stuck]", async () => {
    const answer = await lab.rigor("run", "long.yaml");
    expect(answer.text).toContain('short says "PartitionTimeLimit" of 2 jobs');
    expect(answer.text).toContain("2 stuck at short: PartitionTimeLimit");
    expect(answer.text).toContain("rigor release long@1");
    expect(answer.status).toBe(3);
    await cluster.client("scontrol", "update", "PartitionName=short", "MaxTime=60");
    await lab.rigor("release", "long");
    const again = await lab.rigor("run", "long.yaml");
    expect(again.text).toContain("2 done");
    expect(again.status).toBe(0);
    expect((await lab.runs("long")).map(({ attempts }) => attempts)).toEqual([1, 1]);
  });

  test("whose jobs wait for ever starts them anew when a person has changed what they ask for, or where they go [compute.stuck]", async () => {
    const expectDone = async (name: string, ...options: string[]) => {
      const { status, text } = await lab.rigor("run", `${name}.yaml`, ...options);
      expect(status, text).toBe(0);
      expect((await lab.runs(name)).map(({ attempts }) => attempts)).toEqual([2, 2]);
    };
    // Another version, of which the runs are the same.
    await lab.rigor("run", "longer.yaml", "--detach");
    const listed = async () => (await lab.rigor("list", "longer")).stdout;
    await expect.poll(listed).toContain("stuck at quarter");
    lab.commit({ "longer.yaml": quarter("longer", { resources: { time: "1m" }, seeds: [10] }) });
    await expectDone("longer");
    // The same version elsewhere, released after it was held.
    expect((await lab.rigor("run", "elsewhere.yaml")).status).toBe(3);
    await lab.rigor("run", "elsewhere.yaml", "--compute", "cluster");
    await lab.rigor("release", "elsewhere");
    await expectDone("elsewhere", "--compute", "cluster");
    expect(await cluster.client("squeue", "--noheader")).toBe("");
  });

  test("is held with the scheduler's own words when that refuses [compute.own-words] [compute.plan]", async () => {
    const answer = await lab.rigor("run", "closed.yaml");
    expect(answer.status).toBe(3);
    expect(answer.text).toContain("invalid partition specified: nowhere");
    expect((await lab.runs("closed")).map(({ attempts }) => attempts)).toEqual([0, 0]);
    expect((await lab.rigor("plan", "closed.yaml")).stdout).toMatch(
      /closed on login: failed its check \(scheduler\): .*invalid partition specified: nowhere/,
    );
    expect((await lab.rigor("plan", "large.yaml")).stdout).toContain(
      "cluster on login: its scheduler decides; at most 100 jobs at a time",
    );
    const large = await lab.rigor("run", "large.yaml");
    expect(large.status).toBe(3);
    expect(large.text).toMatch(/cluster refused its jobs: .*Requested node configuration is not available\. Change /);
    expect((await lab.runs("large")).map(({ state, attempts }) => `${state} ${attempts}`)).toEqual([
      "pending 1",
      "pending 1",
    ]);
  });
});
