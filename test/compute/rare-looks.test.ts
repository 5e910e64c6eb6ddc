/** How often a scheduler is asked about a job that waits long. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type JobService, startJobService } from "../clusters/job-service.ts";
import { experiment, until, UserLab } from "../e2e/lab.ts";
import { documented } from "./command.testing.ts";
import { notingFolder, readCalls } from "./noted-calls.testing.ts";

const watchedSeconds = 45;

let service: JobService;
let lab: UserLab;
beforeAll(() => {
  service = startJobService();
  lab = new UserLab().init();
});
afterAll(async () => {
  await lab.close();
  service.stop();
});

test(
  "a job that waits is asked about ever less often, and its start and end are seen all the same [compute.soon]",
  { timeout: 300_000 },
  async () => {
    const notes = join(service.scratch, "calls");
    const folder = notingFolder(service.scratch, ["jobctl"], service.bin, notes);
    const settings = documented("containers", { jobctl: join(folder, "jobctl") });
    lab.commit({
      "rigor.yaml": JSON.stringify({ compute: { cluster: { ...settings, workdir: `${service.scratch}/work` } } }),
      "long.yaml": experiment({
        name: "long",
        compute: ["cluster"],
        seeds: [1],
        run: `printf '{"metrics":{"loss":1}}' >"$RIGOR_OUTPUT/result.json"`,
      }),
    });
    service.setFull(true);
    await lab.rigor("run", "long.yaml", "--detach");
    const looks = () => readCalls(notes).filter(({ text }) => text.startsWith("jobctl list"));
    await until("a first look at the job", () => looks().length > 0, 120_000);
    await sleep(watchedSeconds * 1_000);
    // Every 2 s would be 22.
    const seen = looks().length;
    expect(seen).toBeGreaterThan(1);
    expect(seen).toBeLessThan(16);
    service.setFull(false);
    await until("its end", async () => (await lab.runs("long")).every(({ state }) => state === "done"), 120_000);
  },
);
