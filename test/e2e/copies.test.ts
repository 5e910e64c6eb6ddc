/** Two data directories that know of the same runs, and runs that leave large files. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunSummary } from "../../packages/rigor/src/api/contract/views/runs.ts";
import { experiment, expectRefusal, script, until, UserLab } from "./lab.ts";

let lab: UserLab;

beforeAll(() => {
  lab = new UserLab().init();
});

afterAll(() => lab.close());

test("a backup that is used elsewhere does not start again what runs here [F10] [store.second-daemon]", async () => {
  const place = lab.directory;
  lab.commit({
    "wait.sh": `echo started >>"${place}/starts"\nuntil [ -e "${place}/go" ]; do sleep 0.1; done\n${script}`,
    "rigor.yaml": "compute: { local: { kind: local, cpus: 2 } }\n",
    "wait.yaml": experiment({ name: "wait", seeds: [1], code: ["wait.sh"], run: "sh wait.sh" }),
  });
  await lab.rigor("run", "wait.yaml", "--detach");
  const starts = () => readFileSync(join(place, "starts"), "utf8").trim().split("\n").length;
  await until("two runs", async () => (await lab.runs("wait")).filter(({ state }) => state === "active").length === 2);
  await until("their starts", () => existsSync(join(place, "starts")) && starts() === 2);
  await lab.rigor("backup", join(place, "copy.db"));
  const other = join(place, "other");
  mkdirSync(other, { mode: 0o700 });
  copyFileSync(join(place, "copy.db"), join(other, "rigor.sqlite"));
  const refused = await lab.call(["status"], { environment: { RIGOR_HOME: other } });
  expectRefusal(refused, 2, "2 runs are under way whose files lie in another data directory", `RIGOR_HOME=${lab.home}`);
  writeFileSync(join(place, "go"), "");
  expect((await lab.rigor("run", "wait.yaml")).text).toContain("2 done");
  expect(starts()).toBe(2);
});

test("the next run does not wait until the artifacts of the last one are hashed [job.slots]", async () => {
  lab.commit({
    "rigor.yaml": "compute: { local: { kind: local, cpus: 1 } }\n",
    "large.sh": `truncate -s 2G "$RIGOR_OUTPUT/large.bin"\n${script}`,
    "large.yaml": experiment({
      name: "large",
      seeds: [1],
      code: ["large.sh"],
      run: "sh large.sh",
      outputs: { artifacts: ["large.bin"] },
    }),
  });
  expect((await lab.rigor("run", "large.yaml")).text).toContain("2 done");
  const runs = await lab.json<{ runs: { id: string; changed_at: string }[] }>("list", "large");
  const shown = await Promise.all(
    runs.runs.map(({ id }) => lab.json<{ changed_at: string; attempt_list: { queued_at: string }[] }>("show", id)),
  );
  const concluded = shown.map(({ changed_at }) => Date.parse(changed_at)).toSorted((a, b) => a - b);
  const queued = shown
    .map(({ attempt_list }) => Date.parse(attempt_list[0]?.queued_at ?? ""))
    .toSorted((a, b) => a - b);
  expect(queued[1]).toBeLessThan(concluded[0] ?? 0);
});

test("while its artifacts are hashed a run is said to be collecting, and holds no CPU [run.collecting]", async () => {
  lab.commit({
    "large.sh": `truncate -s 1G "$RIGOR_OUTPUT/large.bin"\n${script}`,
    "hashed.yaml": experiment({
      name: "hashed",
      arms: { one: {} },
      seeds: [1],
      code: ["large.sh"],
      run: "sh large.sh",
      outputs: { artifacts: ["large.bin"] },
    }),
  });
  await lab.rigor("run", "hashed.yaml", "--detach");
  const client = await lab.client();
  let run: RunSummary | undefined;
  await until("a run whose artifacts are hashed", async () => {
    ({
      runs: [run],
    } = await client.runs.list({ experiment: "hashed" }));
    return run?.collecting === true;
  });
  const [status, progress] = await Promise.all([
    client.system.status(),
    client.experiments.progress({ reference: "hashed" }),
  ]);
  const shown = await client.runs.get({ reference: run?.id ?? "" });
  expect(status.hosts.map((host) => host.cpus_used)).toEqual([0]);
  expect(progress.active.map(({ collecting }) => collecting)).toEqual([true]);
  expect(shown).toMatchObject({ state: "active", collecting: true });
  expect((await lab.rigor("run", "hashed.yaml")).text).toContain("1 done");
  expect((await client.runs.get({ reference: shown.id })).collecting).toBe(false);
});
