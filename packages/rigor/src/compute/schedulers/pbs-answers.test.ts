import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pbsMemberId, pbsOutcome, readPbsRefusals, readPbsStatus, readPbsSubmission } from "./pbs-answers.ts";
import { pbsMembers } from "./pbs-states.ts";
import { memberKey } from "./scheduler.ts";
import type { PbsJob, PbsOutcome, PbsStatus } from "./pbs-answers.ts";

const fixtures = join(import.meta.dirname, "../fixtures/openpbs-23.06");
const recorded = (name: string) => readFileSync(join(fixtures, name), "utf8");

function jobsOf(status: PbsStatus): ReadonlyMap<string, PbsJob> {
  if (!status.readable) throw new Error(status.reason);
  return status.jobs;
}

const read = (stdout: string, exit: number | null = 0, stderr = "") => readPbsStatus({ stdout, stderr, exit });
const all = jobsOf(read(recorded("qstat-xft.json")));
const active = jobsOf(read(recorded("qstat-ft.active.json")));

function outcome(id: string, jobs = all): PbsOutcome {
  const job = jobs.get(id);
  if (job === undefined) throw new Error(`${id} was not recorded.`);
  return pbsOutcome(job);
}

/** A job as recorded, with other attributes. */
function changed(id: string, more: Partial<PbsJob>): PbsOutcome {
  const job = all.get(id);
  if (job === undefined) throw new Error(`${id} was not recorded.`);
  return pbsOutcome({ ...job, ...more });
}

describe("recorded jobs of OpenPBS 23.06", () => {
  test("every job is read, with its id as text [F22]", () => {
    expect([...all.keys()]).toEqual(Object.keys((JSON.parse(recorded("qstat-xft.json")) as { Jobs: object }).Jobs));
    expect(all.get("13[2].vm")).toMatchObject({ id: "13[2].vm", role: "member", index: 2, name: "rec-array" });
    expect(all.get("13[].vm")).toMatchObject({ id: "13[].vm", role: "array", index: null });
    expect(all.get("8.vm")).toMatchObject({ exec_host: "vm/2", queue: "workq", run_count: 1 });
    expect(all.get("8.vm")?.used).toEqual({ walltime: 19, cpu_time: 0, memory: 0 });
  });

  test("a job that ended by itself has its own exit status", () => {
    expect(outcome("6.vm")).toEqual({ kind: "ended", exit: 0, signal: null });
    expect(outcome("7.vm")).toEqual({ kind: "ended", exit: 3, signal: null });
  });

  test("a job above its time is ended by PBS", () => {
    expect(outcome("8.vm")).toEqual({
      kind: "ended-by-pbs",
      code: -29,
      name: "JOB_EXEC_KILL_WALLTIME",
      cause: "time-limit",
    });
  });

  test("a job that was deleted while it ran is deleted, although its exit status is 0 [F13]", () => {
    expect(all.get("12.vm")).toMatchObject({ exit_status: 0, substate: 91 });
    expect(outcome("12.vm")).toEqual({ kind: "deleted", ran: true, by: "root@vm" });
  });

  test("a deleted job is deleted whatever its exit status [F13]", () => {
    expect(outcome("9.vm")).toEqual({ kind: "deleted", ran: true, by: null });
    for (const exit_status of [0, 3, 271, -29])
      expect(changed("12.vm", { exit_status })).toMatchObject({ kind: "deleted", ran: true });
  });

  test("jobs that never ran are no success: deleted in the queue, or with what they depended on [F13]", () => {
    expect(outcome("0.vm")).toEqual({ kind: "deleted", ran: false, by: null });
    expect(all.get("14.vm")).toMatchObject({ substate: 92, exit_status: null });
    expect(outcome("14.vm")).toEqual({ kind: "deleted", ran: false, by: null });
    expect(outcome("1[2].vm")).toEqual({ kind: "deleted", ran: false, by: null });
  });

  test("an array says nothing of its members: it has exit status 0, and one of them failed [F14]", () => {
    expect(all.get("13[].vm")).toMatchObject({ exit_status: 0 });
    expect(outcome("13[].vm")).toEqual({ kind: "array", over: true });
    expect([0, 1, 2, 3].map((index) => outcome(pbsMemberId("13[].vm", index)))).toEqual(
      [0, 0, 7, 0].map((exit) => ({ kind: "ended", exit, signal: null })),
    );
  });

  test("jobs that run, wait and are held", () => {
    expect(outcome("8.vm", active)).toEqual({ kind: "running", suspended: false });
    expect(outcome("11.vm", active)).toEqual({ kind: "held", holds: "u" });
    expect(outcome("13[].vm", active)).toEqual({ kind: "array", over: false });
    expect(outcome("13[3].vm", active)).toEqual({ kind: "waiting" });
    expect(jobsOf(read(recorded("qstat-f.active.json"))).has("13[3].vm")).toBe(false);
  });

  test("that its array began, or that it ran before, is no reason for which a job waits [compute.why-waiting]", () => {
    const waiting = active.get("13[3].vm");
    if (waiting === undefined) throw new Error("13[3].vm was not recorded.");
    const report = (comment: string) => {
      const job = { ...waiting, comment };
      return pbsMembers([job], [{ name: "rec-array", size: 4 }]).get(memberKey({ batch: "rec-array", index: 3 }))
        ?.report;
    };
    const words = "Not Running: Not enough free nodes available";
    expect(report(words)).toEqual({ state: "waiting", reason: words, held: false });
    for (const began of ["Job Array Began at Sat Nov 21 at 08:24", "Job run at Sat Nov 21 at 08:24 on (vm:ncpus=1)"])
      expect(report(began)).toEqual({ state: "waiting", reason: null, held: false });
  });

  test("one unknown job does not hide the others", () => {
    const stderr = recorded("qstat-some-unknown.stderr");
    const status = read(recorded("qstat-some-unknown.stdout"), 153, stderr);
    expect([...jobsOf(status).keys()]).toEqual(["6.vm"]);
    expect(status).toMatchObject({ refused: new Map([["99999.vm", "unknown-job"]]), problems: [] });
    expect(read(recorded("qstat-unknown.stdout"), 153, recorded("qstat-unknown.stderr"))).toMatchObject({
      readable: true,
      jobs: new Map(),
      refused: new Map([["99999.vm", "unknown-job"]]),
    });
  });

  test("what qdel refuses is known by job", () => {
    const { refused, other } = readPbsRefusals(recorded("qdel-finished.stderr"));
    expect([refused, other]).toEqual([new Map([["6.vm", "finished"]]), []]);
    expect(readPbsRefusals(recorded("qsub-bad-queue.stderr")).refused).toEqual(new Map());
  });

  test("what qsub prints is an id, or nothing is taken for one [F22]", () => {
    expect(readPbsSubmission(recorded("qsub.stdout"))).toBe("6.vm");
    expect(readPbsSubmission("311644[].gadi-pbs\n")).toBe("311644[].gadi-pbs");
    for (const text of ["", "6\n", "Welcome to the cluster.\n6.vm\n", "6.vm\n7.vm\n", "qsub: 6.vm\n"])
      expect(readPbsSubmission(text)).toBeNull();
  });
});

describe("states that were not recorded", () => {
  test("a job that ran before and waits is requeued, whatever exit status it still shows", () => {
    expect(changed("12.vm", { state: "Q", exit_status: -11, run_count: 2 })).toEqual({ kind: "requeued", runs: 2 });
  });

  test("a member that waits in a held array is held", () => {
    expect(changed("1[2].vm", { state: "Q", holds: "u" })).toEqual({ kind: "held", holds: "u" });
  });

  test("a job that ends or is suspended still runs", () => {
    expect(changed("6.vm", { state: "E" })).toEqual({ kind: "running", suspended: false });
    expect(changed("6.vm", { state: "S" })).toEqual({ kind: "running", suspended: true });
  });

  test("exit statuses above 256 are signals", () => {
    expect(changed("7.vm", { exit_status: 271 })).toEqual({ kind: "ended", exit: null, signal: 15 });
    expect(changed("7.vm", { exit_status: 137 })).toEqual({ kind: "ended", exit: 137, signal: null });
    for (const exit_status of [256, 400, 10_009])
      expect(changed("7.vm", { exit_status })).toMatchObject({ kind: "unknown", gone: true });
  });

  test("a member without a record of its own does not have its array's exit status [F14]", () => {
    const faked = { own_record: false, exit_status: 0, started: true, substate: 92, comment: "Subjob finished" };
    expect(changed("13[0].vm", faked)).toMatchObject({ kind: "unknown", gone: true });
  });

  test("contradictions and unknown letters conclude nothing [F13]", () => {
    expect(changed("6.vm", { substate: 93 })).toMatchObject({ kind: "unknown", gone: true });
    expect(changed("6.vm", { exit_status: null })).toMatchObject({ kind: "unknown", gone: true });
    expect(changed("6.vm", { state: "M" })).toMatchObject({ kind: "unknown", gone: false });
    expect(changed("6.vm", { state: "?" })).toMatchObject({ kind: "unknown", gone: false });
  });

  test("only a job that ended by itself with status 0 can be taken for a success [F13]", () => {
    const job = fc.record({
      state: fc.constantFrom("Q", "H", "R", "E", "S", "U", "F", "X", "M", "B", "W", "T", "Z"),
      substate: fc.constantFrom(null, 20, 41, 70, 91, 92, 93),
      exit_status: fc.option(fc.integer({ min: -40, max: 600 })),
      started: fc.boolean(),
      own_record: fc.boolean(),
      run_count: fc.nat(3),
      holds: fc.constantFrom("", "u", "s"),
      comment: fc.option(fc.string()),
    });
    fc.assert(
      fc.property(job, (more) => {
        const found = changed("6.vm", more);
        if (found.kind !== "ended" || found.exit !== 0) return;
        expect(more).toMatchObject({ exit_status: 0, started: true, own_record: true });
        expect("FX").toContain(more.state);
        expect([91, 93]).not.toContain(more.substate);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("answers that are none", () => {
  test("a server that cannot be reached says nothing of any job [F11]", () => {
    const stderr = "Connection refused\nqstat: cannot connect to server vm (errno=111)\n";
    expect(read("", 255, stderr)).toMatchObject({ readable: false });
    expect(read("", null, "")).toMatchObject({ readable: false });
    expect(read("", 127, "sh: 1: qstat: not found\n")).toMatchObject({ readable: false });
    expect(read("", 153, "")).toMatchObject({ readable: false });
  });

  test("a refusal beside a fault of the command does not make an answer [F11]", () => {
    const stderr = "qstat: Unknown Job Id 9.vm\nqstat: Error (15031) getting status of queue workq\n";
    expect(read("", 153, stderr)).toMatchObject({ readable: false });
  });

  test("what others write to stderr does no harm", () => {
    const stderr = "bash: warning: setlocale: LC_ALL: cannot change locale\nqstat: Unknown Job Id 9.vm\n";
    expect(read("", 153, stderr)).toMatchObject({ readable: true, refused: new Map([["9.vm", "unknown-job"]]) });
  });

  test("a server that keeps no history says so, and of finished jobs it is said how to ask", () => {
    const history = "qstat: PBS is not configured to maintain job history 6.vm\n";
    expect(read("", 0, history)).toMatchObject({ refused: new Map([["6.vm", "no-history"]]) });
    const finished = "qstat: 6.vm Job has finished, use -x or -H to obtain historical job information\n";
    expect(read("", 35, finished)).toMatchObject({ refused: new Map([["6.vm", "finished"]]) });
  });

  test("an answer that is cut anywhere is unreadable [F11]", () => {
    const whole = recorded("qstat-some-unknown.stdout");
    const end = whole.trimEnd().length;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: end - 1 }), (length) => {
        expect(read(whole.slice(0, length), 0)).toMatchObject({ readable: false });
      }),
      { numRuns: 500 },
    );
  });

  test("rubbish never throws, and gives no job [F22]", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), fc.integer(), (stdout, stderr, exit) => {
        const status = read(stdout, exit, stderr);
        if (status.readable) expect(status.jobs.size).toBe(0);
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (job, value) => {
        const status = read(JSON.stringify({ Jobs: { "6.vm": job, "7.vm": { job_state: "F", Exit_status: value } } }));
        for (const found of jobsOf(status).values()) expect(pbsOutcome(found).kind).not.toBe("ended");
      }),
      { numRuns: 2000 },
    );
  });

  test("what is no job is told, and does not hide the jobs beside it", () => {
    const whole = recorded("qstat-some-unknown.stdout").replace('"Jobs":\t{', '"Jobs":\t{\n\t\t"":\t{\n\t\t},');
    const status = read(whole);
    expect([...jobsOf(status).keys()]).toEqual(["6.vm"]);
    expect(status).toMatchObject({ problems: ['qstat wrote something that is no job: "".'] });
  });

  test("an answer without jobs is one", () => {
    expect(read('{"timestamp":1,"pbs_version":"2024.1.2","pbs_server":"gadi-pbs-01"}')).toMatchObject({
      readable: true,
      jobs: new Map(),
    });
  });
});

describe("JSON that is none, as PBS before 23.06 writes it", () => {
  /** The recorded answer with one more line in the environment of a job. */
  function withVariable(line: string, indent: "tabs" | "spaces"): string {
    const whole = recorded("qstat-some-unknown.stdout").replace('\t"PBS_O_HOST"', `\t${line},\n\t\t\t\t"PBS_O_HOST"`);
    return indent === "tabs" ? whole : whole.replaceAll("\t{", "{").replaceAll("\t", "    ");
  }

  const broken = [
    '"foo":\t005',
    '"note":\t"say "hello" to \\them"',
    '"BASH_FUNC_module%%":\t"() {  eval `/usr/bin/modulecmd "bash" $*`\n}"',
    '"text":\t"line one\n\t\t},\n"Exit_status":\t0,\n  and "more""',
    '"json":\t{"a": "b}',
  ];

  test.each(broken)("the other attributes are read: %j", (line) => {
    for (const indent of ["tabs", "spaces"] as const) {
      const text = withVariable(line, indent);
      expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
      const job = jobsOf(read(text)).get("6.vm");
      expect(job).toEqual(all.get("6.vm"));
    }
  });

  test("whatever an environment holds, a job is read as it is, or the answer is unreadable [F11]", () => {
    const line = fc.oneof(
      fc.string({ unit: fc.constantFrom(...Array.from('"\\{}[]:,\n\t ax0')) }),
      fc.constantFrom(...broken),
    );
    fc.assert(
      fc.property(line, fc.constantFrom("tabs" as const, "spaces" as const), (text, indent) => {
        const status = read(withVariable(`"X":\t"${text}"`, indent));
        if (status.readable) expect(status.jobs.get("6.vm")).toEqual(all.get("6.vm"));
      }),
      { numRuns: 2000 },
    );
  });

  test("a name that PBS prints as a number is not taken for text [F22]", () => {
    const named = (value: string) =>
      jobsOf(read(recorded("qstat-some-unknown.stdout").replace('"rec-ok"', value))).get("6.vm")?.name;
    expect(named("1000000000")).toBeNull();
    expect(named("005")).toBe("005");
  });
});
