import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { Socket } from "node:net";
import type { Writable } from "node:stream";

/** Starts scripts of attempts, each as the leader of its own session. */
export interface Launcher {
  /** `script` is relative to the folder of all attempts. */
  launch(script: string): void;
  /** Called now and then after jobs have ended. */
  tidy(): void;
  /** Stops launching; scripts that were launched go on, and those handed over may still start. */
  close(): void;
}

export interface LauncherOptions {
  /** The folder of all attempts. */
  root: string;
  environment: Record<string, string>;
  /** The launcher has died: what was handed to it and has not been claimed must be handed over again. */
  onFailure: () => void;
  /** A started script has ended. Not every launcher knows. */
  onEnd: (script: string) => void;
}

/**
 * A shell that reads names of scripts and starts each in a session of its own. `hash` looks for `setsid` once for all of
 * them. `jobs` takes the status of those that have ended, so that no zombies remain; what it prints goes nowhere, like the
 * output of the scripts. When nobody is left to write names, nobody is left to kick the jobs either (see `kicked` in
 * `job-script.ts`): the shell does it, the second time for those that were only just starting.
 */
const starterScript = `hash setsid
kick() {
  jobs -p >"$1" && while read -r pid; do kill -s CONT "$pid" 2>/dev/null; done <"$1"
}
while IFS= read -r script; do
  if [ -n "$script" ]; then setsid /bin/sh "$script" & fi
  jobs
done
kick "starter.$$"
sleep 1
kick "starter.$$"
rm -f "starter.$$"`;

/**
 * Starts jobs through one small shell. A process that forks pays for its own memory, and a daemon is large: with
 * 200 MB it takes 10 ms to start a process from Node, and well under 1 ms from a shell. Nothing depends on the shell:
 * a job is claimed by its own script, so names that were lost with a dead shell are simply handed over again.
 */
export class StarterLauncher implements Launcher {
  private readonly options: LauncherOptions;
  private shell: ChildProcess | null = null;
  private closed = false;

  constructor(options: LauncherOptions) {
    this.options = options;
  }

  launch(script: string): void {
    this.input().write(`${script}\n`);
  }

  tidy(): void {
    if (this.shell?.stdin?.writable === true) this.shell.stdin.write("\n");
  }

  close(): void {
    this.closed = true;
    this.shell?.stdin?.end();
    this.shell = null;
  }

  private input(): Writable {
    if (this.shell?.stdin?.writable === true) return this.shell.stdin;
    const shell = spawn("/bin/sh", ["-c", starterScript, "rigor-starter"], {
      cwd: this.options.root,
      env: this.options.environment,
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.shell = shell;
    let reported = false;
    // The next launch may have started another shell already: what this one was given is lost all the same.
    const lost = () => {
      if (reported) return;
      reported = true;
      if (this.shell === shell) this.shell = null;
      if (!this.closed) this.options.onFailure();
    };
    shell.once("exit", lost);
    shell.once("error", lost);
    // The pipe breaks when the shell dies; `exit` then does what is needed.
    shell.stdin.on("error", lost);
    shell.unref();
    unref(shell.stdin);
    return shell.stdin;
  }
}

/** Starts each job from this process, where there is no `setsid` command. */
export class SpawnLauncher implements Launcher {
  private readonly options: LauncherOptions;

  constructor(options: LauncherOptions) {
    this.options = options;
  }

  launch(script: string): void {
    const child = spawn("/bin/sh", [script], {
      cwd: this.options.root,
      env: this.options.environment,
      detached: true,
      stdio: "ignore",
    });
    child.once("exit", () => this.options.onEnd(script));
    child.once("error", () => this.options.onFailure());
    child.unref();
  }

  tidy(): void {
    // Node takes the status of its children itself.
  }

  close(): void {
    // Nothing is held.
  }
}

function unref(stream: Writable): void {
  if (stream instanceof Socket) stream.unref();
}
