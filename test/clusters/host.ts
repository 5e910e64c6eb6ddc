/**
 * Hosts for tests: each has its own host name, processes, home, `/tmp` and login shells, and shares with this machine
 * its programs, its users' numbers and its loopback interface. A host is a set of namespaces (`unshare`), so it needs
 * root on Linux, but neither systemd nor a container runtime.
 *
 * Traps found:
 * - The kernel ends every process of a host when its first one ends, and that one ends when its input is closed. So
 *   nothing survives a test run, however it dies. The directory goes last: a small shell waits for the same end, then for
 *   a lock that each host holds.
 * - `nsenter` forks, and its child is not ended with it. A daemon is therefore started and ended from inside.
 * - A signal to the group of the test run (Ctrl-C) must not reach the hosts before it: they have sessions of their own.
 * - A port from the range for outgoing connections may be taken while a daemon is down: ports come from below it.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const repository = resolve(import.meta.dirname, "../..");
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const daemonEndLimitMs = 90_000;
const maxOutputBytes = 64 * 1024 * 1024;
/** Where control groups of version 1 limit memory. */
export const memoryGroups = "/sys/fs/cgroup/memory";
/** Ports below those that Linux gives to outgoing connections. */
const ports = { first: 15_000, last: 32_000 };

export interface HostSettings {
  name: string;
  /** Root's login shell; bash where it is not given. */
  shell?: string;
  /** What is mounted as root's home; a directory of the host's own where it is not given. */
  home?: string;
  /** Directories of this machine that the host sees at the same path. It sees no other temporary ones. */
  shared?: readonly string[];
  /** `PATH` of logins; the system's where it is not given. `bin` of the host's directory always stands before it. */
  path?: string;
}

/** Why this machine can have no hosts, or null when it can. */
export function hostsMissing(programs: readonly string[] = []): string | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "Hosts for tests need Linux and root.";
  const absent = ["bash", "flock", "nsenter", "unshare", ...programs].filter((name) => findProgram(name) === null);
  if (absent.length > 0) return `Not installed: ${absent.join(", ")}.`;
  const probe = spawnSync("unshare", [...namespaces, "true"], { encoding: "utf8" });
  return probe.status === 0 ? null : `Namespaces are forbidden here: ${probe.stderr.trim()}`;
}

/** Where a program of the system lies; the test run's own PATH may lack `/usr/sbin`. */
function findProgram(name: string): string | null {
  return (
    systemPath
      .split(":")
      .map((folder) => join(folder, name))
      .find((path) => existsSync(path)) ?? null
  );
}

/** A directory with hosts in it, that ends and vanishes as a whole: by `close`, or when this process dies. */
export class Site {
  readonly directory: string;
  /** A control group for memory that goes with the site, where somebody makes it. */
  readonly memoryGroup: string;
  readonly #hosts: Host[] = [];
  readonly #keeper: ChildProcess;

  constructor(name: string) {
    this.directory = mkdtempSync(join(tmpdir(), `rigor-${name}-`));
    this.memoryGroup = join(memoryGroups, basename(this.directory));
    chmodSync(this.directory, 0o755);
    const lock = join(this.directory, "lock");
    writeFileSync(lock, "");
    const remove = 'rm -rf "$1"; if [ -d "$2" ]; then find "$2" -depth -type d -exec rmdir {} +; fi';
    const script = `read -r _; exec flock "$1" sh -c '${remove}' sh "$2" "$3"`;
    this.#keeper = spawn("sh", ["-c", script, "sh", lock, this.directory, this.memoryGroup], {
      detached: true,
      cwd: "/",
      stdio: ["pipe", "ignore", "inherit"],
    });
  }

  /** Boots a host. */
  async host(settings: HostSettings): Promise<Host> {
    const host = new Host(this.directory, settings);
    this.#hosts.push(host);
    await host.boot();
    return host;
  }

  /** Ends all hosts with everything in them, and removes the directory. */
  async close(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.crash()));
    if (this.#keeper.exitCode !== null) return;
    const ended = once(this.#keeper, "exit");
    this.#keeper.stdin?.destroy();
    await ended;
  }
}

const namespaces = ["--uts", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];

export class Host {
  readonly name: string;
  /** Files of the host, kept while it is down; the host itself sees them in `/run/host`. */
  readonly directory: string;
  /** Root's home, as this machine sees it. */
  readonly home: string;
  readonly #settings: HostSettings;
  readonly #lock: string;
  #process: ChildProcess | null = null;

  constructor(site: string, settings: HostSettings) {
    this.name = settings.name;
    this.directory = join(site, "hosts", settings.name);
    this.home = settings.home ?? join(this.directory, "home");
    this.#settings = settings;
    this.#lock = join(site, "lock");
    for (const folder of ["bin", "etc", "log", "run"]) mkdirSync(join(this.directory, folder), { recursive: true });
    mkdirSync(this.home, { recursive: true });
    const others = readFileSync("/etc/passwd", "utf8").replace(/^root:.*\n/m, "");
    this.write("etc/passwd", `root:x:0:0:root:/root:${settings.shell ?? "/bin/bash"}\n${others}`);
    // Neither a password nor locked: sshd refuses a locked account whatever the key.
    this.write("etc/shadow", "root:*:19000:0:99999:7:::\n", 0o600);
    this.write("etc/profile", `PATH=${this.path}\nexport PATH\n`);
  }

  /** `PATH` of logins. */
  get path(): string {
    return `/run/host/bin:${this.#settings.path ?? systemPath}`;
  }

  /** Writes a file of the host; the path is relative to its directory. */
  write(path: string, content: string, mode = 0o644): void {
    writeFileSync(join(this.directory, path), content, { mode });
    chmodSync(join(this.directory, path), mode);
  }

  /** Starts the host: an empty `/tmp`, no processes, the files that it had. */
  async boot(): Promise<void> {
    if (this.#process !== null) throw new Error(`${this.name} is up already.`);
    const { shared = [] } = this.#settings;
    const script = join(import.meta.dirname, "host.sh");
    const view = [this.name, this.directory, this.home, ...shared, "--", "/tmp", tmpdir(), repository];
    const held = ["--shared", "--no-fork", this.#lock, "unshare", ...namespaces, "sh", script, ...view];
    const child = spawn("flock", held, { detached: true, cwd: "/", stdio: ["pipe", "pipe", "pipe"] });
    this.#process = child;
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (said += chunk));
    const ended = once(child, "exit").then(() => "ended");
    const first = await Promise.race([once(child.stdout, "data").then(String), ended]);
    if (!first.startsWith("ready")) {
      this.#process = null;
      throw new Error(`${this.name} did not boot: ${said.trim()}`);
    }
  }

  /** Ends every process of the host at once, as a loss of power does. Its files stay. */
  async crash(): Promise<void> {
    const child = this.#process;
    if (child === null) return;
    this.#process = null;
    const ended = once(child, "exit");
    child.stdin?.destroy();
    await ended;
  }

  /** Runs a script of `sh` in the host, as root, and returns what it prints; fails when the script fails. */
  async run(script: string, ...words: string[]): Promise<string> {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error(`${this.name} is down.`);
    const into = ["--target", `${pid}`, "--uts", "--mount", `--pid=/proc/${pid}/ns/pid_for_children`];
    const environment = { PATH: systemPath, HOME: "/root", LANG: "C.UTF-8" };
    const options = { env: environment, maxBuffer: maxOutputBytes };
    const { stdout } = await run("nsenter", [...into, "sh", "-c", script, this.name, ...words], options);
    return stdout;
  }

  /** Starts a daemon that stays in the foreground; what it prints goes to its log. */
  async start(daemon: string, command: readonly string[]): Promise<void> {
    const script = `name=$1; shift; exec >>/run/host/log/"$name.log" 2>&1 </dev/null
      setsid "$@" & echo $! >/run/host/run/"$name.pid"`;
    await this.run(script, daemon, ...command);
  }

  async isUp(daemon: string): Promise<boolean> {
    return (await this.run('kill -0 "$(cat /run/host/run/"$1.pid")" 2>/dev/null && echo up || true', daemon)) !== "";
  }

  /** Signals a daemon and waits until it has ended. */
  async end(daemon: string, signal: "KILL" | "TERM" = "KILL"): Promise<void> {
    await this.run('kill -s "$2" "$(cat /run/host/run/"$1.pid")"', daemon, signal);
    await until(
      async () => !(await this.isUp(daemon)),
      daemonEndLimitMs,
      () => `${daemon} of ${this.name} did not end.`,
    );
  }

  /** The end of a daemon's log. */
  logTail(daemon: string): string {
    return tail(join(this.directory, "log", `${daemon}.log`));
  }
}

/** The last lines of a file, under its name; for messages about what did not start. */
export function tail(path: string, lines = 15): string {
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  return `--- ${path}\n${text.trimEnd().split("\n").slice(-lines).join("\n")}`;
}

/** Waits until the condition holds. @throws Error with the message when it does not within the limit */
export async function until(
  condition: () => Promise<boolean> | boolean,
  limitMs: number,
  message: () => string,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(message());
    await sleep(20);
  }
}

/** A port of the loopback interface that nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = ports.first + Math.floor(Math.random() * (ports.last - ports.first));
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
