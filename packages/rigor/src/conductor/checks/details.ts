import type { Json } from "../../domain/canonical.ts";
import { duration, number, plural } from "../../domain/format/numbers.ts";
import { parameterText } from "../../domain/format/words.ts";
import { differenceText, type Difference } from "../../domain/issues/consistency.ts";
import type { IssueCheckName, IssueCheckRecord } from "../../domain/issues/records.ts";

/** What checks keep beside their findings. A check that could not be made keeps none of it. */
interface Details {
  /** The experiment that the plan is compared with; null where it names none. */
  parent?: string | null;
  differences?: Difference[];
  duplicates?: string[];
  commands?: { command: string; exit: number | null; seconds: number; output: string }[];
  message?: string;
  copies?: { file: string; lines: string; other_file: string; other_lines: string; tokens: number }[];
  runs?: {
    run: string;
    arm: string;
    state: string;
    seconds: number | null;
    metrics: Readonly<Record<string, Json>> | null;
  }[];
}

/** What a check saw, as Markdown that persons and agents read: a heading and its list, or a sentence. */
export function detailTexts({ name, details }: Pick<IssueCheckRecord, "name" | "details">): string[] {
  return writers[name]?.((details ?? {}) as Details) ?? [];
}

const writers: Partial<Record<IssueCheckName, (details: Details) => string[]>> = {
  consistency: ({ parent, differences = [], duplicates = [] }) => [
    ...(parent === null ? ["The plan names no parent that it is compared with."] : []),
    ...(typeof parent === "string" && differences.length === 0 ? [`Nothing differs from ${parent}.`] : []),
    ...listed("What differs from the parent:", differences.map(differenceText)),
    ...listed("Experiments that measured the same design before:", duplicates),
  ],
  "declared-checks": ({ commands = [], message }) => [
    ...(message === undefined ? [] : [message]),
    ...listed("Commands:", commands.map(commandText)),
  ],
  duplication: ({ copies = [] }) =>
    listed(
      "Copies:",
      copies.map(
        ({ file, lines, other_file, other_lines, tokens }) =>
          `${file}, lines ${lines}, and ${other_file}, lines ${other_lines} (${plural(tokens, "token")})`,
      ),
    ),
  smoke: ({ runs = [] }) => listed("Its runs:", runs.map(runText)),
};

const listed = (title: string, items: readonly string[]): string[] =>
  items.length === 0 ? [] : [`${title}\n\n${items.map((one) => `- ${one}`).join("\n")}`];

function commandText({ command, exit, seconds, output }: NonNullable<Details["commands"]>[number]): string {
  const end = exit === null ? "was stopped" : `ended with ${exit}`;
  return `\`${command}\` ${end} after ${duration(seconds)}; its output is in ${output}`;
}

function runText({ run, arm, state, seconds, metrics }: NonNullable<Details["runs"]>[number]): string {
  const time = seconds === null ? "" : ` after ${duration(seconds)}`;
  const measured = Object.entries(metrics ?? {}).map(
    ([name, value]) => `${name} ${typeof value === "number" ? number(value, 6) : parameterText(value)}`,
  );
  return `${arm} (run ${run}): ${state}${time}; ${measured.length === 0 ? "no metrics" : measured.join(", ")}`;
}
