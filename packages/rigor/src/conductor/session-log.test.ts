import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Lab } from "../bench/lab/lab.ts";
import { openSqliteStore } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import { findSession } from "./queries.ts";
import { SessionLog } from "./session-log.ts";

const id = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
let root: string;
let store: Store;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "rigor-session-log-"));
  store = await openSqliteStore(join(root, "rigor.sqlite"));
});
afterEach(async () => {
  await store.close();
  rmSync(root, { recursive: true });
});

test("a session that is ended without its process names tools that hung, and keeps what it had told of its use [session.hanging]", async () => {
  const session = {
    ...{ issue_id: null, role: "investigator" as const, subject: "i1", backend: "claude-code", model: null },
    ...{ member: null, directory: join(root, "nothing-is-here") },
  };
  const used = { turns: 3, input_tokens: 100, cached_tokens: 50, output_tokens: 20, cost: 0.25, seconds: 9 };
  await store.transact("conductor", (transaction) =>
    transaction.append([
      { kind: "session.started", entity: id, data: session },
      { kind: "session.launched", entity: id, data: { process: null } },
      { kind: "session.stalled", entity: id, data: { tool: "bench/measure", seconds: 540 } },
    ]),
  );
  const log = new SessionLog({ store } as Lab);
  const { cached_tokens: cachedTokens, input_tokens: inputTokens, output_tokens: outputTokens, ...others } = used;
  await log.tellUsage(id, { ...others, cachedTokens, inputTokens, outputTokens });
  expect((await findSession(store.db, id)).usage).toEqual(used);
  await log.conclude(await findSession(store.db, id), {
    outcome: "lost",
    evidence: "Its machine is gone.",
    next: null,
  });
  expect(await findSession(store.db, id)).toMatchObject({
    state: "ended",
    evidence: "Its machine is gone. The tool bench/measure gave no answer within 540 seconds.",
    usage: used,
  });
});
