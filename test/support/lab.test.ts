import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { killIfThere, processesBelow } from "../chaos/processes.ts";
import { until, UserLab } from "../e2e/lab.ts";

test("a lab that is closed before its daemon has told where it is leaves no process and no file", async () => {
  const lab = new UserLab().init();
  lab.start(["status"]);
  await until("a daemon that begins", () => processesBelow(lab.home).length > 0);
  // On a busy machine it may have told already: then it is made one that has not.
  for (const { pid } of processesBelow(lab.home)) killIfThere(pid, "SIGSTOP");
  rmSync(join(lab.home, "daemon.json"), { force: true });
  await lab.close();
  expect(processesBelow(lab.directory)).toEqual([]);
  expect(existsSync(lab.directory)).toBe(false);
});
