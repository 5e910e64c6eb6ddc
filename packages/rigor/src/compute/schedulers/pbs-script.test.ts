import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { commandCompute, pbsCompute } from "../../domain/files/compute-schema.ts";
import { batchScript as commandBatchScript, checkScript, notesScript, submissionScript } from "./command-script.ts";
import { batchScript, submissionOptions } from "./pbs-script.ts";
import type { Batch } from "./scheduler.ts";

const batch: Batch = {
  name: "rigor-1",
  size: 3,
  script: "/work/it's here/member.sh",
  directory: "/work/it's here",
  allocation: { cpus: 2, gpus: 1, memory: 2 ** 30, time: 90_061.2 },
};
const settings = (options: Record<string, unknown>) => pbsCompute.parse({ kind: "pbs", ...options });

describe("what qsub is asked for", () => {
  test("is an array with its resources, and for one member no array", () => {
    const options = submissionOptions(batch, settings({ gpu_resource: "gpus" })).join(" ");
    expect(options).toContain("-J 0-2");
    expect(options).toContain("-o /work/it's here/pbs-^array_index^.log");
    expect(options).toContain("-l select=1:ncpus=2:mem=1024mb:gpus=1 -l walltime=25:01:02");
    const one = submissionOptions({ ...batch, size: 1 }, settings({})).join(" ");
    expect(one).not.toContain("-J");
    expect(one).toContain("pbs-0.log");
  });

  test("leaves to the scheduler what the experiment does not say", () => {
    const allocation = { cpus: 1, gpus: 0, memory: null, time: null };
    const options = submissionOptions({ ...batch, allocation }, settings({})).join(" ");
    expect(options).toContain("-l select=1:ncpus=1");
    expect(options).not.toMatch(/mem=|ngpus|walltime/);
  });

  test("a directive that names a resource replaces what Rigor says of it", () => {
    const options = submissionOptions(
      batch,
      settings({ select: false, directives: ["-lncpus=12,mem=90gb", "-l", "-k d"] }),
    );
    expect(options.filter((option) => /^(?:ncpus|mem|ngpus|walltime)=/.test(option))).toEqual([
      "ngpus=1",
      "walltime=25:01:02",
      "ncpus=12,mem=90gb",
    ]);
    expect(options.slice(-2)).toEqual(["-k", "d"]);
  });
});

test("shellcheck finds nothing in the scripts for PBS and for schedulers that are described by commands", () => {
  const command = commandCompute.parse({
    kind: "command",
    modules: ["it's/1.0"],
    submit: "sub '$RIGOR_SCRIPT'",
    status: "stat $RIGOR_IDS | awk '{ print $1 }'",
    cancel: "end $RIGOR_IDS",
    states: {},
  });
  const scripts = [
    batchScript(batch, settings({ modules: ["it's/1.0"] })),
    commandBatchScript(batch, command),
    submissionScript(batch, command),
    notesScript("~/it's work"),
    checkScript(command),
  ];
  for (const script of scripts) {
    // SC2016: values stand as they are. SC1091 and SC1090: files of the host.
    const args = ["--shell=sh", "--exclude=SC2016,SC1090,SC1091", "-"];
    const found = spawnSync("shellcheck", args, { input: script, encoding: "utf8" });
    expect(found.stdout, script).toBe("");
    expect(found.status).toBe(0);
  }
});
