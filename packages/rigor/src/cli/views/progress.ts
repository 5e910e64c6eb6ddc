import type { Progress } from "../../api/contract/views/experiments.ts";
import type { ClosedCompute } from "../../api/contract/views/computes.ts";
import { hasEnded } from "../output/exit-status.ts";
import { duration, integer, moment, plural, rate } from "../output/format.ts";
import type { Terminal } from "../output/terminal.ts";
import { textWidth } from "../output/text.ts";
import { waitTexts } from "./words.ts";

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
  const active = activeText(progress);
  const stage = experiment.stage.of > 1 ? experiment.stage.name : null;
  const waiting = waitTexts(experiment, now).join("  ") || null;
  const closed = closedTexts(progress).join("  ") || null;
  const lack = progress.waits_for;
  const bar = drawBar(share(progress), terminal);

  const room = terminal.columns - 1;
  const layouts: (string | null)[][] = [
    [stage, bar, done, percent(progress), speed, left, active, waiting, wrong, closed, lack],
    [bar, done, percent(progress), speed, left, active, waiting, wrong, closed, lack],
    ...(lack === null ? [] : [[done, active, wrong, lack]]),
    ...(waiting === null
      ? []
      : [
          [done, left, active, waiting, wrong, closed],
          [done, waiting, wrong],
        ]),
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
    activeText(progress),
    ...waitTexts(progress.experiment, now),
    bad === 0 ? null : `${integer(bad)} failed`,
    ...closedTexts(progress),
    progress.waits_for,
  ];
  return parts.filter((part) => part !== null).join(", ");
}

/** `4 active (1 collecting)`: the job of that one has ended, and what it left is being hashed. */
function activeText({ active, experiment }: Progress): string {
  const collecting = active.filter((run) => run.collecting).length;
  return `${integer(experiment.counts.active)} active${collecting === 0 ? "" : ` (${integer(collecting)} collecting)`}`;
}

/** Names computes on which nothing starts now, and how that is. */
function closedTexts({ closed }: Pick<Progress, "closed">): string[] {
  const named = (state: ClosedCompute["state"]) =>
    closed.flatMap((one) => (one.state === state ? one.compute : [])).join(", ");
  return [
    ["no answer from ", named("no-answer")],
    ["failing: ", named("failing")],
    ["no room on ", named("full")],
    ["trying ", named("tried")],
    ["at rest: ", named("resting")],
    ["drained: ", named("drained")],
  ].flatMap(([words = "", names = ""]) => (names === "" ? [] : `${words}${names}`));
}

/** `other rests until 2026-07-28 12:00:05 UTC: no power` */
export function closedText({ compute, state, message, since, until }: ClosedCompute): string {
  const why = message === null ? "" : `: ${message}`;
  switch (state) {
    case "no-answer":
      return `${compute} has not answered since ${moment(since ?? "")}${why}`;
    case "failing":
      return `${compute} cannot be used since ${moment(since ?? "")}${why}`;
    case "full":
      return `nothing starts on ${compute}${why}`;
    case "resting":
      return `${compute} rests${until === null ? "" : ` until ${moment(until)}`}${why}`;
    case "drained":
      return `${compute} is drained${why}`;
    default:
      return `${compute} is tried before its first run${why}`;
  }
}

/** The same as a sentence, and what can be done. */
export const closedSentence = (one: ClosedCompute): string =>
  [closedText(one).replace(/\.?$/, "."), one.next].filter((part) => part !== null).join(" ");

/** `preparing: npm ci for 12 s, log: FILE` */
function preparingText({ what, since, log_file: log }: NonNullable<Progress["preparing"]>, now: number): string {
  const elapsed = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  const time = elapsed === 0 ? "" : `, for ${duration(elapsed)}`;
  return `preparing: ${what}${time}${log === null ? "" : `, log: ${log}`}`;
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
