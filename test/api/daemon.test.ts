import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from "vitest";
import { isAlive } from "../../packages/rigor/src/cli/daemon/processes.ts";
import { eventually, experimentFile, TestLab } from "../chaos/lab.ts";
import { ask, call, post, presentDaemon, startLab, type RunningLab } from "./support.ts";

interface Health {
  instance: string;
  pid: number;
}

describe("a daemon that cannot start", () => {
  let lab: TestLab;
  beforeEach(() => void (lab = new TestLab()));
  afterEach(() => lab.remove());

  /** The one line that a daemon prints before it ends with status 1. */
  async function refusal(
    environment: NodeJS.ProcessEnv = {},
  ): Promise<{ code: string; message: string; next: string | null }> {
    const { status, stdout, stderr } = await lab.startDaemon(environment).answer;
    expect({ status, stderr }).toEqual({ status: 1, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(1);
    return (JSON.parse(lines[0] ?? "") as { error: { code: string; message: string; next: string | null } }).error;
  }

  test.each([
    [{ RIGOR_PORT: "abc" }, "usage", "RIGOR_PORT is abc"],
    [{ RIGOR_PORT: "70000" }, "usage", "RIGOR_PORT is 70000"],
    [{ RIGOR_HOST: "0.0.0.0" }, "usage", "RIGOR_HOST is 0.0.0.0"],
    [{ RIGOR_HOST: "example.org" }, "usage", "RIGOR_HOST is example.org"],
    [{ RIGOR_LOG: "loud" }, "usage", "RIGOR_LOG is loud"],
    [{ RIGOR_DATABASE_URL: "mysql://me:secret@host/lab" }, "usage", "does not name a PostgreSQL database"],
  ])("because of %j says why in one line and exits with 1", async (environment, code, message) => {
    const error = await refusal(environment);
    expect(error).toMatchObject({ code, message: expect.stringContaining(message), next: expect.any(String) });
    expect(existsSync(lab.home)).toBe(false);
  });

  test("on a port that is taken names it", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    try {
      expect(await refusal({ RIGOR_PORT: String(port) })).toMatchObject({
        code: "usage",
        message: expect.stringContaining(String(port)),
      });
      expect(lab.daemonFile()).toBeNull();
    } finally {
      other.close();
    }
  });

  test("in a directory that cannot be made names it", async () => {
    writeFileSync(join(lab.directory, "file"), "");
    const error = await refusal({ RIGOR_HOME: join(lab.directory, "file/home") });
    expect(error).toMatchObject({ code: "storage", message: expect.stringContaining("file/home") });
  });

  test("in a directory that others can enter leaves it as it is, if it holds more than a lab [daemon.private]", async () => {
    mkdirSync(lab.home);
    chmodSync(lab.home, 0o755);
    writeFileSync(join(lab.home, "thesis.tex"), "");
    const said = /holds other files, and others can enter it \(mode 755\)/;
    expect(await refusal()).toMatchObject({ code: "storage", message: expect.stringMatching(said) });
    const { status, stderr } = await lab.cli("status");
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(said) });
    expect(stderr).toContain(`chmod 700 ${lab.home}`);
    expect(readdirSync(lab.home)).toEqual(["thesis.tex"]);
    expect(statSync(lab.home).mode & 0o777).toBe(0o755);
  });

  test("on a damaged database leaves it as it is", async () => {
    mkdirSync(lab.home);
    writeFileSync(lab.database, "no database at all, by any means");
    expect((await refusal()).code).toBe("database");
    expect(readFileSync(lab.database, "utf8")).toBe("no database at all, by any means");
  });

  test("because another one runs names it and leaves its file alone [store.second-daemon] [F19]", async () => {
    await lab.startReadyDaemon();
    const first = presentDaemon(lab);
    const error = await refusal();
    expect(error.code).toBe("already-running");
    expect(`${error.message} ${error.next}`).toContain(`pid ${first.pid} at ${first.address}`);
    expect(lab.daemonFile()).toEqual(first);
    expect((await ask(first, "/api/health")).status).toBe(200);
  });
});

describe("a data directory that others can enter", () => {
  test("is closed to them when it is empty, and when a lab is in it [daemon.private]", async () => {
    const lab = new TestLab();
    try {
      mkdirSync(lab.home);
      for (const words of [["up"], ["status"]]) {
        chmodSync(lab.home, 0o755);
        expect(await lab.cli(...words)).toMatchObject({ status: 0 });
        expect(statSync(lab.home).mode & 0o777).toBe(0o700);
        expect(await lab.cli("down")).toMatchObject({ status: 0 });
      }
    } finally {
      await lab.remove();
    }
  });
});

describe("a daemon that runs", () => {
  let running: RunningLab;
  beforeAll(async () => void (running = await startLab()));
  afterAll(() => running.lab.remove());

  test("keeps what it writes to its owner [daemon.private]", async () => {
    await ask(running.daemon, "/api/backup", post({ file: join(running.lab.directory, "copy.db") }));
    const names = readdirSync(running.lab.home).filter((name) => !statSync(join(running.lab.home, name)).isDirectory());
    expect(names).toEqual(expect.arrayContaining(["daemon.json", "daemon.lock", "daemon.log", "rigor.sqlite"]));
    const modes = (paths: string[]) => paths.map((path) => [path, statSync(path).mode & 0o777]);
    const files = [...names.map((name) => join(running.lab.home, name)), join(running.lab.directory, "copy.db")];
    expect(modes(files)).toEqual(files.map((path) => [path, 0o600]));
    expect(modes([running.lab.home])).toEqual([[running.lab.home, 0o700]]);
  });

  test("keeps its port, and a client of another daemon is noticed [F19]", async () => {
    const { daemon } = running;
    const other = createServer().on("error", () => undefined);
    other.listen(Number(new URL(daemon.address).port), "127.0.0.1");
    const [error] = (await once(other, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("EADDRINUSE");

    const second = await startLab();
    try {
      // A file of one daemon that came to name the address of the other.
      const mistaken = { ...second.daemon, address: daemon.address };
      expect((await ask(mistaken, "/api/health")).status).toBe(401);
      const own = await call<Health>(daemon, "/api/health");
      expect(own.body).toMatchObject({ instance: daemon.instance, pid: daemon.pid });
      expect((await call<Health>(second.daemon, "/api/health")).body.instance).not.toBe(daemon.instance);
    } finally {
      await second.lab.remove();
    }
  });

  test("listens on the IPv6 loopback when told to", async () => {
    const { lab, daemon, client } = await startLab({ RIGOR_HOST: "::1" });
    try {
      expect(daemon.address).toMatch(/^http:\/\/\[::1\]:\d+$/);
      expect((await client.system.health()).instance).toBe(daemon.instance);
      expect((await ask(daemon, "/api/health")).status).toBe(200);
    } finally {
      await lab.remove();
    }
  });
});

describe("a daemon that is told to end", () => {
  let running: RunningLab;
  beforeEach(async () => void (running = await startLab()));
  afterEach(() => running.lab.remove());

  const ended = (): Promise<void> => eventually("an end of the daemon", () => running.lab.processes().length === 0);

  test("answers what it was asked before [daemon.graceful]", async () => {
    const { daemon, lab } = running;
    const directory = mkdtempSync(join(tmpdir(), "rigor-backup-"));
    try {
      // Requests of some duration: the machine is examined, and the database is copied.
      const asked = [
        ask(daemon, "/api/doctor"),
        ...Array.from({ length: 4 }, (_, index) =>
          ask(daemon, "/api/backup", post({ file: join(directory, `${index}`) })),
        ),
      ];
      await ask(daemon, "/api/health");
      process.kill(daemon.pid, "SIGTERM");
      const answers = await Promise.all(asked);
      expect(answers.map((answer) => answer.status)).toEqual(asked.map(() => 200));
      await ended();
      expect(lab.daemonFile()).toBeNull();
      expect(await lab.differences()).toEqual([]);
    } finally {
      rmSync(directory, { recursive: true, maxRetries: 10 });
    }
  });

  test("is not kept by open streams of events, nor by idle connections [daemon.graceful]", async () => {
    const { daemon } = running;
    const headers = { authorization: `Bearer ${daemon.token}` };
    const streams = await Promise.all(
      Array.from({ length: 5 }, (_, index) =>
        fetch(`${daemon.address}/${index === 0 ? "rpc/events/stream" : "api/events?after=0"}`, { headers }),
      ),
    );
    // Read before, so that the connection is kept alive and idle.
    await (await fetch(`${daemon.address}/api/health`, { headers })).text();
    const begun = performance.now();
    process.kill(daemon.pid, "SIGTERM");
    await ended();
    // What keeps a daemon is cut after 10 s.
    expect(performance.now() - begun).toBeLessThan(9_500);
    const cut = await Promise.allSettled(streams.map((stream) => stream.text()));
    expect(cut).toHaveLength(5);
  });

  test("answers who waits for an experiment, and ends at once [daemon.graceful]", async () => {
    running.lab.commit({ "long.yaml": experimentFile({ name: "long", seeds: [1], run: "sleep 1000" }) });
    const search_path = process.env["PATH"] ?? "";
    await running.client.experiments.start({ file: `${running.lab.repository}/long.yaml`, search_path });
    const waiting = running.client.experiments.progress({ reference: "long", wait: 60 });
    // The request is there when later ones are answered.
    for (let count = 0; count < 5; count++) await running.client.system.health();
    process.kill(running.daemon.pid, "SIGTERM");
    expect((await waiting).experiment.state).toBe("running");
    // Its job goes on.
    await eventually("an end of the daemon", () => !isAlive(running.daemon.pid));
  });

  test("by a request answers it first [daemon.graceful]", async () => {
    const { status, body } = await call<{ pid: number }>(running.daemon, "/api/stop", { method: "POST" });
    expect({ status, pid: body.pid }).toEqual({ status: 200, pid: running.daemon.pid });
    await ended();
  });

  test("twice ends once", async () => {
    process.kill(running.daemon.pid, "SIGTERM");
    process.kill(running.daemon.pid, "SIGINT");
    await ended();
    const log = readFileSync(join(running.lab.home, "daemon.log"), "utf8");
    expect(log.match(/"stopped"/g)).toHaveLength(1);
  });
});
