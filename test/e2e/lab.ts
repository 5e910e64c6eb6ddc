/** A user's place for one test file: a repository, a data directory, and the real command line. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Client } from "../../packages/rigor/src/api/contract/contract.ts";
import { lockFileName } from "../../packages/rigor/src/api/contract/data-directory.ts";
import { openLab } from "../../packages/rigor/src/cli/daemon/connection.ts";
import { isAlive } from "../../packages/rigor/src/cli/daemon/processes.ts";
import { removeTree } from "../../packages/rigor/src/provenance/scratch-repository.testing.ts";
import { takeOwnership } from "../../packages/rigor/src/store/ownership.ts";
import { killAllBelow, killIfThere } from "../chaos/processes.ts";
import { endWithTests } from "../support/left-behind.ts";

export const workspace = resolve(import.meta.dirname, "../..");
const launcher = join(workspace, "packages/rigor/bin/rigor.js");

/** What a call printed, and how it ended. */
export interface Answer {
  status: number | null;
  stdout: string;
  stderr: string;
  /** Both, as a terminal shows them. */
  text: string;
}

export interface CallOptions {
  cwd?: string;
  environment?: Record<string, string>;
}

/** The parts of a run that tests look at. */
export interface Run {
  id: string;
  arm: string;
  task: string;
  seed: number;
  state: string;
  attempts: number;
  stale: boolean | null;
  metrics: Record<string, number> | null;
  host: string | null;
  reason: { code: string; message: string } | null;
  experiment: string;
}

export class UserLab {
  readonly directory = mkdtempSync(join(tmpdir(), "rigor-user-"));
  readonly home = join(this.directory, "home");
  readonly launcher = launcher;
  readonly repository: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly #children = new Set<ChildProcess>();

  /**
   * @param name of the repository's directory
   * @param owner another machine, where the repository is at the same place
   */
  constructor(name = "repository", owner?: UserLab) {
    this.repository = owner?.repository ?? join(this.directory, name);
    mkdirSync(this.repository, { recursive: true });
    if (process.env["RIGOR_CHAOS_KEEP"] !== "1") endWithTests(this.directory);
    const inherited = Object.entries(process.env).filter(
      ([key]) => !/^(RIGOR_|VITEST|NODE_OPTIONS$|NO_COLOR|FORCE_COLOR)/.test(key),
    );
    this.environment = { ...Object.fromEntries(inherited), RIGOR_HOME: this.home, TZ: "UTC" };
  }

  git(...words: string[]): string {
    const identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"];
    return execFileSync("git", [...identity, ...words], { cwd: this.repository, encoding: "utf8" }).trim();
  }

  /** Makes the directory a repository, without any commit. */
  init(): this {
    this.git("init", "--quiet");
    return this;
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.repository, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
    }
  }

  commit(files: Readonly<Record<string, string>>): void {
    this.write(files);
    this.git("add", "--all");
    this.git("commit", "--quiet", "--message", "Files of a test");
  }

  /** Starts the command line and leaves it running. */
  start(words: readonly string[], { cwd = this.repository, environment = {} }: CallOptions = {}) {
    return this.#spawn(process.execPath, [launcher, ...words], cwd, environment);
  }

  call(words: readonly string[], options: CallOptions = {}): Promise<Answer> {
    return this.start(words, options).answer;
  }

  /** Calls the command line as somebody who types. */
  rigor(...words: string[]): Promise<Answer> {
    return this.call(words);
  }

  /**
   * Asks the daemon as the command line does, which starts one if there is none, without a process of its own: for what is
   * looked at again and again.
   */
  async client(): Promise<Client> {
    return (await openLab(this.environment, () => undefined)).client;
  }

  /** Calls it with `--json`, and reads the answer whatever the exit status. */
  async json<Value>(...words: string[]): Promise<Value> {
    const { stdout, text } = await this.call([...words, "--json"]);
    try {
      return JSON.parse(stdout) as Value;
    } catch (error) {
      throw new Error(`rigor ${words.join(" ")} --json printed no JSON: ${text}`, { cause: error });
    }
  }

  /** Any program, in the repository and with the environment of the lab. */
  program(file: string, words: readonly string[], environment: Record<string, string> = {}): Promise<Answer> {
    return this.#spawn(file, words, this.repository, environment).answer;
  }

  async runs(...filter: string[]): Promise<Run[]> {
    return (await this.json<{ runs: Run[] }>("list", ...filter)).runs;
  }

  #spawn(file: string, words: readonly string[], cwd: string, environment: Record<string, string>) {
    const child = spawn(file, words, {
      cwd,
      env: { ...this.environment, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#children.add(child);
    const said = { stdout: "", stderr: "", text: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (part: string) => {
        said[name] += part;
        said.text += part;
      });
    }
    const answer = new Promise<Answer>((settle, reject) => {
      child.once("error", reject);
      child.once("close", (status) => {
        this.#children.delete(child);
        settle({ status, ...said });
      });
    });
    return { child, answer, said };
  }

  /** Everything that a refused command must leave as it was. */
  state(): { events: number; files: string[]; refs: string; tree: string } {
    return {
      events: this.#position(),
      files: readdirSync(this.home)
        .filter((name) => !name.startsWith("rigor.sqlite-"))
        .toSorted(),
      refs: existsSync(join(this.repository, ".git")) ? this.git("for-each-ref") : "",
      tree: existsSync(join(this.repository, ".git")) ? this.git("status", "--porcelain") : "",
    };
  }

  /** How many events the log has. */
  #position(): number {
    const database = new DatabaseSync(join(this.home, "rigor.sqlite"), { readOnly: true });
    try {
      return Number(database.prepare("select max(position) as last from events").get()?.["last"] ?? 0);
    } finally {
      database.close();
    }
  }

  /**
   * Ends what this lab started, and removes its files. Jobs are cancelled first, so that none is left behind. A call that was
   * killed may have started a daemon that nobody has heard of: what works in the lab's directories is ended too.
   */
  async close(): Promise<void> {
    const calls = [...this.#children].filter((child) => child.exitCode === null && child.signalCode === null);
    const ends = calls.map((child) => once(child, "exit"));
    for (const child of calls) child.kill("SIGKILL");
    await Promise.all(ends);
    try {
      const pid = this.daemonPid();
      if (pid !== null && isAlive(pid)) {
        await this.cancelAll();
        // Another one, if that had died meanwhile.
        await endProcess(this.daemonPid() ?? pid);
      }
    } finally {
      await killAllBelow(this.directory);
      if (existsSync(join(this.home, lockFileName))) takeOwnership(join(this.home, lockFileName), () => "").release();
      removeTree(this.directory);
    }
  }

  /** Cancels what is under way or waits, and lets its jobs end. */
  async cancelAll(): Promise<void> {
    const { experiments } = await this.json<{ experiments: { id: string; state: string }[] }>("list");
    const open = experiments.filter(({ state }) => state === "running" || state === "held");
    for (const { id } of open) await this.rigor("cancel", id);
    const deadline = Date.now() + 60_000;
    while (open.length > 0 && (await this.runs("--active")).length > 0 && Date.now() < deadline) await sleep(100);
  }

  daemonPid(): number | null {
    try {
      return (JSON.parse(readFileSync(join(this.home, "daemon.json"), "utf8")) as { pid: number }).pid;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }
}

async function endProcess(pid: number): Promise<void> {
  killIfThere(pid, "SIGTERM");
  const deadline = Date.now() + 30_000;
  while (isAlive(pid)) {
    if (Date.now() > deadline) killIfThere(pid);
    await sleep(20);
  }
}

/** Waits until something holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, patienceMs = 90_000): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`After ${patienceMs / 1_000} s there is still not: ${what}`);
    await sleep(50);
  }
}

/** An experiment of two arms and three seeds that is quick; anything may be replaced. Every JSON document is YAML. */
export function experiment(changes: Readonly<Record<string, unknown>> = {}): string {
  const usual = {
    name: "small",
    metrics: { loss: { goal: "minimize" } },
    arms: { one: { role: "baseline" }, two: { role: "ours" } },
    tasks: { only: {} },
    seeds: { count: 3 },
    run: "sh run.sh {seed}",
  };
  return JSON.stringify({ ...usual, ...changes }, null, 2);
}

/** A rule that the arm `two` is better on `loss`. */
export const rule = { comparisons: [{ better: "two", than: "one", metric: "loss" }] };

/** Arm one has a loss near 5, arm two one near 3; seeds are apart, and differ in how far. */
export const script = `set -eu
case $RIGOR_ARM in one) loss=5.$RIGOR_SEED ;; *) loss=3.$(((RIGOR_SEED * 7 + 3) % 10)) ;; esac
printf '{"metrics": {"loss": %s1}}' "$loss" > "$RIGOR_OUTPUT/result.json"
echo "$RIGOR_ARM on $RIGOR_TASK with seed $RIGOR_SEED"
`;

/** An error for people: one message with what to do next, no stack, and the right exit status. */
export function expectRefusal(answer: Answer, status: number, ...words: (string | RegExp)[]): void {
  expect(answer.text).not.toMatch(/^\s+at .*:\d+|node:internal|Error: /m);
  for (const word of words) expect(answer.stderr).toMatch(word);
  expect(answer.stderr.match(/^error: /gm), answer.text).toHaveLength(1);
  expect(answer.status, answer.text).toBe(status);
}
