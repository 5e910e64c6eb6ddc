import { execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import type { SandboxPolicy } from "../../packages/rigor/src/agents/sandbox/policy.ts";
import type { Sandbox } from "../../packages/rigor/src/agents/sandbox/sandbox.ts";

const source = join(import.meta.dirname, "../../packages/rigor/src");
const nobody = 65_534;

/** How a command ended. */
export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/**
 * A person's files: a home with keys, a checkout, the lab's data, and a session's workspace and scratch directory. As `self`
 * they belong to who runs the tests, as `nobody` to a user without any rights, who has a copy of the program then.
 */
export class Person {
  readonly root: string;
  readonly #sandbox: Sandbox;
  readonly #uid: number | null;

  constructor(sandbox: Sandbox, name: "self" | "nobody") {
    this.#sandbox = sandbox;
    this.#uid = name === "nobody" ? nobody : null;
    this.root = realpathSync(mkdtempSync(join(tmpdir(), "rigor-person-")));
    chmodSync(this.root, 0o755);
    this.write("home/.ssh/id_ed25519", "hush-hush: key\n");
    this.write("home/.claude/settings.json", "hush-hush: settings\n");
    this.write("home/project/notes.txt", "hush-hush: notes\n");
    this.write("home/.pyenv/bin/tool", "#!/bin/sh\necho a tool\n", 0o755);
    this.write("home/.pyenv/.netrc", "hush-hush: password\n");
    this.write("home/.pyenv/versions/.env.production", "hush-hush: variable\n");
    this.write("lab/rigor.db", "hush-hush: database\n");
    this.write("lab/daemon.json", '{"token":"hush-hush: token"}\n');
    this.write("lab/workspaces/issue-8/file.txt", "hush-hush: of another issue\n");
    this.write("lab/workspaces/issue-7/file.txt", "mine\n");
    this.write("lab/sessions/7/home/.profile", "\n");
    if (this.#uid !== null) this.#installProgram();
  }

  /** A path of the person's. */
  path(name: string): string {
    return join(this.root, name);
  }

  policy(changes: Partial<SandboxPolicy> = {}): SandboxPolicy {
    return {
      workspace: this.path("lab/workspaces/issue-7"),
      scratch: this.path("lab/sessions/7"),
      readable: [],
      hidden: [],
      network: { hosts: [] },
      gpus: false,
      ...changes,
    };
  }

  /** Runs a script of bash in the sandbox, as the person. */
  async run(script: string, changes: Partial<SandboxPolicy> = {}): Promise<Ended> {
    return this.start(script, changes).ended;
  }

  /** @param withParent puts a process between this one and the sandbox, whose pid is the one returned */
  start(script: string, changes: Partial<SandboxPolicy> = {}, withParent = false) {
    const [node = "", run = "", ...rest] = this.#sandbox.wrap(["bash", "-c", script], this.policy(changes));
    const command = this.#uid === null ? [node, run, ...rest] : this.#asNobody(run, rest);
    const [file = "", ...args] = withParent ? ["sh", "-c", '"$@"; exit', "parent", ...command] : command;
    const child = spawn(file, args, {
      cwd: "/",
      env: { PATH: process.env["PATH"], HOME: this.path("lab/sessions/7/home"), SESSION_TOKEN: "of this session" },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status) => resolve({ status, stdout, stderr }));
    });
    return { child, ended, output: () => stdout };
  }

  write(name: string, content: string, mode = 0o600): void {
    const path = this.path(name);
    const directories = [];
    for (let parent = dirname(path); parent.startsWith(this.root) && parent !== this.root; parent = dirname(parent)) {
      directories.push(parent);
    }
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content, { mode });
    if (this.#uid === null) return;
    for (const owned of [path, ...directories]) chownSync(owned, this.#uid, this.#uid);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true, maxRetries: 10 });
  }

  /** The checkout that is tested may lie where a stranger cannot look. */
  #installProgram(): void {
    for (const name of ["agents/sandbox", "domain/errors.ts"]) {
      cpSync(join(source, name), this.path(`program/${name}`), { recursive: true });
    }
    this.write("program/package.json", '{"type":"module"}\n', 0o644);
    cpSync(realpathSync(process.execPath), this.path("program/node"));
    execFileSync("chmod", ["-R", "a+rX", this.path("program")]);
  }

  #asNobody(run: string, rest: string[]): string[] {
    const copied = this.path(join("program", relative(source, run)));
    const user = ["--reuid", String(nobody), "--regid", String(nobody), "--clear-groups"];
    return ["setpriv", ...user, "--", this.path("program/node"), copied, ...rest];
  }
}
