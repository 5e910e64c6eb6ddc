import type { ExperimentSummary } from "../../api/contract/views/experiments.ts";
import { ago } from "../output/format.ts";
import type { Style } from "../output/terminal.ts";

type Hold = NonNullable<ExperimentSummary["hold"]>;

/** Why something waits for a person, since when, and what can be done. */
export function holdLines({ reason, options, since }: Hold, { style, now }: { style: Style; now: number }): string[] {
  return [
    `${style.yellow("Held")} ${ago(since, now)}: ${reason}`,
    ...(options.length === 0 ? [] : ["What can be done:", ...options.map((option) => `  ${option}`)]),
  ];
}
