/** A tool server on a host that two machines of a lab reach, when the one that it belongs to is lost. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPostgresStore } from "../../packages/rigor/src/store/open.ts";
import { startSshHosts, sshMissing, type SshLab } from "../clusters/ssh.ts";
import { until, UserLab } from "../e2e/lab.ts";
import { createTestDatabase, testServerUrl, type TestDatabase } from "../support/postgres.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import { beginIn, investigator, measuringOn, showIn } from "./investigating.testing.ts";
import { claudeCode } from "./programs.ts";

const isMissing = claudeCode === null || sshMissing() !== null || testServerUrl() === undefined;
let database: TestDatabase;
let hosts: SshLab;
let model: AnthropicServer;
let first: UserLab;
let second: UserLab;

beforeAll(async () => {
  if (isMissing) return;
  database = await createTestDatabase();
  hosts = await startSshHosts({ lab1: {} });
  first = new UserLab().init();
  second = new UserLab("repository", first);
  model = await AnthropicServer.start(investigator(() => first.directory));
  for (const lab of [first, second]) {
    Object.assign(lab.environment, {
      PATH: `${dirname(claudeCode ?? "")}:${lab.environment["PATH"]}`,
      RIGOR_DATABASE_URL: database.url,
      RIGOR_TAKEOVER: "15",
      RIGOR_TOOL_PATIENCE: "20",
      ANTHROPIC_BASE_URL: model.url,
      ANTHROPIC_API_KEY: "sk-ant-key-of-the-user-0123456789",
    });
  }
  first.commit(measuringOn(hosts));
});

afterAll(async () => {
  if (isMissing) return;
  await second.close();
  await first.close();
  await model.close();
  await hosts.stop();
  await database.drop();
});

/** What tool servers hold by the books. */
async function leases(): Promise<{ server: string; ended_at: string | null }[]> {
  const store = await openPostgresStore(database.url);
  try {
    return await store.db.selectFrom("tool_jobs").select(["server", "ended_at"]).execute();
  } finally {
    await store.close();
  }
}

async function serversLeft(): Promise<string> {
  const left = await hosts.host("lab1").run("ps -eo args | grep -c '[m]easure.py\\|[t]ool-server.py' || true");
  return left.trim();
}

describe.skipIf(isMissing)("a machine that is lost", () => {
  test("leaves no lease of its tool server, once its investigation is ended from another one [investigate.compute-ends] [shared.investigations]", async () => {
    const { number, directory } = await beginIn(first, "WAIT for ever", "tools.json", "--compute", "lab1");
    await until("it has measured", () => existsSync(join(directory, "artifacts/curve.csv")), 120_000);
    expect(await leases()).toMatchObject([{ server: "bench", ended_at: null }]);
    process.kill(first.daemonPid() ?? 0, "SIGKILL");
    expect((await second.rigor("up")).status).toBe(0);
    await until("it is ended without its daemon", async () => {
      await second.rigor("investigation", "stop", String(number), "-m", "That machine is lost.");
      return (await showIn(second, number)).investigation.state === "ended";
    });
    await until("its lease has ended", async () => (await leases()).every(({ ended_at }) => ended_at !== null));
    expect(await serversLeft()).toBe("0");
  }, 900_000);

  test("leaves none either where nobody ends its investigation, which goes on when it comes back [investigate.compute-ends] [investigate.survives]", async () => {
    const { number, directory } = await beginIn(first, "WAIT for the machine", "tools.json", "--compute", "lab1");
    await until("it has measured", () => existsSync(join(directory, "artifacts/curve.csv")));
    expect((await second.rigor("up")).status).toBe(0);
    process.kill(first.daemonPid() ?? 0, "SIGKILL");
    await until("its lease has ended", async () => (await leases()).every(({ ended_at }) => ended_at !== null));
    expect(await serversLeft()).toBe("0");
    expect((await showIn(second, number)).investigation).toMatchObject({
      state: "running",
      waits_for: expect.stringMatching(/^no daemon is heard of on .+, where it is$/),
    });
    first.write({ "../go-on": "" });
    expect((await first.rigor("up")).status).toBe(0);
    await until("it has ended", async () => (await showIn(first, number)).investigation.state === "ended");
    expect((await showIn(first, number)).investigation).toMatchObject({ outcome: "answered" });
  }, 900_000);
});
