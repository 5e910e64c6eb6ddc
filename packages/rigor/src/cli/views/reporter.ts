import type { ClosedCompute } from "../../api/contract/views/computes.ts";
import type { Progress } from "../../api/contract/views/experiments.ts";
import type { RunSummary } from "../../api/contract/views/runs.ts";
import { gridText, shortId } from "../output/format.ts";
import { LiveLine, type Terminal } from "../output/terminal.ts";
import { oneLine } from "../output/text.ts";
import { closedSentence, lineText, liveText, share } from "./progress.ts";
import { whyText } from "./words.ts";

/** Shows progress while an experiment runs. */
export interface Reporter {
  progress(progress: Progress, now: number): void;
  failed(run: RunSummary): void;
  /** Other text is about to be written. */
  interrupt(): void;
  end(): void;
}

/** One line that is drawn again on a terminal; elsewhere lines that stay, few enough for a log. */
export function createReporter(terminal: Terminal, note: (line: string) => void): Reporter {
  if (!terminal.interactive) {
    const stages = stageLines(note);
    const closed = closedLines(note);
    const lines = plainLines(note);
    return {
      progress(progress, now) {
        stages(progress);
        closed(progress);
        lines(progress, now);
      },
      failed: (run) => note(failureLine(run)),
      interrupt: () => undefined,
      end: () => undefined,
    };
  }
  const columns = () => process.stderr.columns || terminal.columns;
  const live = new LiveLine((text) => process.stderr.write(text), columns);
  const above = (line: string) => {
    live.clear();
    note(line);
  };
  const stages = stageLines(above);
  const closed = closedLines(above);
  return {
    progress(progress, now) {
      stages(progress);
      closed(progress);
      live.draw(liveText(progress, { ...terminal, columns: columns() }, now));
    },
    failed: (run) => above(terminal.style.red(failureLine(run))),
    interrupt: () => live.clear(),
    end: () => live.clear(),
  };
}

/** `failed: kneser-ney, news, seed 3: out-of-memory-host: ... (rigor show 3f9c2a71d0)` */
export function failureLine({ state, arm, task, grid, seed, reason, id }: RunSummary): string {
  const values = Object.keys(grid).length === 0 ? "" : `, ${gridText(grid)}`;
  const why = reason === null ? "" : `: ${whyText(reason)}`;
  return oneLine(`${state}: ${arm}, ${task}${values}, seed ${seed}${why} (rigor show ${shortId(id)})`);
}

/** Each stage that starts is said once, where there are several. */
function stageLines(note: (line: string) => void): (progress: Progress) => void {
  let last = -1;
  return ({ experiment: { stage } }) => {
    if (stage.of < 2 || stage.index === last) return;
    last = stage.index;
    note(`stage ${stage.index + 1} of ${stage.of}: ${stage.name}`);
  };
}

/** Why nothing starts on a compute is said once, as long as it is so. */
export function closedLines(note: (line: string) => void): (progress: Progress) => void {
  let said = new Set<string>();
  return ({ closed }) => {
    const reasons = closed.filter(({ state }) => state !== "tried").map((one) => ({ key: reasonKey(one), one }));
    for (const { key, one } of reasons) if (!said.has(key)) note(oneLine(closedSentence(one)));
    said = new Set(reasons.map(({ key }) => key));
  };
}

/** How much is free on a full disk changes all the time. */
const reasonKey = (one: ClosedCompute): string =>
  one.state === "full" ? closedSentence(one).replaceAll(/\d+ MB/g, "") : closedSentence(one);

const plainEveryMs = 5_000;
const plainEveryShare = 0.1;

/** At most a line every five seconds or tenth of the runs, and only when something changed. */
export function plainLines(note: (line: string) => void): (progress: Progress, now: number) => void {
  let lastTime = Number.NEGATIVE_INFINITY;
  let lastShare = 0;
  let lastText = "";
  return (progress, now) => {
    const text = lineText(progress, now);
    const part = share(progress);
    const due =
      now - lastTime >= plainEveryMs || Math.floor(part / plainEveryShare) > Math.floor(lastShare / plainEveryShare);
    if (!due || text === lastText) return;
    lastTime = now;
    lastShare = part;
    lastText = text;
    note(text);
  };
}
