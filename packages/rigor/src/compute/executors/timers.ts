/** Timers that keep no process alive and end with their owner. */
export class Timers {
  private readonly waiting = new Set<NodeJS.Timeout>();
  private closed = false;

  later(milliseconds: number, action: () => void): void {
    if (this.closed) return;
    const timer = setTimeout(() => {
      this.waiting.delete(timer);
      action();
    }, milliseconds).unref();
    this.waiting.add(timer);
  }

  /** Nothing is done any more. */
  close(): void {
    this.closed = true;
    for (const timer of this.waiting) clearTimeout(timer);
    this.waiting.clear();
  }
}
