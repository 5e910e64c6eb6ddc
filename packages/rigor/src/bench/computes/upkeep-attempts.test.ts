import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SshExecutor } from "../../compute/executors/ssh.ts";
import { LocalShell } from "../../hosts/local-shell.ts";
import { scratchDirectory } from "../../provenance/scratch-repository.testing.ts";
import { TestBench } from "../bench.testing.ts";
import { fatesOfAttempts } from "../records/attempt-queries.ts";
import { removableAttempts } from "./old-attempts.ts";

/** An executor whose host is a folder of this machine, with directories of attempts that ended there. */
function startHost(attempts: readonly string[]) {
  const directory = scratchDirectory();
  const root = join(directory, "attempts");
  const place = (attempt: string) => join(root, attempt.slice(0, 2), attempt);
  for (const attempt of attempts) {
    mkdirSync(join(place(attempt), "output/checkpoints"), { recursive: true });
    writeFileSync(join(place(attempt), "output/checkpoints/last"), "1");
  }
  const executor = new SshExecutor({
    shell: new LocalShell(),
    directory,
    dataDirectory: scratchDirectory(),
    excludedGpus: [],
  });
  onTestFinished(() => executor.close());
  return { executor, root, place };
}

test("the log says which directories of a host nothing needs any more [compute.attempts-clean-up] [F24]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start();
  const [done, running, cancelled] = await bench.runs(id);
  if (done === undefined || running === undefined || cancelled === undefined) throw new Error("too few runs");
  await bench.finish(done, { loss: 1 });
  const live = await bench.begin(running);
  const ended = `${done.id.slice(0, 16)}-1`;
  const { executor, place } = startHost([ended, live, "zz-unknown"]);
  const later = Date.now() + 40 * 86_400_000;
  const kept = await executor.keptDirectories();
  expect(new Set(kept.map(({ attempt }) => attempt))).toEqual(new Set([ended, live, "zz-unknown"]));
  expect(kept.map(({ has_checkpoints }) => has_checkpoints)).toEqual([true, true, true]);
  const fates = await fatesOfAttempts(bench.db, [...kept.map(({ attempt }) => attempt)]);
  const { old } = removableAttempts(kept, fates, { old: 30 * 86_400, spared: 86_400 }, later);
  expect(old.map(({ attempt }) => attempt)).toEqual([ended]);
  await executor.removeDirectories(old);
  expect([ended, live, "zz-unknown"].map((attempt) => existsSync(place(attempt)))).toEqual([false, true, true]);
});

test("a directory whose process is alive stays, whatever the log says; one that is half removed goes [compute.attempts-clean-up]", async () => {
  const { executor, root, place } = startHost(["aa-alive", "aa-dead"]);
  const child = spawn("sleep", ["60"]);
  onTestFinished(() => void child.kill());
  const started =
    readFileSync(`/proc/${child.pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ")[19] ?? "";
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const host = readFileSync("/proc/sys/kernel/hostname", "utf8").trim();
  const record = (pid: number | undefined) =>
    `{"host":"${host}","pid":${pid},"started":"${started}","boot":"${boot}"}\n`;
  writeFileSync(join(place("aa-alive"), "process"), record(child.pid));
  writeFileSync(join(place("aa-dead"), "process"), record(4_000_000));
  mkdirSync(join(root, "aa/aa-half.removed-12/output"), { recursive: true });
  await executor.removeDirectories(await executor.keptDirectories());
  expect(readdirSync(join(root, "aa"))).toEqual(["aa-alive"]);
});
