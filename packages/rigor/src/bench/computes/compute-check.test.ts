import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SshExecutor } from "../../compute/executors/ssh.ts";
import { CallLine } from "../../compute/schedulers/call-line.ts";
import { SchedulerExecutor } from "../../compute/executors/scheduler.ts";
import { CommandScheduler } from "../../compute/schedulers/command.ts";
import { computeSchema } from "../../domain/files/compute-schema.ts";
import { computeId } from "../../domain/rules/compute-rules.ts";
import { LocalShell } from "../../hosts/local-shell.ts";
import type { Answer, ScriptOptions } from "../../hosts/shell.ts";
import { scratchDirectory } from "../../provenance/scratch-repository.testing.ts";
import { TestBench } from "../bench.testing.ts";
import { checkCompute } from "./compute-check.ts";
import { recordCheck, rest } from "./compute-steering.ts";
import { Lane } from "../lab/lane.ts";

const hostname = readFileSync("/proc/sys/kernel/hostname", "utf8").trim();
const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

/** A host on which whatever is started dies at once, as when its memory is full. */
class FatalShell extends LocalShell {
  isFatal = true;
  readonly #directory: string;

  constructor(directory: string) {
    super();
    this.#directory = directory;
  }

  override run(script: string, options?: ScriptOptions): Promise<Answer> {
    if (!this.isFatal || !script.includes("setsid")) return super.run(script, options);
    for (const path of Buffer.from(options?.input as Uint8Array)
      .toString()
      .trim()
      .split("\n")) {
      const folder = join(this.#directory, "attempts", path);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "claim"), "");
      writeFileSync(join(folder, "process"), `{"host":"${hostname}","pid":4000000,"started":"1","boot":"${boot}"}\n`);
    }
    return super.run("exit 0");
  }
}

test("a check whose job is lost says nothing of the compute, and is repeated soon [compute.check-undecided]", async () => {
  const { lab } = await TestBench.open();
  const directory = scratchDirectory();
  const shell = new FatalShell(directory);
  const executor = new SshExecutor({ shell, directory, dataDirectory: lab.data.root, excludedGpus: [] });
  onTestFinished(() => executor.close());
  const configuration = computeSchema.parse({ kind: "ssh", host: "lab1" });
  const { stager, dial } = lab.lanes.here;
  const lane = new Lane(computeId(configuration), configuration, { executor, stager, dial, scheduler: null });
  const check = async () => {
    await recordCheck(lab, "test", lane, await checkCompute(lane, lab.data, 30_000));
    const record = await lab.store.db.selectFrom("computes").selectAll().executeTakeFirst();
    return record?.checked_at ?? null;
  };
  expect(await check()).toBeNull();
  expect([lane.needsCheck(Date.now()), lane.needsCheck(Date.now() + 6_000)]).toEqual([false, true]);
  shell.isFatal = false;
  expect(await check()).not.toBeNull();
});

test("a check whose job only a person can start says so in the scheduler's words, and takes it back [compute.check-stuck]", async () => {
  const { lab } = await TestBench.open();
  const directory = scratchDirectory();
  const queue = scratchDirectory();
  const configuration = computeSchema.parse({
    kind: "command",
    submit: `echo "$RIGOR_NAME" | tee ${queue}/job`,
    status: `if [ -e ${queue}/job ]; then echo "$(cat ${queue}/job) HELD"; fi`,
    cancel: `mv ${queue}/job ${queue}/cancelled`,
    states: { HELD: "held" },
  });
  if (configuration.kind !== "command") throw new Error("It is another kind.");
  const shell = new LocalShell();
  const executor = new SchedulerExecutor({
    ...{ shell, directory, dataDirectory: lab.data.root, calls: new CallLine(600) },
    scheduler: (metered) => new CommandScheduler(metered, configuration),
  });
  onTestFinished(() => executor.close());
  const { stager, dial } = lab.lanes.here;
  const lane = new Lane(computeId(configuration), configuration, { executor, stager, dial, scheduler: executor });
  const findings = await checkCompute(lane, lab.data, 300_000);
  expect(findings.filter(({ ok }) => !ok)).toMatchObject([
    { check: "job", found: expect.stringMatching(/waiting alone does not start it: its scheduler says "HELD"/) },
  ]);
  expect(existsSync(join(queue, "cancelled"))).toBe(true);
});

test("a check that finds nothing wrong ends a rest that faults began, and none that a person wants [compute.rest]", async () => {
  const { lab } = await TestBench.open();
  const { here } = lab.lanes;
  const good = [{ check: "job" as const, ok: true, found: "ran", remedy: null }];
  await rest(lab, "daemon", here, "3 attempts in a row failed there", 600);
  await recordCheck(lab, "person:a", here, [{ check: "disk", ok: false, found: "full", remedy: null }]);
  expect(here.record?.state).toBe("resting");
  await recordCheck(lab, "person:a", here, good);
  expect(here.record).toMatchObject({ state: "available", until: null });
  await rest(lab, "person:a", here, "maintenance", 600);
  await recordCheck(lab, "person:a", here, good);
  expect(here.record?.state).toBe("resting");
});
