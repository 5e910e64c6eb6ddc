import { expect, test } from "vitest";
import { computeSchema } from "./compute-schema.ts";

test("a scheduler needs little, and gets careful defaults", () => {
  const read = computeSchema.parse({ kind: "slurm", via: { ssh: "login" }, partition: "gpu", signal: "SIGUSR1@120" });
  expect(read).toMatchObject({
    kind: "slurm",
    via: { ssh: "login", ssh_config: null },
    partition: "gpu",
    account: null,
    workdir: "~/.rigor",
    max_jobs: 100,
    calls_per_minute: 60,
    array: true,
    signal: { signal: "USR1", seconds: 120 },
  });
  expect(computeSchema.parse({ kind: "pbs" })).toMatchObject({ via: null, gpu_resource: "ngpus" });
});

test.each([
  { kind: "ssh", host: "-oProxyCommand=touch /tmp/x" },
  { kind: "ssh", host: "a b" },
  { kind: "ssh", host: "lab1", workdir: "relative/path" },
  { kind: "slurm", signal: "KILL@10" },
  { kind: "slurm", account: "two\nlines" },
  { kind: "slurm", calls_per_minute: 0 },
  { kind: "command", submit: "s", status: "s", cancel: "c", states: { R: "busy" } },
  { kind: "cloud" },
])("$kind is refused where a value would be read as something else: %j", (value) => {
  expect(computeSchema.safeParse(value).success).toBe(false);
});
