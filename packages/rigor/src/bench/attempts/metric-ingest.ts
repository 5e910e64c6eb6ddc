import { parseMetrics } from "../../compute/collect.ts";
import type { Executor, Handle, Offsets } from "../../compute/executor.ts";
import { ingestMetricPoints } from "../../store/metrics.ts";
import type { Lab } from "../lab/lab.ts";

/** Reads the metrics that jobs append to their files. Offsets are kept in memory: reading again changes nothing. */
export class MetricIngest {
  readonly #lab: Lab;
  readonly #offsets = new Map<string, Offsets>();

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  async ingest(executor: Pick<Executor, "collect">, handles: readonly Handle[]): Promise<void> {
    if (handles.length === 0) return;
    const requests = handles.map((handle) => ({ handle, offsets: this.#offsetsOf(handle.attempt) }));
    const collected = await executor.collect(requests);
    for (const { handle, offsets } of requests) {
      const news = collected.get(handle.attempt);
      if (news === undefined || news.metrics.length === 0) continue;
      const parsed = parseMetrics(news.metrics, offsets.metrics);
      if (parsed.malformed > 0) {
        this.#lab.log.warn(
          { attempt: handle.attempt, lines: parsed.malformed, first: parsed.malformed_example },
          "metrics that cannot be read",
        );
      }
      await ingestMetricPoints(
        this.#lab.store,
        parsed.points.map((point) => ({ ...point, attempt_id: handle.attempt })),
      );
      this.#offsets.set(handle.attempt, { ...offsets, metrics: news.offsets.metrics });
    }
  }

  forget(attempt: string): void {
    this.#offsets.delete(attempt);
  }

  /** Only metrics are read here; logs stay in their files and are read when somebody asks. */
  #offsetsOf(attempt: string): Offsets {
    return (
      this.#offsets.get(attempt) ?? { stdout: Number.MAX_SAFE_INTEGER, stderr: Number.MAX_SAFE_INTEGER, metrics: 0 }
    );
  }
}
