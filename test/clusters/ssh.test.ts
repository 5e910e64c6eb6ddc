import { execFile, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { until } from "./host.ts";
import { busyboxShell, sshMissing, startSshHosts, type SshLab } from "./ssh.ts";

const repository = resolve(import.meta.dirname, "../..");
const waitLimitMs = 90_000;

interface Answer {
  status: number;
  stdout: string;
  stderr: string;
  seconds: number;
}

function ssh(lab: SshLab, host: string, command: string, options: readonly string[] = []): Promise<Answer> {
  const start = performance.now();
  return new Promise((answer) => {
    execFile("ssh", ["-F", lab.config, ...options, host, command], (error, stdout, stderr) => {
      const status = error === null ? 0 : Number(error.code);
      answer({ status, stdout, stderr, seconds: (performance.now() - start) / 1000 });
    });
  });
}

describe.skipIf(sshMissing() !== null)("SSH hosts", () => {
  let lab: SshLab;
  beforeAll(async () => {
    lab = await startSshHosts({
      hostA: { programs: { "nvidia-smi": "#!/bin/sh\necho 'GPU 0'\n" }, environment: { SITE: "a b" } },
      hostB: { server: ["MaxSessions 1"] },
      noisy: { noise: "Welcome to $HOME!", banner: "Authorised users only." },
      slow: { shellDelay: 2 },
      dash: { shell: "/bin/dash" },
      busybox: { shell: busyboxShell },
      plain: { without: ["setsid", "nohup"] },
    });
  });
  afterAll(() => lab.stop());

  test("each has its own name, home, temporary files and processes, and does not see those of the test run", async () => {
    await ssh(lab, "hostA", "echo a >~/mine; echo a >/tmp/mine; setsid sleep 1000 >/dev/null 2>&1 </dev/null &");
    const look = `hostname; pwd; for place in ~ /tmp '${repository}'; do echo "$place:" $(ls "$place"); done; ps -eo args | grep -c '[s]leep 1000'`;
    expect((await ssh(lab, "hostA", look)).stdout).toBe(`hostA\n/root\n/root: mine\n/tmp: mine\n${repository}:\n1\n`);
    expect((await ssh(lab, "hostB", look)).stdout).toBe(`hostB\n/root\n/root:\n/tmp:\n${repository}:\n0\n`);
    expect(readFileSync(join(lab.host("hostA").home, "mine"), "utf8")).toBe("a\n");
  });

  test("programs and variables can be given to a host", async () => {
    expect((await ssh(lab, "hostA", 'nvidia-smi; echo "$SITE"')).stdout).toBe("GPU 0\na b\n");
    expect((await ssh(lab, "hostB", "nvidia-smi")).status).toBe(127);
  });

  test("a noisy host puts text before every output, and a banner on stderr", async () => {
    const answer = await ssh(lab, "noisy", "echo answer");
    expect(answer.stdout).toBe("Welcome to $HOME!\nanswer\n");
    expect(answer.stderr).toContain("Authorised users only.");
    expect((await ssh(lab, "noisy", "bash -lc 'echo answer'")).stdout).toMatch(/(Welcome to \$HOME!\n){2}answer\n$/);
  });

  test("a slow login shell delays every command", async () => {
    const answer = await ssh(lab, "slow", "echo $0 && exit 3");
    expect(answer.seconds).toBeGreaterThan(2);
    expect(answer).toMatchObject({ status: 3, stdout: "/bin/bash\n" });
  });

  test("a login shell can be dash or busybox", async () => {
    const bashOnly = "[[ a == a ]] && echo bash; readlink /proc/$$/exe";
    expect(await ssh(lab, "dash", bashOnly)).toMatchObject({ stdout: "/usr/bin/dash\n" });
    expect((await ssh(lab, "dash", bashOnly)).stderr).toContain("[[: not found");
    expect((await ssh(lab, "busybox", "readlink /proc/$$/exe; echo x")).stdout).toMatch(/busybox\nx\n$/);
  });

  test("a host can lack programs, for a login shell too", async () => {
    const look = "command -v setsid nohup; command -v env";
    expect((await ssh(lab, "plain", look)).stdout).toBe("/run/host/programs/env\n");
    expect((await ssh(lab, "plain", `bash -lc '${look}'`)).stdout).toBe("/run/host/programs/env\n");
    expect((await ssh(lab, "hostA", look)).stdout).toBe("/usr/bin/setsid\n/usr/bin/nohup\n/usr/bin/env\n");
  });

  test("connections can be shared, and cut while the server stays", async () => {
    const path = join(lab.host("hostA").home, "..", "control");
    const shared = ["-o", "ControlMaster=auto", "-o", `ControlPath=${path}`, "-o", "ControlPersist=60"];
    const first = ssh(lab, "hostA", "sleep 100", shared);
    await until(
      () => existsSync(path),
      waitLimitMs,
      () => "There is no shared connection.",
    );
    expect((await ssh(lab, "hostA", "echo second", shared)).stdout).toBe("second\n");
    expect(await lab.host("hostA").dropConnections()).toBe(1);
    expect((await first).status).toBe(255);
    expect((await ssh(lab, "hostA", "echo again", shared)).stdout).toBe("again\n");
    expect((await ssh(lab, "hostA", "", ["-o", `ControlPath=${path}`, "-O", "exit"])).stderr).toContain("Exit request");
  });

  test("a server can allow fewer sessions on a shared connection", async () => {
    const path = join(lab.host("hostB").home, "..", "control");
    const shared = ["-o", "ControlMaster=auto", "-o", `ControlPath=${path}`, "-o", "ControlPersist=60"];
    const first = ssh(lab, "hostB", "sleep 1000", shared);
    await until(
      () => existsSync(path),
      waitLimitMs,
      () => "There is no shared connection.",
    );
    const second = await ssh(lab, "hostB", "echo second", shared);
    expect(second.stderr).toContain("Session open refused by peer");
    await lab.host("hostB").dropConnections();
    await first;
  });

  test("a host that refuses connections keeps what was detached, and comes back", async () => {
    const host = lab.host("hostB");
    await ssh(lab, "hostB", "(sleep 1; echo done >~/detached) >/dev/null 2>&1 </dev/null &");
    const waiting = ssh(lab, "hostB", "sleep 100");
    await until(
      async () => (await host.run("ps -eo args | grep -c '[s]leep 100' || true")) !== "0\n",
      waitLimitMs,
      () => "The command does not run.",
    );
    await host.refuse();
    expect((await waiting).status).toBe(255);
    expect(await ssh(lab, "hostB", "true")).toMatchObject({
      status: 255,
      stderr: expect.stringMatching(/Connection refused/),
    });
    await until(
      () => existsSync(join(host.home, "detached")),
      waitLimitMs,
      () => "The job ended with its connection.",
    );
    await host.serve();
    expect((await ssh(lab, "hostB", "cat ~/detached")).stdout).toBe("done\n");
  });

  test("a frozen host answers nothing until it thaws", async () => {
    const host = lab.host("hostB");
    const running = ssh(lab, "hostB", "sleep 1; echo after");
    await host.freeze();
    const attempt = await ssh(lab, "hostB", "true", ["-o", "ConnectTimeout=1"]);
    expect(attempt).toMatchObject({ status: 255, stderr: expect.stringMatching(/timed out/) });
    await host.thaw();
    expect((await running).stdout).toBe("after\n");
  });

  test("a crash ends everything on a host; its files and its address stay", async () => {
    const host = lab.host("hostA");
    await ssh(lab, "hostA", "echo kept >~/kept; echo lost >/tmp/lost; setsid sleep 2000 >/dev/null 2>&1 </dev/null &");
    await host.crash();
    expect((await ssh(lab, "hostA", "true")).status).toBe(255);
    await host.boot();
    const left = await ssh(lab, "hostA", "cat ~/kept; ls /tmp; ps -eo args | grep -c '[s]leep 2000'");
    expect(left.stdout).toBe("kept\n0\n");
  });

  test("an orphan that ends is gone, not a zombie", async () => {
    const { stdout } = await ssh(lab, "hostA", "setsid sleep 0.1 >/dev/null 2>&1 </dev/null & echo $!");
    const look = () => lab.host("hostA").run(`kill -0 ${stdout.trim()} 2>/dev/null && echo there || true`);
    await expect.poll(look).toBe("");
  });
});

describe.skipIf(sshMissing() !== null)("a site", () => {
  test("ends with the test run, however that dies: no process and no file is left", async () => {
    const mark = `8${process.pid}`;
    const program = `
      import { startSshHosts } from ${JSON.stringify(join(import.meta.dirname, "ssh.ts"))};
      const lab = await startSshHosts({ hostA: {} });
      await lab.host("hostA").run("setsid sleep ${mark} >/dev/null 2>&1 </dev/null &");
      console.log(lab.config);
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const config = await new Promise<string>((resolve) => {
      child.stdout.once("data", (line: Buffer) => resolve(String(line).trim()));
    });
    expect(existsSync(config)).toBe(true);
    await expect.poll(() => sleepersOf(mark)).toHaveLength(1);
    child.kill("SIGKILL");
    await until(
      () => !existsSync(resolve(config, "..")),
      waitLimitMs,
      () => `${config} is still there.`,
    );
    expect(sleepersOf(mark)).toEqual([]);
  });

  test("that cannot start says what the daemon said", async () => {
    const start = startSshHosts({ hostA: { server: ["NoSuchSetting yes"] } });
    await expect(start).rejects.toThrow(/Bad configuration option: NoSuchSetting/);
  });
});

/** Processes of this machine, in any of its hosts, that sleep for the given time. */
function sleepersOf(mark: string): string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, "utf8") === `sleep\0${mark}\0`;
    } catch {
      // It ended while it was looked at.
      return false;
    }
  });
}
