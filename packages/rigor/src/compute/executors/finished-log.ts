import { closeSync, fstatSync, ftruncateSync, openSync, readSync, watch } from "node:fs";
import type { FSWatcher } from "node:fs";

/** Above this size the file is emptied when nobody reads it. */
const emptyAbove = 1024 * 1024;

/**
 * A file to which every job appends its token after its exit record is in place. One watch on it tells of the end of
 * any number of jobs, also of those that another daemon started. It only tells where to look: a lost or repeated line
 * does no harm.
 */
export class FinishedLog {
  private readonly descriptor: number;
  private readonly watcher: FSWatcher;
  private readonly timer: NodeJS.Timeout;
  private readonly listener: (attempts: string[]) => void;
  private readonly buffer = Buffer.alloc(64 * 1024);
  private position: number;
  private rest = "";

  constructor(path: string, listener: (attempts: string[]) => void) {
    this.listener = listener;
    this.descriptor = openSync(path, "a+", 0o600);
    if (fstatSync(this.descriptor).size > emptyAbove) ftruncateSync(this.descriptor);
    this.position = fstatSync(this.descriptor).size;
    this.watcher = watch(path, { persistent: false }, () => this.read());
    // A file system without change notices still works, a little later.
    this.timer = setInterval(() => this.read(), 500).unref();
  }

  close(): void {
    clearInterval(this.timer);
    this.watcher.close();
    closeSync(this.descriptor);
  }

  private read(): void {
    for (;;) {
      const length = readSync(this.descriptor, this.buffer, 0, this.buffer.length, this.position);
      if (length === 0) return;
      this.position += length;
      const lines = (this.rest + this.buffer.toString("latin1", 0, length)).split("\n");
      this.rest = lines.pop() ?? "";
      this.listener(lines);
    }
  }
}
