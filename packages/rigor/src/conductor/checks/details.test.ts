import { expect, test } from "vitest";
import { detailTexts } from "./details.ts";

const difference = { variable: "arms.ours", from: "1", to: "2", comparable: true };

test("what checks saw is told in sentences, and nothing of a check that kept nothing [issue.human]", () => {
  const told = [
    detailTexts({
      name: "consistency",
      details: {
        parent: "tiny@1",
        differences: [difference, { ...difference, variable: "tasks.news", comparable: false }],
        duplicates: ["other@2"],
      },
    }),
    detailTexts({ name: "consistency", details: { parent: null, differences: [], duplicates: [] } }),
    detailTexts({ name: "consistency", details: { parent: "tiny@1", differences: [], duplicates: [] } }),
    detailTexts({
      name: "declared-checks",
      details: {
        commands: [
          { command: "npm test", exit: 0, seconds: 75.2, output: "/lab/check-1.log" },
          { command: "sleep 9", exit: null, seconds: 9, output: "/lab/check-2.log" },
        ],
      },
    }),
    detailTexts({ name: "declared-checks", details: { commands: [], message: "No command is declared." } }),
    detailTexts({
      name: "duplication",
      details: { copies: [{ file: "a.py", lines: "1 to 9", other_file: "b.py", other_lines: "3 to 11", tokens: 80 }] },
    }),
    detailTexts({
      name: "smoke",
      details: {
        runs: [
          { run: "abc", arm: "small", state: "done", seconds: 0.25, metrics: { loss: 0.123_456_789 } },
          { run: "def", arm: "large", state: "failed", seconds: null, metrics: null },
        ],
        held_since: null,
      },
    }),
  ];
  expect(told).toEqual([
    [
      "What differs from the parent:\n\n- arms.ours: 1 became 2.\n" +
        "- tasks.news: 1 became 2. Results of the two cannot be compared without a word on it.",
      "Experiments that measured the same design before:\n\n- other@2",
    ],
    ["The plan names no parent that it is compared with."],
    ["Nothing differs from tiny@1."],
    [
      "Commands:\n\n- `npm test` ended with 0 after 1 min 15 s; its output is in /lab/check-1.log\n" +
        "- `sleep 9` was stopped after 9 s; its output is in /lab/check-2.log",
    ],
    ["No command is declared."],
    ["Copies:\n\n- a.py, lines 1 to 9, and b.py, lines 3 to 11 (80 tokens)"],
    ["Its runs:\n\n- small (run abc): done after 0.3 s; loss 0.123457\n- large (run def): failed; no metrics"],
  ]);
  expect(detailTexts({ name: "smoke", details: null })).toEqual([]);
  expect(detailTexts({ name: "declared-checks", details: { error: "git" } })).toEqual([]);
});
