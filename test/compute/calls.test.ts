/** What a scheduler is called for, counted where its commands are found: on PATH. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startJobService } from "../clusters/job-service.ts";
import { startPbs } from "../clusters/pbs.ts";
import { slurmMissing, startSlurm } from "../clusters/slurm.ts";
import { sshMissing, startSshHosts } from "../clusters/ssh.ts";
import { experiment, type Run, until, UserLab } from "../e2e/lab.ts";
import { documented } from "./command.testing.ts";
import { countOf, mostInAMinute, noting, notingFolder, readCalls } from "./noted-calls.testing.ts";
import { pbsBehindLogin } from "./pbs-login.testing.ts";

const perMinute = 12;

/** A scheduler whose commands note that they are called. */
interface Place {
  name: string;
  compute: object;
  /** A directory that all jobs see. */
  scratch: string;
  notes: string;
  /** What the text of a call is that submits a job. */
  submission: RegExp;
  stop: () => Promise<void>;
}

async function slurm(): Promise<Place> {
  const cluster = await startSlurm();
  const { scratch } = cluster;
  const notes = join(scratch, "calls");
  const names = ["sbatch", "squeue", "sacct", "scancel", "sinfo", "scontrol"];
  const programs = Object.fromEntries(names.map((name) => [name, noting(name, `/usr/bin/${name}`, notes)]));
  const hosts = await startSshHosts({ login: { ...cluster.loginHost, programs } });
  const stop = async () => {
    await hosts.stop();
    await cluster.stop();
  };
  const via = { ssh: "login", ssh_config: hosts.config };
  const compute = { kind: "slurm", via, array: false, workdir: `${scratch}/work` };
  return { name: "slurm", compute, scratch, notes, submission: /^sbatch .*--job-name/, stop };
}

async function pbs(): Promise<Place> {
  const cluster = await startPbs();
  const [scratch, notes] = [cluster.home, join(cluster.home, "calls")];
  const folder = notingFolder(scratch, ["qsub", "qstat", "qdel", "qselect", "pbsnodes"], cluster.bin, notes);
  const { via, stop } = await pbsBehindLogin(cluster, folder);
  const compute = { kind: "pbs", via, array: false, workdir: `${scratch}/work` };
  return { name: "pbs", compute, scratch, notes, submission: /^qsub /, stop };
}

async function commands(): Promise<Place> {
  const service = startJobService();
  const { scratch } = service;
  const notes = join(scratch, "calls");
  const folder = notingFolder(scratch, ["jobctl"], service.bin, notes);
  const settings = documented("containers", { jobctl: join(folder, "jobctl") });
  const compute = { ...settings, workdir: `${scratch}/work` };
  return { name: "commands", compute, scratch, notes, submission: /^jobctl submit/, stop: async () => service.stop() };
}

const ended = new Set(["done", "cancelled"]);

interface Waiting extends Run {
  waiting: { reason: string | null } | null;
}

describe.skipIf((slurmMissing() ?? sshMissing()) !== null)("calls of Slurm, of PBS, and of described commands", () => {
  let places: Place[];
  let lab: UserLab;

  beforeAll(async () => {
    places = await Promise.all([slurm(), pbs(), commands()]);
    lab = new UserLab().init();
    const computes = places.map(({ name, compute }) => [name, { ...compute, calls_per_minute: perMinute }]);
    const run = [
      `printf 'x\\n' >>"$1/ran-$RIGOR_RUN_ID"`,
      `until [ -e "$1/go" ]; do sleep 0.2; done`,
      `printf '{"metrics":{"loss":%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"`,
    ].join("\n");
    const files = places.map(({ name, scratch }, index): [string, string] => {
      const own = { name, compute: [name], code: ["run.sh"], seeds: [1, 2, 3, 4].map((seed) => index * 4 + seed) };
      return [`${name}.yaml`, experiment({ ...own, run: ["sh", "run.sh", scratch] })];
    });
    lab.commit({
      "run.sh": run,
      "rigor.yaml": JSON.stringify({ compute: Object.fromEntries(computes) }),
      ...Object.fromEntries(files),
    });
  });

  afterAll(async () => {
    await lab.close();
    await Promise.all(places.map((place) => place.stop()));
  });

  const submissions = ({ notes, submission }: Place) => countOf(readCalls(notes), submission);
  const runsOf = async ({ name }: Place) => (await lab.runs(name)) as Waiting[];

  test(
    "are never more in 60 s than is allowed, with submissions, cancellations, checks and a daemon that dies, and each job is submitted once [compute.calls-per-minute] [compute.waiting-calls] [F10] [F15]",
    { timeout: 900_000 },
    async ({ onTestFailed }) => {
      onTestFailed(async () => {
        for (const { name, notes } of places)
          process.stdout.write((await lab.rigor("list", name)).text + readFileSync(notes, "utf8"));
      });
      const clients = places.map(({ name }) => lab.start(["run", `${name}.yaml`]));
      const seen = async (place: Place): Promise<void> => {
        await until(`a job at ${place.name}`, () => submissions(place) > 0, 120_000);
        const reasons = async () => (await runsOf(place)).flatMap(({ waiting }) => waiting?.reason ?? []);
        await expect.poll(reasons).toContain(`not submitted yet: calls_per_minute allows ${perMinute} calls`);
        expect((await lab.rigor("compute", "show", place.name)).stdout).toMatch(
          /calls +\d+ of 12 in the last minute; \d jobs? waits? /,
        );
      };
      await Promise.all(places.map(seen));
      process.kill(lab.daemonPid() ?? 0, "SIGKILL");
      for (const { child } of clients) child.kill("SIGKILL");
      for (const { name } of places) await lab.rigor("run", `${name}.yaml`, "--detach");

      // Without calls of the command line, which take so long on a busy machine that all may be submitted meanwhile.
      const client = await lab.client();
      const steer = async (place: Place): Promise<void> => {
        const isUnsubmitted = ({ waiting }: Waiting) => waiting?.reason?.startsWith("not submitted yet") === true;
        let runs: Waiting[] = [];
        await until(`a word of the new daemon on ${place.name}`, async () => {
          runs = (await client.runs.list({ experiment: place.name })).runs;
          return runs.some(isUnsubmitted);
        });
        const unsubmitted = runs.findLast(isUnsubmitted)?.id ?? "nothing";
        await client.runs.cancel({ reference: unsubmitted });
        expect(existsSync(join(place.scratch, `ran-${unsubmitted}`))).toBe(false);
        const queued = runs.find((run) => run.state === "active" && !isUnsubmitted(run));
        await client.runs.cancel({ reference: queued?.id ?? "nothing" });
        writeFileSync(join(place.scratch, "go"), "");
      };
      await Promise.all(places.map(steer));
      const [check] = await Promise.all([
        lab.rigor("compute", "check", "slurm"),
        ...places.map((place) =>
          until(
            `an end of all runs of ${place.name}`,
            async () => (await runsOf(place)).every(({ state }) => ended.has(state)),
            200_000,
          ),
        ),
      ]);
      expect(check.stdout).toMatch(/ok +job +ran on /);
      for (const place of places) {
        const calls = readCalls(place.notes);
        const times = calls.map(({ at }) => at);
        process.stdout.write(
          `${place.name}: ${calls.length} calls in ${(Math.max(...times) - Math.min(...times)).toFixed(0)} s, ${mostInAMinute(calls)} in a minute\n`,
        );
        expect(mostInAMinute(calls)).toBeLessThanOrEqual(perMinute);
        const runs = await runsOf(place);
        const done = runs.filter(({ state }) => state === "done");
        expect(runs).toHaveLength(8);
        expect(done).toHaveLength(6);
        for (const { id } of done) expect(readFileSync(join(place.scratch, `ran-${id}`), "utf8")).toBe("x\n");
        // One was cancelled before it was submitted.
        expect(submissions(place)).toBe(7 + (place.name === "slurm" ? 1 : 0));
      }
    },
  );
});
