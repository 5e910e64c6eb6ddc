/**
 * One private PostgreSQL for a test run, from the machine's own binaries (Debian: `apt-get install postgresql`).
 *
 * As vitest's global set-up it starts the server and names it in `RIGOR_TEST_DATABASE_URL`. Where that is set already,
 * that server is used. Where no binaries are found the variable stays unset and tests of PostgreSQL skip themselves,
 * except in CI (`CI=true`), where they must run.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { chownSync, existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";

const run = promisify(execFile);
const variable = "RIGOR_TEST_DATABASE_URL";
const startLimitMs = 90_000;

/** A server that this module started. */
export interface PrivatePostgres {
  /** Connection string of its database `postgres`. */
  url: string;
  /** Ends the server and removes its files. */
  stop(): Promise<void>;
}

/** An empty database that only the caller uses. */
export interface TestDatabase {
  url: string;
  drop(): Promise<void>;
}

let started: PrivatePostgres | undefined;

/** Called by vitest once, before all tests. */
export async function setup(): Promise<void> {
  if (testServerUrl() !== undefined) return;
  const binaries = findBinaries();
  if (binaries !== undefined) {
    started = await startPostgres(binaries);
    process.env[variable] = started.url;
  } else if (process.env["CI"] === "true") {
    throw new Error(`CI must test PostgreSQL, but no server was found. Install postgresql, or set ${variable}.`);
  }
}

/** Called by vitest once, after all tests. */
export async function teardown(): Promise<void> {
  await started?.stop();
}

/** The server to test with, or undefined where there is none (then skip, never pass). */
export function testServerUrl(): string | undefined {
  return process.env[variable] || undefined;
}

/** Creates an empty database on the test server. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = testServerUrl();
  if (server === undefined) throw new Error(`${variable} names no server: run the tests through vitest.`);
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await query(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => query(server, `drop database if exists ${name} with (force)`) };
}

/** The newest folder that holds PostgreSQL's server programs, or undefined. */
export function findBinaries(): string | undefined {
  const debian = globSync("/usr/lib/postgresql/*/bin").toSorted((a, b) => b.localeCompare(a, "en", { numeric: true }));
  const folders = [...debian, ...(process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "")];
  return folders.find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")));
}

/** Starts a server with an empty cluster in a temporary directory, on a free port of the loopback interface. */
export async function startPostgres(binaries: string): Promise<PrivatePostgres> {
  const directory = mkdtempSync(join(tmpdir(), "rigor-postgres-"));
  const data = join(directory, "data");
  const passwordFile = join(directory, "password");
  const password = randomBytes(16).toString("hex");
  writeFileSync(passwordFile, password, { mode: 0o600 });
  const owner = serverOwner();
  if (owner !== undefined) {
    chownSync(directory, owner.uid, owner.gid);
    chownSync(passwordFile, owner.uid, owner.gid);
  }
  const ids = owner ?? {};
  const cluster = ["--pgdata", data, "--username", "rigor", "--pwfile", passwordFile, "--auth", "scram-sha-256"];
  const speed = ["--no-sync", "--no-instructions", "--encoding", "UTF8", "--locale", "C"];
  await run(join(binaries, "initdb"), [...cluster, ...speed], { cwd: directory, ...ids });

  const port = await freePort();
  const settings = { port, listen_addresses: "127.0.0.1", unix_socket_directories: directory, fsync: "off" };
  const options = Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
  const child = spawn(...endedWithParent(join(binaries, "postgres"), ["-D", data, ...options]), {
    cwd: directory,
    stdio: ["ignore", "ignore", "pipe"],
    ...ids,
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async () => {
    child.kill("SIGINT");
    await ended;
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
  };
  const url = `postgres://rigor:${password}@127.0.0.1:${port}/postgres`;
  try {
    await ready(child, url);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop };
}

/** PostgreSQL refuses to run as root: then it runs as its own user, or as nobody. */
function serverOwner(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const user of ["postgres", "nobody"]) {
    try {
      const [uid, gid] = ["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, user], { stdio: "pipe" })));
      if (uid !== undefined && gid !== undefined) return { uid, gid };
    } catch (error) {
      // `id` exits with 1 for a user who does not exist; anything else is a fault of the machine.
      if ((error as { status?: number }).status !== 1) throw error;
    }
  }
  throw new Error("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody.");
}

/** On Linux the kernel ends the server when the test run dies, however it dies. */
function endedWithParent(program: string, options: string[]): [string, string[]] {
  const setpriv = "/usr/bin/setpriv";
  if (!existsSync(setpriv)) return [program, options];
  return [setpriv, ["--pdeathsig", "INT", "--", program, ...options]];
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  if (address === null || typeof address === "string") throw new Error("The loopback interface gave no port.");
  return address.port;
}

/** Waits until the server answers a query; fails with what the server said when it ends instead. */
async function ready(child: ChildProcess, url: string): Promise<void> {
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    said = (said + chunk).slice(-4000);
  });
  const deadline = Date.now() + startLimitMs;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`PostgreSQL ended with status ${child.exitCode}:\n${said}`);
    try {
      return await query(url, "select 1");
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`PostgreSQL did not answer:\n${said}`, { cause: error });
      await sleep(50);
    }
  }
}

async function query(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
