import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { processesBelow } from "../chaos/processes.ts";
import { until, UserLab } from "../e2e/lab.ts";

test("a lab that is closed before its daemon has told where it is leaves no process and no file", async () => {
  const lab = new UserLab().init();
  lab.start(["status"]);
  await until("a daemon that begins", () => processesBelow(lab.home).length > 0);
  expect(lab.daemonPid()).toBeNull();
  await lab.close();
  expect(processesBelow(lab.directory)).toEqual([]);
  expect(existsSync(lab.directory)).toBe(false);
});
