import { dirname } from "node:path";
import { jobVariable } from "../attempt/job-script.ts";
import { hasSamePlace, sendSignal, visitEnvironments } from "../../hosts/processes.ts";

export interface LeftBehindOptions {
  /** The folder of all attempts. */
  root: string;
  /** Whether the attempt of a directory has ended, or its directory is gone. */
  isOver: (directory: string) => boolean;
  /** Told of each process that was ended. */
  onEnded?: (directory: string, pid: number) => void;
}

/** Milliseconds between two looks, at least. */
const leastPause = 1000;

/** A pause is this many times as long as a look took: a machine may have very many processes. */
const pauseShare = 20;

/**
 * Ends processes that outlived their attempt. The job's script ends its group; a process that has started a session of
 * its own is in none that is known, but its environment still names the attempt (see `jobVariable`). What has cleared
 * its environment, or was started for the run by something that runs for others too, is not found.
 *
 * All processes of the machine are looked at, once for all attempts that have ended since the last look. Nothing is
 * remembered: which attempt is over is read from its directory, so a look after a crash finds what the crash left.
 */
export class LeftBehind {
  private readonly options: LeftBehindOptions;
  private timer: NodeJS.Timeout | null = null;
  private looking = false;
  /** The look under way, or the last one. */
  private present: Promise<void> | null = null;
  private again = false;
  private closed = false;
  private notBefore = 0;
  /** What the last look has killed: a process that is still there cannot die, and is no reason to look again. */
  private killed = new Set<number>();

  constructor(options: LeftBehindOptions) {
    this.options = options;
  }

  /** Looks soon. */
  look(): void {
    if (this.looking) this.again = true;
    if (this.closed || this.looking || this.timer !== null) return;
    const pause = Math.max(0, this.notBefore - performance.now());
    this.timer = setTimeout(() => {
      this.timer = null;
      this.present = this.lookNow();
    }, pause).unref();
  }

  /** Looks once more if that was due: nobody may look again for long. */
  async close(): Promise<void> {
    const due = this.timer !== null;
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    await this.present;
    if (due || this.again) await this.endAll();
  }

  private async lookNow(): Promise<void> {
    const begun = performance.now();
    this.looking = true;
    this.again = false;
    try {
      // What was killed may have started another one just before.
      if (await this.endAll()) this.again = true;
    } finally {
      this.looking = false;
      const ended = performance.now();
      this.notBefore = ended + Math.max(leastPause, pauseShare * (ended - begun));
      if (this.again) this.look();
    }
  }

  /** Whether it has killed any that the last look has not. */
  private async endAll(): Promise<boolean> {
    const killed = new Set<number>();
    const known = new Map<string, boolean>();
    await visitEnvironments(jobVariable, (pid, directory) => {
      if (dirname(dirname(directory)) !== this.options.root) return;
      // In a container the same path may be another folder.
      if (!hasSamePlace(pid, this.options.root)) return;
      const over = known.get(directory) ?? this.options.isOver(directory);
      known.set(directory, over);
      if (!over || !sendSignal(pid, "SIGKILL")) return;
      killed.add(pid);
      if (!this.killed.has(pid)) this.options.onEnded?.(directory, pid);
    });
    const isNew = [...killed].some((pid) => !this.killed.has(pid));
    this.killed = killed;
    return isNew;
  }
}
