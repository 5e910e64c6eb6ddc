import type { Progress } from "../../api/contract/views.ts";
import { hasEnded } from "../exit-status.ts";
import { duration, integer, plural, rate } from "../format.ts";
import type { Terminal } from "../terminal.ts";
import { textWidth } from "../text.ts";

export type ProgressTerminal = Pick<Terminal, "columns" | "unicode" | "style">;

/** Runs that need no further work, of all runs. */
export function share({ finished, experiment }: Pick<Progress, "finished" | "experiment">): number {
  return experiment.total_runs === 0 ? 1 : finished / experiment.total_runs;
}

/** The line that is drawn again and again; what matters least goes first where the terminal is narrow. */
export function liveText(progress: Progress, terminal: ProgressTerminal, now: number): string {
  if (progress.preparing !== null && progress.active.length === 0) return preparingText(progress.preparing, now);
  if (progress.waits_for !== null && progress.active.length === 0) return `waiting: ${progress.waits_for}`;
  const { experiment } = progress;
  const { counts } = experiment;
  const { style } = terminal;
  const done = `${integer(progress.finished)}/${integer(experiment.total_runs)}`;
  const bad = counts.failed + counts.invalid;
  const wrong = bad === 0 ? null : style.red(`${integer(bad)} failed`);
  const left = leftText(progress);
  const speed = progress.runs_per_second === null ? null : rate(progress.runs_per_second);
  const active = `${integer(counts.active)} active`;
  const stage = experiment.stage.of > 1 ? experiment.stage.name : null;
  const silent = unreachableText(progress);
  const bar = drawBar(share(progress), terminal);

  const room = terminal.columns - 1;
  const layouts: (string | null)[][] = [
    [stage, bar, done, percent(progress), speed, left, active, wrong, silent],
    [bar, done, percent(progress), speed, left, active, wrong, silent],
    [bar, done, percent(progress), speed, left, active, wrong],
    [bar, done, speed, left, wrong],
    [done, speed, left, wrong],
    [done, left, wrong],
    [done, wrong],
  ];
  const texts = layouts.map((layout) => layout.filter((part) => part !== null).join("  "));
  return texts.find((text) => textWidth(text) <= room) ?? done;
}

/** The same as a line that stays, for files and pipes. */
export function lineText(progress: Progress, now: number): string {
  if (progress.preparing !== null && progress.active.length === 0) return preparingText(progress.preparing, now);
  if (progress.waits_for !== null && progress.active.length === 0) return `waiting: ${progress.waits_for}`;
  const { counts, total_runs: total } = progress.experiment;
  const bad = counts.failed + counts.invalid;
  const parts = [
    `${integer(progress.finished)}/${integer(total)} runs (${percent(progress)})`,
    progress.runs_per_second === null ? null : rate(progress.runs_per_second),
    leftText(progress),
    `${integer(counts.active)} active`,
    bad === 0 ? null : `${integer(bad)} failed`,
    unreachableText(progress),
  ];
  return parts.filter((part) => part !== null).join(", ");
}

/** Names computes that do not answer; the reasons stand in `rigor compute list`. */
function unreachableText({ unreachable }: Pick<Progress, "unreachable">): string | null {
  return unreachable.length === 0 ? null : `no answer from ${unreachable.map(({ compute }) => compute).join(", ")}`;
}

/** `preparing: npm ci for 12 s, log: FILE` */
function preparingText({ what, since, log_file: log }: NonNullable<Progress["preparing"]>, now: number): string {
  const elapsed = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  return `preparing: ${what}, for ${duration(elapsed)}${log === null ? "" : `, log: ${log}`}`;
}

function percent(progress: Progress): string {
  // 100 % only when nothing is missing.
  return `${Math.floor(share(progress) * 100)} %`;
}

function leftText({ seconds_left: seconds, finished, experiment }: Progress): string | null {
  if (finished >= experiment.total_runs) {
    const { state, counts } = experiment;
    return hasEnded(experiment) || (state === "running" && counts.done < finished) ? null : "deciding";
  }
  return seconds === null ? null : `${duration(seconds < 60 ? Math.ceil(seconds) : seconds)} left`;
}

const barWidth = 24;

function drawBar(part: number, { unicode, style }: ProgressTerminal): string {
  const filled = Math.max(0, Math.min(barWidth, Math.floor(part * barWidth)));
  if (!unicode) return `[${"#".repeat(filled)}${"-".repeat(barWidth - filled)}]`;
  return style.green("━".repeat(filled)) + style.dim("─".repeat(barWidth - filled));
}

/** What was done, in one line: `60 runs in 42 s`. */
export function finishedText({ experiment, finished, elapsed, shared }: Progress): string {
  const before = shared === 0 ? "" : `, ${integer(shared)} of them done before`;
  const part = finished < experiment.total_runs ? `${integer(finished)} of ` : "";
  return `${part}${plural(experiment.total_runs, "run")} in ${duration(elapsed)}${before}`;
}
