import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, testServerUrl, type TestDatabase } from "../../../../test/support/postgres.ts";
import { Driving } from "../bench/lab/driving.ts";
import type { IssueRecord } from "../domain/issues/records.ts";
import { Drivers } from "../store/drivers.ts";
import { Offers } from "../bench/lab/offers.ts";
import { openPostgresStore } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import { fileIssue } from "./board.ts";
import { agentsAtWork } from "./gather.ts";
import { IssueDriving } from "./issue-driving.ts";

/** Seconds; enough for a busy machine. */
const patience = 3;
const usage = { turns: 0, input_tokens: 0, cached_tokens: 0, output_tokens: 0, cost: null, seconds: 0 };

describe.skipIf(testServerUrl() === undefined)("which daemon takes an issue further", () => {
  let database: TestDatabase;
  let place: string;
  let repository: string;
  const ends: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    database = await createTestDatabase();
    place = mkdtempSync(join(tmpdir(), "rigor-issues-"));
    repository = join(place, "repository");
    mkdirSync(repository);
    git("init", "--quiet");
    git("-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "--quiet", "--allow-empty", "-m", "First");
  });
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
    await database.drop();
    rmSync(place, { recursive: true });
  });

  const git = (...words: string[]): string => execFileSync("git", words, { cwd: repository, encoding: "utf8" }).trim();

  interface Machine {
    store: Store;
    drivers: Drivers;
    issues: IssueDriving;
  }

  async function joinLab(member: string): Promise<Machine> {
    const store = await openPostgresStore(database.url);
    const facts = { member, host: `host-${member}`, pid: process.pid, data_directory: `/${member}`, version: "0.0.0" };
    const drivers = await Drivers.join(store, database.url, facts, { patience, onLost: () => undefined });
    ends.push(
      () => store.close(),
      () => drivers.leave(),
    );
    const driving = new Driving({ drivers, offers: new Offers(store) });
    return { store, drivers, issues: new IssueDriving(driving, store) };
  }

  const file = ({ store, issues }: Machine): Promise<IssueRecord> =>
    fileIssue(store, issues, "person:test", {
      ...{ project: repository, kind: "experiment", title: "Why?", text: "Why?", parent: null, change: null },
      ...{ backend: null, accepted: true },
    });

  /** Whether a machine comes to drive an issue, in a time in which it would if it could. */
  async function comesToDrive({ issues }: Machine, issue: IssueRecord, others: "live" | "gone"): Promise<boolean> {
    const deadline = performance.now() + (others === "live" ? 300 : patience * 1_500);
    do {
      await issues.refresh([issue]);
    } while (performance.now() < deadline && !issues.drives(issue.id));
    return issues.drives(issue.id);
  }

  test("the one that it was filed on, as long as that lives, and then another one that has its repository [shared.issues] [shared.take-over]", async () => {
    const [home, other] = [await joinLab("home"), await joinLab("other")];
    const issue = await file(home);
    expect(await comesToDrive(other, issue, "live")).toBe(false);
    expect(await comesToDrive(home, issue, "live")).toBe(true);
    expect(await comesToDrive(other, issue, "live")).toBe(false);
    expect(await other.issues.driverOf(issue.id)).toMatchObject({ host: "host-home", is_alive: true, is_this: false });
    await home.drivers.leave();
    expect(await comesToDrive(other, issue, "gone")).toBe(true);
    // What one has taken over it keeps.
    const back = await joinLab("home");
    expect(await comesToDrive(back, issue, "live")).toBe(false);
    await other.issues.refresh([issue]);
    expect(other.issues.drives(issue.id)).toBe(true);
    // Nothing is held that is not open any more.
    await other.issues.refresh([]);
    expect(other.issues.drives(issue.id)).toBe(false);
  });

  test("none that lacks a commit which the record of the issue names, or its repository [shared.files]", async () => {
    const [home, other] = [await joinLab("home"), await joinLab("other")];
    const issue = await file(home);
    expect(await comesToDrive(home, issue, "live")).toBe(true);
    const made = (base: string) => ({
      kind: "issue.checked" as const,
      entity: issue.id,
      data: { check: "workspace" as const, subject: base, passed: true, fault: false, findings: [], details: { base } },
    });
    await home.store.transact("conductor", (transaction) => transaction.append([made("f".repeat(40))]));
    await home.drivers.leave();
    expect(await comesToDrive(other, issue, "gone")).toBe(false);
    const nowhere = await joinLab("nowhere");
    expect(await comesToDrive(nowhere, { ...issue, project: join(place, "missing") }, "gone")).toBe(false);
    const later = await joinLab("later");
    await later.store.transact("conductor", (transaction) => transaction.append([made(git("rev-parse", "HEAD"))]));
    expect(await comesToDrive(later, issue, "gone")).toBe(true);
  });

  test("none but the one on which a person works in its workspace, until that work has ended [shared.files]", async () => {
    const [home, other] = [await joinLab("home"), await joinLab("other")];
    const issue = await file(home);
    expect(await comesToDrive(home, issue, "live")).toBe(true);
    await home.store.transact("conductor", (transaction) =>
      transaction.append([
        {
          kind: "session.started",
          entity: "s1",
          data: {
            ...{ issue_id: issue.id, role: "implementer", subject: "1", backend: "human", model: null },
            ...{ member: "home", directory: "/home/sessions/s1" },
          },
        },
      ]),
    );
    await home.drivers.leave();
    expect(await comesToDrive(other, issue, "gone")).toBe(false);
    const ended = { outcome: "stopped", evidence: "It was given up.", next: null, usage };
    await other.store.transact("person:test", (transaction) =>
      transaction.append([{ kind: "session.ended", entity: "s1", data: ended }]),
    );
    expect(await comesToDrive(other, issue, "gone")).toBe(true);
  });

  test("agents of a machine that is lost keep nobody from beginning [shared.issues]", async () => {
    const [home, other] = [await joinLab("home"), await joinLab("other")];
    await home.store.transact("conductor", (transaction) =>
      transaction.append([
        {
          kind: "session.started",
          entity: "s1",
          data: {
            ...{ issue_id: null, role: "investigator", subject: "i1", backend: "claude-code", model: null },
            ...{ member: "home", directory: "/home/sessions/s1" },
          },
        },
      ]),
    );
    expect((await agentsAtWork(other.store.db)).busy_agents).toBe(1);
    await home.drivers.leave();
    await expect.poll(async () => (await agentsAtWork(other.store.db)).busy_agents, { timeout: 60_000 }).toBe(0);
  });
});
