import type { ExperimentSummary } from "../../api/contract/views/experiments.ts";
import { ago } from "../output/format.ts";
import type { Style } from "../output/terminal.ts";
import { pad, textWidth } from "../output/text.ts";

type Hold = NonNullable<ExperimentSummary["hold"]>;

/** Why something waits for a person, since when, and what can be done. */
export function holdLines({ reason, options, since }: Hold, { style, now }: { style: Style; now: number }): string[] {
  return [
    `${style.yellow("Held")} ${ago(since, now)}: ${reason}`,
    ...(options.length === 0 ? [] : ["What can be done:", ...optionLines(options)]),
  ];
}

/** What each command does; an option that is a sentence says so itself. */
const effects: readonly (readonly [command: RegExp, effect: string])[] = [
  [/^rigor list /, "which runs, and why"],
  [/^rigor results /, "the values, and the checks that failed"],
  [/^rigor rerun \S+ --failed$/, "run them again with the same code"],
  [/^rigor release \S+ --without-failed$/, "decide without them and their partners in other arms"],
  [/^rigor release \S+ --(wall|gpu-hours) /, "go on with a larger budget"],
  [/^rigor release /, "go on"],
  [/^rigor cancel /, "give it up; what is done stays"],
];

function optionLines(options: readonly string[]): string[] {
  const effectOf = (option: string) => effects.find(([command]) => command.test(option))?.[1] ?? "";
  const width = Math.max(0, ...options.filter((option) => effectOf(option) !== "").map(textWidth));
  return options.map((option) => `  ${pad(option, width)}   ${effectOf(option)}`.trimEnd());
}
