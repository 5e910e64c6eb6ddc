import { existsSync } from "node:fs";
import { basename, dirname, relative } from "node:path";
import type { AttemptDirectory } from "../attempt/attempt-directory.ts";
import { hasCommand } from "../../hosts/has-command.ts";
import { SpawnLauncher, StarterLauncher } from "./launcher.ts";
import type { Launcher } from "./launcher.ts";
import { Timers } from "./timers.ts";

export interface StartsOptions {
  /** The folder of all attempts. */
  root: string;
  environment: Record<string, string>;
  /** `starter` where the machine has `setsid`, else `spawn`. */
  launcher: "starter" | "spawn" | undefined;
  /** Sends a job its kick; false while it cannot be reached yet. */
  kick: (directory: AttemptDirectory) => boolean;
  /** An attempt has ended. Not every launcher knows. */
  onEnd: (attempt: string) => void;
}

/** Milliseconds after which a job that still runs is told to watch itself. */
const kickAfter = 1000;

/** Milliseconds in which a job that was handed over claims itself; then it is submitted again, which does no harm. */
const claimPatience = 10_000;

interface HandedOver {
  directory: AttemptDirectory;
  /** Milliseconds of the clock that never jumps. */
  at: number;
  kicked: boolean;
}

/** Jobs from their hand-over to the launcher until their end is seen: makes sure that they start, and kicks them. */
export class Starts {
  /** Whether jobs are kicked: see `kicked` in `job-script.ts`. */
  readonly kicks: boolean;
  private readonly options: StartsOptions;
  private readonly launcher: Launcher;
  private readonly handedOver = new Map<string, HandedOver>();
  private readonly timers = new Timers();
  private kicking = false;
  private tidying = false;

  constructor(options: StartsOptions) {
    this.options = options;
    const { root, environment } = options;
    const launcherOptions = {
      root,
      environment,
      onFailure: () => this.timers.later(100, () => this.handOverAgain()),
      onEnd: (script: string) => options.onEnd(basename(dirname(script))),
    };
    const kind = options.launcher ?? (hasCommand("setsid", environment["PATH"]) ? "starter" : "spawn");
    this.kicks = kind === "starter";
    this.launcher = this.kicks ? new StarterLauncher(launcherOptions) : new SpawnLauncher(launcherOptions);
  }

  handOver(directory: AttemptDirectory): void {
    this.handedOver.set(directory.attempt, { directory, at: performance.now(), kicked: !this.kicks });
    this.launch(directory);
    this.kickLater();
  }

  has(attempt: string): boolean {
    return this.handedOver.has(attempt);
  }

  /**
   * Whether a job that has not claimed itself may still do so. One that waits for long is given up, so that it is
   * submitted again: its script may have met a full disk.
   */
  isWaiting(attempt: string): boolean {
    const waiting = this.handedOver.get(attempt);
    if (waiting !== undefined && performance.now() - waiting.at < claimPatience) return true;
    this.handedOver.delete(attempt);
    return false;
  }

  /** The attempt has ended, or will never start. */
  forget(attempt: string): void {
    this.handedOver.delete(attempt);
    if (this.tidying) return;
    this.tidying = true;
    this.timers.later(100, () => {
      this.tidying = false;
      this.launcher.tidy();
    });
  }

  /** Jobs go on, and those that were handed over may still start. */
  close(): void {
    this.timers.close();
    this.launcher.close();
  }

  private launch(directory: AttemptDirectory): void {
    this.launcher.launch(relative(this.options.root, directory.script));
  }

  private handOverAgain(): void {
    for (const { directory } of this.handedOver.values()) {
      if (!existsSync(directory.claim)) this.launch(directory);
    }
  }

  /** One timer for all jobs: each is kicked once, when it has run for a moment. */
  private kickLater(): void {
    if (!this.kicks || this.kicking) return;
    this.kicking = true;
    this.timers.later(kickAfter, () => {
      this.kicking = false;
      const before = performance.now() - kickAfter;
      const due = [...this.handedOver.values()].filter((one) => !one.kicked);
      for (const one of due.filter((each) => each.at <= before)) one.kicked = this.options.kick(one.directory);
      if (due.length > 0) this.kickLater();
    });
  }
}
