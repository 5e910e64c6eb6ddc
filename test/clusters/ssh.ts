/**
 * Real OpenSSH servers on loopback ports, each in a host of its own (`host.ts`), with its own host key, home, login shell
 * and PATH. Nothing of this machine's `/etc/ssh` or `~/.ssh` is read. Debian: `apt-get install openssh-server`.
 *
 *     const lab = await startSshHosts({ hostA: {}, hostB: { noise: "Welcome!", shell: busyboxShell } });
 *     execFileSync("ssh", ["-F", lab.config, "hostA", "hostname"]);
 *     await lab.host("hostA").freeze();
 *     await lab.stop();
 *
 * Traps found:
 * - Debian's bash reads `~/.bashrc` for `ssh host command` though it is not interactive; dash and busybox read nothing.
 * - sshd gives a command the PATH that it was built with; `SetEnv` replaces it, and a login shell's `/etc/profile` again.
 * - A server allows 10 sessions on one shared connection (`MaxSessions`), and drops some of more than 10 connections that
 *   have not logged in yet (`MaxStartups`). Both are left as they are, because real hosts have them.
 * - sshd refuses keys when a directory above them can be written by others.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { freePort, type Host, type HostSettings, hostsMissing, Site, until } from "./host.ts";

const startLimitMs = 90_000;

/** A login shell that is busybox's `sh`. */
export const busyboxShell = "/run/host/bin/sh";

export interface SshHostOptions extends Pick<HostSettings, "shared" | "home"> {
  /** Path of the login shell; bash where it is not given. */
  shell?: string;
  /** Seconds that the login shell takes before it does anything. */
  shellDelay?: number;
  /** What the server says before the login, on the client's stderr. */
  banner?: string;
  /** What bash's start files print, on stdout and before the output of any command. */
  noise?: string;
  /** Programs that are not on PATH, such as `setsid`. */
  without?: readonly string[];
  /** Scripts that stand first on PATH, by name, such as an `nvidia-smi`. */
  programs?: Readonly<Record<string, string>>;
  /** Variables of every command. */
  environment?: Readonly<Record<string, string>>;
  /** More lines of `sshd_config`, such as `MaxSessions 1`. */
  server?: readonly string[];
}

/** Why this machine can have no SSH hosts, or null when it can. */
export function sshMissing(): string | null {
  return hostsMissing(["ssh", "sshd", "ssh-keygen", "busybox"]);
}

/** Starts a host for each name; the names are those of `ssh -F config NAME`. */
export async function startSshHosts(wanted: Readonly<Record<string, SshHostOptions>>): Promise<SshLab> {
  const site = new Site("ssh");
  try {
    const key = join(site.directory, "client_key");
    makeKey(key);
    const started = Object.entries(wanted).map(async ([name, options]) => {
      const host = await site.host(settingsOf(site, name, options));
      return new SshHost(host, options, await freePort(), `${key}.pub`);
    });
    const hosts = await Promise.all(started);
    await Promise.all(hosts.map((host) => host.serve()));
    return new SshLab(site, key, hosts);
  } catch (error) {
    await site.close();
    throw error;
  }
}

/** SSH hosts that were started together. */
export class SshLab {
  /** For `ssh -F`. */
  readonly config: string;
  readonly #site: Site;
  readonly #hosts: ReadonlyMap<string, SshHost>;

  constructor(site: Site, key: string, hosts: readonly SshHost[]) {
    this.#site = site;
    this.#hosts = new Map(hosts.map((host) => [host.name, host]));
    this.config = join(site.directory, "ssh_config");
    const known = join(site.directory, "known_hosts");
    writeFileSync(known, hosts.map((host) => `[127.0.0.1]:${host.port} ${host.publicKey}`).join(""));
    const common = [
      "Host *",
      "  HostName 127.0.0.1",
      "  User root",
      `  IdentityFile ${key}`,
      "  IdentitiesOnly yes",
      "  IdentityAgent none",
      `  UserKnownHostsFile ${known}`,
      "  GlobalKnownHostsFile /dev/null",
      "  StrictHostKeyChecking yes",
    ];
    const each = hosts.flatMap((host) => [`Host ${host.name}`, `  Port ${host.port}`]);
    writeFileSync(this.config, [...each, ...common, ""].join("\n"));
  }

  host(name: string): SshHost {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`No host is called ${name}.`);
    return host;
  }

  /** Ends all hosts with everything that runs on them, and removes their files. */
  stop(): Promise<void> {
    return this.#site.close();
  }
}

/** One host with its SSH server. */
export class SshHost {
  readonly name: string;
  readonly port: number;
  /** Of the server. */
  readonly publicKey: string;
  readonly #host: Host;

  constructor(host: Host, options: SshHostOptions, port: number, clientKey: string) {
    this.name = host.name;
    this.port = port;
    this.#host = host;
    const etc = join(host.directory, "etc");
    makeKey(join(etc, "host_key"));
    this.publicKey = readFileSync(join(etc, "host_key.pub"), "utf8");
    copyFileSync(clientKey, join(etc, "authorized_keys"));
    const { banner, noise, shellDelay } = options;
    if (banner !== undefined) host.write("etc/banner", `${banner}\n`);
    if (noise !== undefined) {
      const print = `cat <<'NOISE'\n${noise}\nNOISE\n`;
      for (const file of [".bashrc", ".profile"]) writeFileSync(join(host.home, file), print);
    }
    if (options.shell === busyboxShell) symlinkSync("/bin/busybox", join(host.directory, "bin/sh"));
    if (shellDelay !== undefined) {
      host.write(
        "bin/slow-shell",
        `#!/bin/sh\nsleep ${shellDelay}\nexec ${options.shell ?? "/bin/bash"} "$@"\n`,
        0o755,
      );
    }
    for (const [program, script] of Object.entries(options.programs ?? {})) host.write(`bin/${program}`, script, 0o755);
    host.write("etc/sshd_config", serverSettings(host, options, port));
  }

  /** Root's home on the host, as this machine sees it. */
  get home(): string {
    return this.#host.home;
  }

  /** Runs a script on the host without SSH: how a test looks behind the scenes. */
  run(script: string, ...words: string[]): Promise<string> {
    return this.#host.run(script, ...words);
  }

  /** Starts the server, on a host that is up. */
  async serve(): Promise<void> {
    await this.#host.start("sshd", ["/usr/sbin/sshd", "-D", "-e", "-f", "/run/host/etc/sshd_config"]);
    await until(
      async () => {
        if (!(await this.#host.isUp("sshd"))) throw new Error(`sshd did not start.\n${this.#host.logTail("sshd")}`);
        return answers(this.port);
      },
      startLimitMs,
      () => `sshd of ${this.name} does not answer.\n${this.#host.logTail("sshd")}`,
    );
  }

  /** Ends the server and every connection: further ones are refused. What was detached goes on. */
  async refuse(): Promise<void> {
    await this.#host.run("pkill -KILL -x sshd");
  }

  /** Ends the connections, not the server. Returns how many there were. */
  async dropConnections(): Promise<number> {
    const script = 'pkill -KILL --count --parent "$(cat /run/host/run/sshd.pid)" || true';
    return Number(await this.#host.run(script));
  }

  /** The server says nothing any more: connections hang, new ones too. What was detached goes on. */
  async freeze(): Promise<void> {
    await this.#host.run("pkill -STOP -x sshd");
  }

  async thaw(): Promise<void> {
    await this.#host.run("pkill -CONT -x sshd");
  }

  /** Loss of power: every process of the host ends; its files stay. */
  async crash(): Promise<void> {
    await this.#host.crash();
  }

  /** Starts the host and its server after a crash. */
  async boot(): Promise<void> {
    await this.#host.boot();
    await this.serve();
  }
}

function settingsOf(site: Site, name: string, options: SshHostOptions): HostSettings {
  const { without = [], shellDelay, shell, ...settings } = options;
  const loginShell = shellDelay === undefined ? shell : "/run/host/bin/slow-shell";
  return {
    name,
    ...(loginShell === undefined ? {} : { shell: loginShell }),
    ...(settings.home === undefined ? {} : { home: settings.home }),
    ...(settings.shared === undefined ? {} : { shared: settings.shared }),
    ...(without.length === 0 ? {} : { path: pathWithout(site, name, without) }),
  };
}

/** A PATH with one directory that links to every program of the machine but some. */
function pathWithout(site: Site, host: string, programs: readonly string[]): string {
  const folder = join(site.directory, "hosts", host, "programs");
  mkdirSync(folder, { recursive: true });
  const absent = new Set(programs);
  for (const origin of ["/usr/bin", "/usr/sbin"]) {
    for (const program of readdirSync(origin).filter((name) => !absent.has(name))) {
      absent.add(program);
      symlinkSync(join(origin, program), join(folder, program));
    }
  }
  return "/run/host/programs";
}

function serverSettings(host: Host, options: SshHostOptions, port: number): string {
  const environment = Object.entries({ PATH: host.path, ...options.environment });
  return [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    "HostKey /run/host/etc/host_key",
    "AuthorizedKeysFile /run/host/etc/authorized_keys",
    "PidFile none",
    "UsePAM no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PermitRootLogin prohibit-password",
    "PrintMotd no",
    "UseDNS no",
    "LogLevel VERBOSE",
    "Subsystem sftp internal-sftp",
    `SetEnv ${environment.map(([name, value]) => `"${name}=${value}"`).join(" ")}`,
    ...(options.banner === undefined ? [] : ["Banner /run/host/etc/banner"]),
    ...(options.server ?? []),
    "",
  ].join("\n");
}

function makeKey(path: string): void {
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path]);
}

/** Whether a server introduces itself on a port. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("data", () => end(true));
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
  });
}
