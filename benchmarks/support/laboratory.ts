import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Client } from "../../packages/rigor/src/api/contract/contract.ts";
import { connect } from "../../packages/rigor/src/cli/daemon/client.ts";
import type { DaemonFile } from "../../packages/rigor/src/api/contract/daemon-file.ts";
import { readDaemonFile } from "../../packages/rigor/src/cli/daemon/daemon-file.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const daemonProgram = join(root, "packages/rigor/src/daemon/main.ts");
export const rigorCommand = join(root, "node_modules/.bin/rigor");

/** Programs of this workspace first: `node` is then the pinned one, as with `npx`. */
const pinnedPath = [dirname(process.execPath), join(root, "node_modules/.bin"), process.env["PATH"] ?? ""].join(
  delimiter,
);

/** Laboratories whose files are still there. */
const left: Laboratory[] = [];

/**
 * Works in a new laboratory. Nothing of any laboratory is removed before this process ends: ext4 passes over each
 * inode that was freed a moment ago when it makes a file, which would slow down whatever is measured next.
 */
export async function inLaboratory<Value>(
  files: { [path: string]: string },
  work: (laboratory: Laboratory) => Promise<Value>,
): Promise<Value> {
  const laboratory = new Laboratory(files);
  if (left.length === 0) process.once("exit", () => left.forEach((one) => one.remove()));
  left.push(laboratory);
  try {
    return await work(laboratory);
  } finally {
    await laboratory.close();
  }
}

/** A repository and a data directory of their own, with Rigor as its users start it. */
export class Laboratory {
  readonly directory = mkdtempSync(join(tmpdir(), "rigor-lab-"));
  readonly repository = join(this.directory, "repository");
  readonly home = join(this.directory, "home");
  readonly environment = { ...process.env, RIGOR_HOME: this.home, PATH: pinnedPath };
  #daemon: { process: ChildProcess; file: DaemonFile } | null = null;

  /** @param files path in the repository -> content */
  constructor(files: { [path: string]: string }) {
    mkdirSync(this.repository, { recursive: true });
    mkdirSync(this.home, { mode: 0o700 });
    this.git("init", "--quiet");
    this.commit(files);
  }

  /** @param files path in the repository -> content */
  commit(files: { [path: string]: string }): void {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.repository, path)), { recursive: true });
      writeFileSync(join(this.repository, path), content);
    }
    this.git("add", "--all");
    this.git("-c", "user.name=lab", "-c", "user.email=lab@localhost", "commit", "--quiet", "--message", "files");
  }

  /** Id of the present commit. */
  head(): string {
    return this.git("rev-parse", "HEAD").trim();
  }

  git(...words: string[]): string {
    const { status, stdout, stderr } = spawnSync("git", words, { cwd: this.repository, encoding: "utf8" });
    if (status !== 0) throw new Error(`git ${words.join(" ")}: ${stderr}`);
    return stdout;
  }

  get client(): Client {
    return connect(() => this.daemon);
  }

  get daemon(): DaemonFile {
    const file = this.#daemon?.file ?? readDaemonFile(this.home);
    if (file === null) throw new Error("no daemon was started");
    return file;
  }

  /**
   * Starts a daemon and waits for its first answer. Returns the seconds that this took.
   *
   * @param nodeOptions for profiles
   */
  async startDaemon(nodeOptions: string[] = []): Promise<number> {
    const log = openSync(join(this.home, "daemon.log"), "a", 0o600);
    const begun = performance.now();
    const child = spawn(process.execPath, [...nodeOptions, daemonProgram], {
      cwd: this.home,
      env: this.environment,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    const previous = readDaemonFile(this.home)?.instance;
    for (;;) {
      const file = readDaemonFile(this.home);
      if (file !== null && file.instance !== previous && (await isHealthy(file))) {
        this.#daemon = { process: child, file };
        return (performance.now() - begun) / 1_000;
      }
      if (child.exitCode !== null) throw new Error(`the daemon ended: ${this.daemonLog()}`);
      await sleep(2);
    }
  }

  daemonLog(): string {
    const path = join(this.home, "daemon.log");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  /** Ends the daemon that {@link startDaemon} started, and waits for its end. */
  async stopDaemon(): Promise<void> {
    const running = this.#daemon;
    if (running === null) return;
    this.#daemon = null;
    const ended = new Promise((resolve) => running.process.once("exit", resolve));
    running.process.kill("SIGTERM");
    await ended;
  }

  /** Runs `rigor` to its end. Returns the seconds of the whole process. @throws Error if it fails otherwise than expected */
  async rigor(words: string[], expected: readonly number[] = [0]): Promise<{ seconds: number; stdout: string }> {
    const begun = performance.now();
    const child = spawn(rigorCommand, words, {
      cwd: this.repository,
      env: this.environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exit = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
    const [status, stdout, stderr] = await Promise.all([exit, text(child.stdout), text(child.stderr)]);
    const seconds = (performance.now() - begun) / 1_000;
    if (status === null || !expected.includes(status))
      throw new Error(`rigor ${words.join(" ")}: ${status}\n${stderr}`);
    return { seconds, stdout };
  }

  /** Starts an experiment file through the API. Returns its id and the seconds that the call took. */
  async start(file: string): Promise<{ id: string; seconds: number }> {
    const begun = performance.now();
    const { experiment } = await this.client.experiments.start({
      file: join(this.repository, file),
      search_path: this.environment.PATH,
    });
    return { id: experiment.id, seconds: (performance.now() - begun) / 1_000 };
  }

  /** Waits until an experiment has as many runs done. */
  async waitForDone(reference: string, runs: number, limitSeconds: number): Promise<void> {
    const deadline = performance.now() + limitSeconds * 1_000;
    for (;;) {
      const { experiment } = await this.client.experiments.get({ reference });
      const { done, failed, invalid } = experiment.counts;
      if (done >= runs) return;
      if (failed + invalid > 0) throw new Error(`${failed} runs failed and ${invalid} are invalid`);
      if (performance.now() > deadline) throw new Error(`${done} of ${runs} runs were done after ${limitSeconds} s`);
      await sleep(100);
    }
  }

  /** @throws Error if any run of an experiment was taken from another one, so that its time tells nothing */
  async refuseShared(reference: string): Promise<void> {
    const { shared } = await this.client.experiments.progress({ reference });
    if (shared > 0) throw new Error(`${shared} runs of ${reference} were done before`);
  }

  /** Memory that the daemon holds, and the most that it ever held, in bytes; null where the system does not tell. */
  daemonMemory(): { now: number; peak: number } | null {
    const path = `/proc/${this.daemon.pid}/status`;
    if (!existsSync(path)) return null;
    const text = readFileSync(path, "utf8");
    const read = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1_024;
    return { now: read("VmRSS"), peak: read("VmHWM") };
  }

  /** Ends what runs. Files stay until {@link remove}, as removing slows down whoever makes files next. */
  async close(): Promise<void> {
    if (this.#daemon !== null) {
      const { experiments } = await this.client.experiments.list({});
      for (const { id, state } of experiments) {
        if (state === "running" || state === "held") await this.client.experiments.cancel({ reference: id });
      }
      await this.#waitForIdle();
    }
    await this.stopDaemon();
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async #waitForIdle(): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (performance.now() < deadline) {
      const { hosts } = await this.client.system.status();
      if (hosts.every((host) => host.cpus_used === 0)) return;
      await sleep(50);
    }
  }
}

async function isHealthy(file: DaemonFile): Promise<boolean> {
  try {
    const { instance } = await connect(() => file).system.health();
    return instance === file.instance;
  } catch {
    // It listens before it can answer, or not yet.
    return false;
  }
}

export interface ExperimentOptions {
  name: string;
  runs: number;
  run: string;
  code: string[];
  /** Runs with the same seed and command are shared between experiments: other work needs other seeds. */
  firstSeed?: number;
}

/** An experiment of that many runs, with two arms. */
export function experimentFile(options: ExperimentOptions): string {
  return JSON.stringify({
    name: options.name,
    question: "What does a run cost beside its own work?",
    metrics: { value: { goal: "maximize" } },
    primary_metric: "value",
    arms: { first: { role: "baseline", parameters: { arm: 1 } }, second: { role: "ours", parameters: { arm: 2 } } },
    tasks: { only: {} },
    seeds: { from: options.firstSeed ?? 0, count: Math.ceil(options.runs / 2) },
    environment: { manager: "none" },
    code: options.code,
    run: options.run,
    resources: { cpus: 1, memory: "1MB" },
  });
}
