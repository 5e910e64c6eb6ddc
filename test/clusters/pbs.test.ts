import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startPbs } from "./pbs.ts";
import type { CommandResult, PbsCluster } from "./pbs.ts";
import { job, until, untilRunning, untilState } from "./pbs.testing.ts";

const fixtures = resolve(import.meta.dirname, "../../packages/rigor/src/compute/fixtures/openpbs-23.06");
const recorded = (name: string) => readFileSync(join(fixtures, name), "utf8");

describe("a stand-in for OpenPBS answers as the real one did", () => {
  let cluster: PbsCluster;
  let work: string;
  const texts = { active: "", activeWithMembers: "", history: "", historyWithMembers: "", list: "" };
  const answers: Record<string, CommandResult> = {};

  /** Goes through what was recorded, from the first job to the last question. */
  beforeAll(async () => {
    const nodes = [{ name: "vm", ncpus: 4, ngpus: 2, mem: "24684092kb" }];
    cluster = await startPbs({ server: "vm", nodes, scheduled: ["ncpus", "mem"] });
    work = join(cluster.home, "work");
    mkdirSync(work);
    const scripts: Record<string, string> = {
      j: "#PBS -N t1\n#PBS -j oe\nexit 0",
      ok: waits("first", "ok", "select=1:ncpus=1:ngpus=0,walltime=00:01:00"),
      fail: `${waits("first", "fail", "select=1:ncpus=1:ngpus=0,walltime=00:01:00")}\nexit 3`,
      wall: waits("never", "walltime", "select=1:ncpus=1:ngpus=0,walltime=00:00:05"),
      run: waits("never", "running", "select=1:ncpus=1:ngpus=1,walltime=00:05:00"),
      big: waits("second", "toobig", "select=1:ncpus=1:ngpus=9,walltime=00:05:00"),
      held: waits("never", "held", "select=1:ncpus=1:ngpus=0,walltime=00:05:00"),
      del: waits("never", "deleted", "select=1:ncpus=1:ngpus=0,walltime=00:05:00"),
      arr: `${waits("second", "array", "select=1:ncpus=1:ngpus=0,walltime=00:05:00")}\nsleep 0.$((PBS_ARRAY_INDEX + 1))\n((PBS_ARRAY_INDEX != 2)) || exit 7`,
      dep: waits("never", "dependent", "select=1:ncpus=1:ngpus=0,walltime=00:05:00"),
    };
    for (const [name, text] of Object.entries(scripts))
      writeFileSync(join(work, `${name}.sh`), `#!/bin/bash\n${text}\n`);
    const pbs = (command: string, ...options: string[]) => cluster.run(command, options, { directory: work });

    await cluster.setScheduling(false);
    await pbs("qsub", join(work, "j.sh"));
    await pbs("qsub", "-J", "0-3", join(work, "j.sh"));
    await pbs("qdel", "0", "1[]");
    await cluster.setScheduling(true);
    for (const options of [["j.sh"], ["-J", "0-3", "j.sh"], ["j.sh"], ["-J", "0-3", "j.sh"]])
      await pbs("qsub", ...options);
    await until(async () => (await job(cluster, "5[].vm"))["job_state"] === "F", "the first jobs end");

    answers["qsub"] = await pbs("qsub", "ok.sh");
    for (const name of ["fail", "wall", "run", "big"]) await pbs("qsub", `${name}.sh`);
    await pbs("qsub", "-h", "held.sh");
    await pbs("qsub", "del.sh");
    await pbs("qsub", "-J", "0-3", "arr.sh");
    await pbs("qsub", "-W", "depend=afterok:7.vm", "dep.sh");
    writeFileSync(join(work, "first"), "");
    for (const id of ["8.vm", "9.vm", "10.vm", "12.vm"]) await untilRunning(cluster, id);
    texts.active = (await pbs("qstat", "-f", "-F", "json")).stdout;
    texts.activeWithMembers = (await pbs("qstat", "-f", "-F", "json", "-t")).stdout;
    await pbs("qdel", "12.vm");
    await pbs("qdel", "-W", "force", "9.vm");
    writeFileSync(join(work, "second"), "");
    await until(async () => (await job(cluster, "13[].vm"))["job_state"] === "F", "the array ends");
    await untilState(cluster, "8.vm", "F");

    // Whoever asks for members leaves a comment on an array that has none: so had somebody in the recording.
    await pbs("qstat", "-x", "-f", "-t");
    texts.history = (await pbs("qstat", "-x", "-f", "-F", "json")).stdout;
    texts.historyWithMembers = (await pbs("qstat", "-x", "-f", "-F", "json", "-t")).stdout;
    texts.list = (await pbs("qstat", "-x")).stdout;
    answers["qstat"] = await pbs("qstat");
    answers["some-unknown"] = await pbs("qstat", "-x", "-f", "-F", "json", "6.vm", "99999.vm");
    answers["unknown"] = await pbs("qstat", "-x", "-f", "-F", "json", "99999.vm");
    answers["finished"] = await pbs("qdel", "6.vm");
    answers["missing"] = await pbs("qsub", "missing.sh");
    answers["bad-queue"] = await pbs("qsub", "-q", "nowhere", "ok.sh");
    answers["bad-walltime"] = await pbs("qsub", "-l", "walltime=tomorrow", "ok.sh");
    answers["version"] = await pbs("qstat", "--version");
    answers["nodes"] = await pbs("pbsnodes", "-a", "-F", "json");
    answers["queues"] = await pbs("qstat", "-Q", "-f", "-F", "json");
  });

  afterAll(() => cluster.stop());

  function waits(file: string, name: string, resources: string): string {
    return `#PBS -N rec-${name}\n#PBS -A proj1\n#PBS -l ${resources}\ncd "$PBS_O_WORKDIR"\nuntil [[ -e ${file} ]]; do sleep 0.05; done`;
  }

  /** The text with everything masked that differs from one time, machine or path to another. */
  function masked(text: string): string {
    return text
      .replaceAll(work, "/home/user/work")
      .replaceAll(cluster.home, "/home/user")
      .replaceAll("pbshost", "vm")
      .replaceAll(/"PBS_O_PATH":\t"[^"]*"/g, '"PBS_O_PATH":\t"PATH"')
      .replaceAll(/\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}/g, "TIME")
      .replaceAll(/\w{3} \w{3} \d\d at \d\d:\d\d/g, "MINUTE")
      .replaceAll(/("(?:timestamp|history_timestamp|queue_rank|session_id|last_\w+_time)":\t)[\d.e+]+/g, "$1NUMBER")
      .replaceAll(/("(?:cput|walltime)":\t)"\d\d:\d\d:\d\d"/g, '$1"CLOCK"')
      .replaceAll(/("(?:mem|vmem)":\t)"\d+kb"/g, '$1"SIZE"')
      .replaceAll(/"exec_host":\t"vm\/\d"/g, '"exec_host":\t"vm/SLOT"');
  }

  /** Whether a short job's session was told to the server, and whether a new one's, depends on the moment. */
  function settled(text: string): string {
    return masked(text)
      .replaceAll(/\t\t\t"(?:session_id|jobdir)":\t[^\n]*\n/g, "")
      .replaceAll('"substate":\t41', '"substate":\t42');
  }

  test("jobs that run, wait and are held, attribute by attribute and to the byte", () => {
    expect(settled(texts.active)).toBe(settled(recorded("qstat-f.active.json")));
    expect(settled(texts.activeWithMembers)).toBe(settled(recorded("qstat-ft.active.json")));
  });

  test("jobs that have ended: deleted with status 0, and an array that hides a failed member [F13] [F14]", () => {
    expect(settled(texts.history)).toBe(settled(recorded("qstat-xf.json")));
    expect(settled(texts.historyWithMembers)).toBe(settled(recorded("qstat-xft.json")));
  });

  test("the lists", () => {
    expect(texts.list).toBe(recorded("qstat-x.txt"));
    expect(answers["qstat"]).toEqual({ stdout: recorded("qstat.txt"), stderr: "", exit: 0 });
  });

  test("refusals, with their exit status", () => {
    expect(answers["qsub"]).toEqual({ stdout: recorded("qsub.stdout"), stderr: "", exit: 0 });
    const refused: Record<string, string> = {
      missing: "qsub-missing",
      "bad-queue": "qsub-bad-queue",
      "bad-walltime": "qsub-bad-walltime",
      finished: "qdel-finished",
      unknown: "qstat-unknown",
    };
    for (const [answer, fixture] of Object.entries(refused))
      expect(answers[answer], answer).toEqual({
        stdout: "",
        stderr: recorded(`${fixture}.stderr`),
        exit: Number(recorded(`${fixture}.exit`)),
      });
  });

  test("one unknown job does not hide the others", () => {
    const { stdout = "", ...rest } = answers["some-unknown"] ?? {};
    expect(rest).toEqual({ stderr: recorded("qstat-some-unknown.stderr"), exit: 153 });
    expect(settled(stdout)).toBe(settled(recorded("qstat-some-unknown.stdout")));
  });

  test("the version, the nodes and the queues", () => {
    expect(answers["version"]?.stdout).toBe(recorded("version.txt"));
    expect(masked(answers["queues"]?.stdout ?? "")).toBe(masked(recorded("qstat-Qf.json")));
    // The recorded node said that it has fewer processors than it was given.
    const nodes = masked(answers["nodes"]?.stdout ?? "").replace('"pcpus":\t4', '"pcpus":\t2');
    expect(nodes).toBe(masked(recorded("pbsnodes-a.json")));
  });
});
