import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { findSandbox, type Sandbox } from "../../packages/rigor/src/agents/sandbox/sandbox.ts";
import { Person } from "./person.ts";

const isRoot = process.getuid?.() === 0;
const hasBubblewrap = (process.env["PATH"] ?? "").split(":").some((directory) => existsSync(`${directory}/bwrap`));

/** Most that a machine that is busy may need for a fact to show. */
const patience = { timeout: 90_000, interval: 50 };

describe.skipIf(!hasBubblewrap).each(isRoot ? (["self", "nobody"] as const) : (["self"] as const))(
  "a session's command in the sandbox, as %s",
  (name) => {
    let sandbox: Sandbox;
    let person: Person;
    let listed: Server;
    let unlisted: Server;

    beforeAll(async () => {
      sandbox = await findSandbox("required");
      person = new Person(sandbox, name);
      [listed, unlisted] = [await serve("listed"), await serve("unlisted")];
    });
    afterAll(() => {
      for (const server of [listed, unlisted]) server.close();
      person.remove();
    });

    test("reads neither keys nor the home, the lab's data or another workspace [F38] [sandbox.keys]", async () => {
      const secrets = ["home/.ssh/id_ed25519", "home/.claude/settings.json", "home/project/notes.txt"];
      const data = ["lab/rigor.db", "lab/daemon.json", "lab/workspaces/issue-8/file.txt"];
      const reads = [...secrets, ...data].map((path) => `cat ${person.path(path)}; echo $?`);
      const ended = await person.run([...reads, "cat /etc/shadow; echo $?", "cat file.txt"].join("\n"));
      expect(ended.stdout).toBe(`${"1\n".repeat(7)}mine\n`);
      const look = await person.run(
        `grep -rsl hush-hush: / --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr; true`,
      );
      expect(look.stdout).toBe("");
    });

    test("sees a readable tree without the files of keys in it, and without its hidden parts [sandbox.keys]", async () => {
      person.write("home/.pyenv/versions/hidden/inner.txt", "hush-hush: part\n");
      const home = person.path("home");
      const policy = { readable: [`${home}/.pyenv`], hidden: [`${home}/.pyenv/versions/hidden`] };
      const script = `cd ${home}; .pyenv/bin/tool; cat .pyenv/.netrc .pyenv/versions/.env.production; ls -A .pyenv/versions/hidden; ls -A`;
      const ended = await person.run(script, policy);
      expect(ended.stdout).toBe("a tool\n.pyenv\n");
      const change = await person.run(
        `echo x >${home}/.pyenv/bin/tool; echo x >${home}/.pyenv/versions/hidden/x`,
        policy,
      );
      expect(change.stderr.match(/Read-only file system/g)).toHaveLength(2);
    });

    test("writes to its workspace and scratch directory, and nowhere else [F38] [sandbox.files]", async () => {
      const outside = ["/x", "/usr/x", "/etc/x", "/var/x", "/run/x", "/proc/sys/vm/overcommit_memory", "/sys/x"];
      const known = ["x", "home/x", "lab/x", "home/.ssh/authorized_keys"].map((path) => person.path(path));
      const writes = [
        ...outside.map((path) => `(echo 1 >${path}) 2>/dev/null && echo wrote ${path}`),
        // The directories above what is shown are the session's own, like all of /tmp; nothing arrives outside.
        ...known.map((path) => `(echo 1 >${path}) 2>/dev/null`),
        `echo done >made.txt; echo mine >${person.path("lab/sessions/7/made.txt")}; echo t >$(mktemp)`,
        "echo end",
      ];
      const ended = await person.run(writes.join("\n"));
      expect(ended).toEqual({ status: 0, stdout: "end\n", stderr: "" });
      expect(readFileSync(person.path("lab/workspaces/issue-7/made.txt"), "utf8")).toBe("done\n");
      expect(readFileSync(person.path("lab/sessions/7/made.txt"), "utf8")).toBe("mine\n");
      expect(known.filter((path) => existsSync(path))).toEqual([]);
    });

    test("does not change a workspace that it may only read [sandbox.files]", async () => {
      const ended = await person.run("cat file.txt; echo x >file.txt; rm file.txt", { workspaceAccess: "read" });
      expect(ended.stdout).toBe("mine\n");
      expect(ended.stderr.match(/Read-only file system/g)).toHaveLength(2);
    });

    test("a link in the workspace leads nowhere that the session may not go [sandbox.files]", async () => {
      const link = person.path("lab/workspaces/issue-7/link");
      if (!existsSync(link)) symlinkSync(person.path("lab"), link);
      const ended = await person.run("cat link/daemon.json; echo x >link/x");
      expect(ended.stdout).toBe("");
      expect(existsSync(person.path("lab/x"))).toBe(false);
    });

    test("reaches a listed host of the loopback under its own port, and no other [sandbox.network]", async () => {
      const [open, closed] = [portOf(listed), portOf(unlisted)];
      const script = `curl -s --noproxy '*' http://127.0.0.1:${open}/ http://localhost:${open}/; curl -s -S --noproxy '*' http://127.0.0.1:${closed}/`;
      const ended = await person.run(script, { network: { hosts: [`127.0.0.1:${open}`] } });
      expect(ended.stdout).toBe("listedlisted");
      expect(ended.stderr).toContain("connect");
      expect(ended.status).toBe(7);
    });

    test("reaches other hosts through the proxy when they are listed; what is refused is recorded [sandbox.network]", async () => {
      const refusals = person.path(`refusals-${name}.jsonl`);
      person.write(`refusals-${name}.jsonl`, "");
      const port = portOf(unlisted);
      const script = [
        `curl -s --noproxy '' http://127.0.0.1:${port}/`,
        "curl -s -S https://example.org/",
        "curl -s -S --noproxy '*' https://example.org/",
        "curl -s -S --noproxy '*' http://192.0.2.1/",
        `python3 -c 'import urllib.request; urllib.request.urlopen("https://example.net:8443/")' 2>/dev/null`,
      ].join("\n");
      const ended = await person.run(script, { network: { hosts: [] }, refusals });
      expect(ended.stdout).not.toContain("unlisted");
      expect(ended.stderr).toContain("403");
      expect(ended.stderr).toContain("Could not resolve host: example.org");
      const lines = readFileSync(refusals, "utf8").trim().split("\n");
      expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
        { time: expect.stringMatching(/^\d{4}-.*Z$/), host: "127.0.0.1", port },
        { time: expect.any(String), host: "example.org", port: 443 },
        { time: expect.any(String), host: "example.net", port: 8443 },
      ]);
    });

    test("talks through the proxy with tunnels and with plain requests [sandbox.network]", async () => {
      // A name of this machine that is not one of its loopback names, so that it goes through the proxy.
      const host = "127.0.0.2";
      const port = portOf(listed);
      const script = `curl -s --noproxy '' http://${host}:${port}/; curl -s --proxytunnel --noproxy '' http://${host}:${port}/`;
      const ended = await person.run(script, { network: { hosts: [`${host}:${port}`] } });
      expect(ended).toMatchObject({ status: 0, stdout: "listedlisted" });
    });

    test("sees and signals no process but its own, and nobody's environment [F38] [sandbox.processes]", async () => {
      const script = [
        `kill -0 ${process.pid} 2>/dev/null && echo signalled`,
        `cat /proc/${process.pid}/environ 2>/dev/null | tr '\\0' '\\n' | grep PATH`,
        "kill -9 -1 2>/dev/null",
        "found=(/proc/[0-9]*); echo ${#found[@]}",
        "tr '\\0' '\\n' </proc/1/environ | grep -c SESSION_TOKEN",
      ].join("\n");
      const ended = await person.run(script);
      // bwrap and bash; and the command's own variables.
      expect(ended.stdout).toBe("2\n1\n");
    });

    test("leaves no process behind, however it tries [sandbox.processes]", async () => {
      const mark = `${name}-${process.pid}-ended`;
      const sleeper = (argument: string) => `exec -a ${mark}-${argument} sleep 600`;
      const script = [
        `setsid bash -c '${sleeper("setsid")}' </dev/null >/dev/null 2>&1 &`,
        `nohup bash -c '${sleeper("nohup")}' </dev/null >/dev/null 2>&1 &`,
        `python3 -c 'import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["${mark}-forked", "600"])
' </dev/null >/dev/null 2>&1 &`,
        `until [ "$(pgrep -fc '^${mark}')" = 3 ]; do sleep 0.1; done`,
        `pgrep -fc '^${mark}'`,
      ].join("\n");
      const ended = await person.run(script);
      expect(ended.stdout).toBe("3\n");
      await vi.waitFor(() => expect(processesOf(mark)).toEqual([]), patience);
    });

    test("can end by itself when it is asked to [sandbox.processes]", async () => {
      const script = `trap 'echo saved; exit 7' TERM; echo started; while :; do sleep 0.1; done`;
      const { child, ended, output } = person.start(script);
      await vi.waitFor(() => expect(output()).toContain("started"), patience);
      process.kill(-(child.pid ?? 0), "SIGTERM");
      expect(await ended).toEqual({ status: 7, stdout: "started\nsaved\n", stderr: "" });
    });

    test("ends with all its processes when it is killed, or when who started it is [sandbox.processes]", async () => {
      for (const killed of ["itself", "its parent"]) {
        const mark = `${name}-${process.pid}-${killed.replace(" ", "-")}`;
        const script = `trap '' TERM; setsid bash -c 'trap "" TERM; exec -a ${mark} sleep 600' & echo started; wait`;
        const { child, ended, output } = person.start(script, {}, killed === "its parent");
        await vi.waitFor(() => expect(output()).toContain("started"), patience);
        await vi.waitFor(() => expect(processesOf(mark)).toHaveLength(1), patience);
        child.kill("SIGKILL");
        await vi.waitFor(() => expect(processesOf(mark)).toEqual([]), patience);
        await ended;
      }
    });

    test("has no capability, makes no user namespace and mounts nothing [sandbox.privileges]", async () => {
      const script = [
        "grep -E 'Cap(Prm|Eff|Bnd|Amb)' /proc/self/status | grep -v '0000000000000000'",
        "unshare --user true 2>/dev/null && echo namespace",
        "mount -t tmpfs none /tmp 2>/dev/null && echo mounted",
        "mknod /tmp/disk b 8 0 2>/dev/null && echo device",
        "ls /dev | grep -E '^(sd|vd|nvme|mem|kmem|kvm)'",
        "echo end",
      ].join("\n");
      expect(await person.run(script)).toEqual({ status: 0, stdout: "end\n", stderr: "" });
    });

    test("starts a program that is a link in a readable directory, also to a link [sandbox.agent]", async () => {
      // As Claude Code installs itself.
      const [bin, share] = [person.path("home/.local/bin"), person.path("home/.local/share/tool")];
      person.write("home/.local/share/tool/versions/2.1", "#!/bin/sh\necho the tool\n", 0o755);
      person.write("home/.local/bin/other", "");
      symlinkSync("../share/tool/current", `${bin}/tool`);
      symlinkSync(`${share}/versions/2.1`, `${share}/current`);
      const ended = await person.run(`${bin}/tool`, { readable: [bin, `${bin}/tool`] });
      expect(ended).toEqual({ status: 0, stdout: "the tool\n", stderr: "" });
    });

    test("its command has the signals, input and exit status that it would have outside [sandbox.agent]", async () => {
      const ended = await person.run("grep SigIgn /proc/self/status; yes | head -1; pwd; exit 41");
      expect(ended).toEqual({
        status: 41,
        stdout: `SigIgn:\t0000000000000000\ny\n${person.path("lab/workspaces/issue-7")}\n`,
        stderr: "",
      });
      expect((await person.run("kill -9 $$")).status).toBe(137);
    });

    test.runIf(isRoot)("sees the GPUs where its role needs them, and only then [sandbox.gpus]", async () => {
      const device = `/dev/nvidia-${name}-${process.pid}`;
      execFileSync("mknod", ["-m", "666", device, "c", "1", "5"]);
      onTestFinished(() => rmSync(device));
      const script = `head -c 4 ${device} | od -An -tx1; echo end`;
      expect((await person.run(script, { gpus: true })).stdout).toBe(" 00 00 00 00\nend\n");
      expect((await person.run(script)).stdout).toBe("end\n");
    });
  },
);

describe("where there is no bubblewrap", () => {
  test("commands run as they are, and what does not hold is said [sandbox.absent]", async () => {
    const sandbox = await findSandbox("when-present", "/nowhere");
    expect(sandbox.kind).toBe("none");
    expect(sandbox.protections.filter(({ holds }) => holds)).toEqual([]);
    expect(sandbox.missing?.next).toContain("bubblewrap");
  });

  test("a lab that requires a sandbox says what to install [sandbox.absent]", async () => {
    await expect(findSandbox("required", "/nowhere")).rejects.toMatchObject({
      code: "not-possible",
      next: expect.stringContaining("bubblewrap"),
    });
  });
});

test.each([
  ["is killed", "kill -9 $$", /nobody knows/],
  ["says no", "echo 'no namespaces' >&2; exit 1", null],
])("a trial that %s is an answer only where it ended by itself [sandbox.absent]", async (_, ending, refusal) => {
  const directory = mkdtempSync(join(tmpdir(), "rigor-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const script = `#!/bin/sh\ncase $1 in --help) exit 0 ;; esac\n${ending}\n`;
  writeFileSync(join(directory, "bwrap"), script, { mode: 0o755 });
  const sandbox = findSandbox("when-present", directory);
  if (refusal === null)
    expect(await sandbox).toMatchObject({
      kind: "none",
      missing: { reason: expect.stringContaining("no namespaces") as string },
    });
  else
    await expect(sandbox).rejects.toMatchObject({
      code: "internal",
      message: expect.stringMatching(refusal) as string,
    });
});

async function serve(text: string): Promise<Server> {
  const server = createServer((_request, response) => response.end(text));
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Processes of this machine whose name starts with a mark. */
function processesOf(mark: string): string[] {
  const lines = execFileSync("ps", ["-axo", "pid=,args="], { encoding: "utf8" }).split("\n");
  return lines.filter((line) => line.trim().replace(/^\d+ /, "").startsWith(mark));
}
