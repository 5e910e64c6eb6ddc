/** A laboratory of its own for one test: a repository, a data directory, and real daemons and clients as processes. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import type { DaemonFile } from "../../packages/rigor/src/api/contract/daemon-file.ts";
import { removeTree } from "../../packages/rigor/src/provenance/scratch-repository.testing.ts";
import { compareWithLog, type Difference } from "../../packages/rigor/src/store/rebuild.ts";
import { openSqliteStore } from "../../packages/rigor/src/store/open.ts";
import type { Store } from "../../packages/rigor/src/store/store.ts";
import { endWithTests } from "../support/left-behind.ts";
import { killAllBelow, processesBelow } from "./processes.ts";

const packageDirectory = resolve(import.meta.dirname, "../../packages/rigor");
const cliEntry = join(packageDirectory, "bin/rigor.js");
const daemonEntry = join(packageDirectory, "src/daemon/main.ts");

/** What one call of the CLI said, and how it ended. */
export interface Answer {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A process that was started and is not waited for. */
export interface Started {
  child: ChildProcess;
  answer: Promise<Answer>;
  /** What it has printed so far. */
  said: Readonly<Pick<Answer, "stdout" | "stderr">>;
}

export interface LabOptions {
  /** Data directory, if it must lie elsewhere. */
  home?: string;
  environment?: Record<string, string>;
}

export class TestLab {
  readonly directory = mkdtempSync(join(tmpdir(), "rigor-chaos-"));
  readonly repository = join(this.directory, "repository");
  readonly home: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly #children = new Set<ChildProcess>();

  constructor({ home, environment = {} }: LabOptions = {}) {
    this.home = home ?? join(this.directory, "home");
    const inherited = Object.entries(process.env).filter(([name]) => !/^(RIGOR_|VITEST|NODE_OPTIONS$)/.test(name));
    this.environment = { ...Object.fromEntries(inherited), RIGOR_HOME: this.home, ...environment };
    mkdirSync(this.repository);
    if (process.env["RIGOR_CHAOS_KEEP"] !== "1") endWithTests(this.directory);
  }

  /** Commits files to the repository, making it at the first call. */
  commit(files: Record<string, string>): void {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(this.repository, name), content);
    const git = (...words: string[]) => execFileSync("git", words, { cwd: this.repository });
    git("init", "--quiet");
    git("add", "--all");
    git(
      "-c",
      "user.name=Test",
      "-c",
      "user.email=test@example.org",
      "commit",
      "--quiet",
      "--message",
      "Files of a test",
    );
  }

  /** Starts the CLI and leaves it running. */
  startCli(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Started {
    return this.#start([cliEntry, ...words], environment);
  }

  async cli(...words: string[]): Promise<Answer> {
    return await this.startCli(words).answer;
  }

  /** Calls the CLI with `--json`, which must succeed. */
  async json<Value>(...words: string[]): Promise<Value> {
    const { status, stdout, stderr } = await this.cli(...words, "--json");
    if (status !== 0) throw new Error(`rigor ${words.join(" ")} ended with ${status}: ${stderr}${stdout}`);
    return JSON.parse(stdout) as Value;
  }

  /** Starts a daemon directly, as a child that outlives a crash of nobody. Its log goes to the data directory. */
  startDaemon(environment: NodeJS.ProcessEnv = {}): Started {
    return this.#start([daemonEntry], environment);
  }

  /** Starts a daemon whose log goes to a file, as the CLI does, and waits until it is ready. */
  async startReadyDaemon(environment: NodeJS.ProcessEnv = {}): Promise<ChildProcess> {
    mkdirSync(this.home, { recursive: true, mode: 0o700 });
    const log = openSync(join(this.home, "daemon.log"), "a", 0o600);
    const before = this.daemonFile()?.instance;
    const child = spawn(process.execPath, [daemonEntry], {
      cwd: this.home,
      env: { ...this.environment, ...environment },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#children.add(child);
    await eventually(`a daemon that is ready (see ${this.home}/daemon.log)`, () => {
      if (child.exitCode !== null)
        throw new Error(`the daemon ended: ${readFileSync(join(this.home, "daemon.log"), "utf8")}`);
      const file = this.daemonFile();
      return file !== null && file.instance !== before;
    });
    return child;
  }

  #start(words: readonly string[], environment: NodeJS.ProcessEnv): Started {
    const child = spawn(process.execPath, words, {
      cwd: this.repository,
      env: { ...this.environment, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#children.add(child);
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => (said[name] += text));
    }
    const answer = new Promise<Answer>((settle, reject) => {
      child.once("error", reject);
      child.once("close", (status, signal) => {
        this.#children.delete(child);
        settle({ status, signal, ...said });
      });
    });
    return { child, answer, said };
  }

  daemonFile(): DaemonFile | null {
    try {
      return JSON.parse(readFileSync(join(this.home, "daemon.json"), "utf8")) as DaemonFile;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }

  get database(): string {
    return join(this.home, "rigor.sqlite");
  }

  /** Looks at the database. No daemon may be running. */
  async withStore<Value>(look: (store: Store) => Promise<Value>): Promise<Value> {
    const store = await openSqliteStore(this.database);
    try {
      return await look(store);
    } finally {
      await store.close();
    }
  }

  /** Asks the tables while a daemon may be writing them; empty before there are any. */
  look<Row>(query: string): Row[] {
    if (!existsSync(this.database)) return [];
    const database = new DatabaseSync(this.database, { readOnly: true, timeout: 30_000 });
    try {
      // The file is there a moment before what is in it.
      if (database.prepare("select 1 from sqlite_schema where name = 'events'").get() === undefined) return [];
      return database.prepare(query).all() as Row[];
    } finally {
      database.close();
    }
  }

  differences(): Promise<Difference[]> {
    return this.withStore(compareWithLog);
  }

  /** `RIGOR_CHAOS_KEEP=1` leaves everything as it is when the test ends, to be looked at. */
  async removeUnlessKept(): Promise<void> {
    if (process.env["RIGOR_CHAOS_KEEP"] === "1") process.stdout.write(`kept: ${this.directory}\n`);
    else await this.remove();
  }

  /** Ends everything that this laboratory started, whatever state it is in, and removes its files. */
  async remove(): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    for (const directory of [this.directory, this.home]) await killAllBelow(directory);
    removeTree(this.directory);
  }

  /** All processes that work in the directories of this laboratory. */
  processes(): ReturnType<typeof processesBelow> {
    const elsewhere = this.home.startsWith(`${this.directory}/`) ? [] : processesBelow(this.home);
    return [...processesBelow(this.directory), ...elsewhere];
  }
}

/** Waits until something holds. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  patienceMs = 90_000,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`after ${patienceMs / 1_000} s there is still not: ${what}`);
    await sleep(25);
  }
}

/** A small experiment; anything may be replaced. */
export function experimentFile(changes: Record<string, unknown> = {}): string {
  // Every JSON document is YAML.
  return JSON.stringify(
    {
      name: "small",
      metrics: { loss: { goal: "minimize" } },
      arms: { one: { role: "baseline" }, two: { role: "ours" } },
      tasks: { only: {} },
      seeds: { count: 3 },
      run: "sh run.sh {seed}",
      ...changes,
    },
    null,
    2,
  );
}
