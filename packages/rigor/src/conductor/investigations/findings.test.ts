import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSqliteStore } from "../../store/open.ts";
import type { Store } from "../../store/store.ts";
import { InvestigationDirectory } from "./directory.ts";
import { Findings } from "./findings.ts";

let root: string;
let store: Store;
let directory: InvestigationDirectory;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "rigor-findings-"));
  store = await openSqliteStore(join(root, "rigor.sqlite"));
  directory = new InvestigationDirectory(join(root, "one"));
  const place = { issue_id: null, role: "investigator" as const, subject: "one", member: null };
  const question = "What grows here?\nAnd where?";
  await directory.make(question, "{}");
  await store.transact("person:test", (transaction) =>
    transaction.append([
      {
        kind: "investigation.started",
        entity: "one",
        data: {
          ...{ number: 1, project: root, question, servers: ["bench"], compute: null, commit: null },
          ...{ max_turns: null, directory: directory.path, session_id: "session" },
        },
      },
      {
        kind: "session.started",
        entity: "session",
        data: { ...place, backend: "claude-code", model: null, directory: directory.session },
      },
      { kind: "investigation.begun", entity: "one", data: {} },
    ]),
  );
});
afterEach(async () => {
  await store.close();
  rmSync(root, { recursive: true });
});

const explanation = {
  behaviour: "It grows.",
  explanation: "It is a square. ".repeat(20).trim(),
  components: [],
  evidence: [{ kind: "intervention", changed: "x from 3 to 4", effect: "9 to 16.", control: null, source: "measure" }],
  confidence: 0.5,
  alternatives: [],
  limits: [],
};

test("what an agent hands in ends somewhere; a summary is taken all the same [session.size]", async () => {
  const findings = new Findings(store, 1_000);
  await findings.note("one", "x".repeat(400));
  await findings.explain("one", explanation);
  await expect(findings.note("one", "y".repeat(400))).rejects.toMatchObject({
    code: "refused",
    next: expect.stringContaining("summary"),
  });
  await expect(findings.explain("one", explanation)).rejects.toMatchObject({ code: "refused" });
  await findings.conclude("one", { answer: "A parabola.", answered: true, summary: "I looked." });
  const log = readFileSync(join(directory.path, "log.md"), "utf8");
  expect(log).toContain("xxx");
  expect(log).not.toContain("yyy");
});

test("files for people can be read, whatever an agent's punctuation is [investigate.record]", async () => {
  const findings = new Findings(store);
  await findings.explain("one", explanation);
  await findings.conclude("one", { answer: "A parabola.", answered: true, summary: "I looked." });
  expect(readFileSync(join(directory.path, "explanations.md"), "utf8")).toContain(
    "- intervention: x from 3 to 4. Effect: 9 to 16. Control: none. Source: measure.",
  );
  const summary = readFileSync(directory.summary, "utf8");
  expect(summary).toMatch(
    /^# Summary of investigation 1\n\nWhat grows here\?\nAnd where\?\n\n## Answer\n\nA parabola\.\n/,
  );
});
