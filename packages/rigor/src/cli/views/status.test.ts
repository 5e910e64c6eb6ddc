import { expect, test } from "vitest";
import type { StatusView } from "../../api/contract/views/daemon.ts";
import { experiment, now, runCounts } from "../cli.testing.ts";
import { plainStyle } from "../output/terminal.ts";
import { statusLines } from "./status.ts";

const look = { style: plainStyle, columns: 110, now };

function status(experiments: StatusView["experiments"]): StatusView {
  return {
    version: "0.1.0",
    data_directory: "/home/ada/.rigor",
    database: "sqlite",
    address: "http://127.0.0.1:1",
    pid: 1,
    started_at: "2026-01-01T00:00:00Z",
    counts: runCounts({ done: 9, invalid: 1 }),
    experiments,
    hosts: [],
    closed: [],
    waits_for: null,
    daemons: [],
    board: { issues: 0, investigations: 0, agents: 0, waiting: 0 },
  };
}

test("why an experiment is held is said once, in full, with what can be done [cli.why-waiting]", () => {
  const reason = "metrics-finite: perplexity is NaN.";
  const hold = {
    code: "checks-failed" as const,
    reason,
    options: ["rigor release smoothing"],
    since: "2026-01-01T00:00:00Z",
  };
  const lines = statusLines(
    status([experiment({ state: "held", hold, counts: runCounts({ done: 9, invalid: 1 }) })]),
    look,
  );
  expect(lines.filter((line) => line.includes(reason))).toEqual([`  Held 1 min ago: ${reason}`]);
  expect(lines).toContainEqual(expect.stringMatching(/^smoothing@1 +held +9\/10 +1 min ago +9 done, 1 invalid$/));
  expect(lines).toContain("    rigor release smoothing   go on");
});
