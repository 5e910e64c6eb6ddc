import type { ExperimentSummary, Progress } from "../../api/contract/views/experiments.ts";
import { ago, moment, plural } from "../output/format.ts";
import { facts, table } from "../output/table.ts";
import type { Look } from "./results.ts";
import { holdLines } from "./hold.ts";
import { closedSentence } from "./progress.ts";
import { countsText, experimentReference, experimentState, paintState, waitTexts } from "./words.ts";
import { plainStyle } from "../output/terminal.ts";

/** One line per experiment. */
export function experimentTable(experiments: readonly ExperimentSummary[], { style, columns, now }: Look): string[] {
  return table({
    columns: [
      { title: "experiment" },
      { title: "state" },
      { title: "done", align: "right" },
      { title: "started" },
      { title: "runs, or why it waits" },
    ],
    rows: experiments.map((experiment) => [
      experiment.reference,
      experimentState(experiment),
      `${experiment.counts.done}/${experiment.total_runs}`,
      ago(experiment.created_at, now),
      experiment.hold?.reason ?? [countsText(experiment.counts, plainStyle), ...waitTexts(experiment, now)].join(", "),
    ]),
    width: columns,
    header: style.dim,
    paint: (text, row, column) => {
      const experiment = experiments[row];
      return column === 1 && experiment !== undefined ? paintState(style, experimentState(experiment))(text) : text;
    },
  });
}

/** All of one experiment but its results. */
export function experimentLines(
  { experiment, definition }: { experiment: ExperimentSummary; definition: unknown },
  { preparing, waits_for: lacking, closed }: Progress,
  look: Look,
): string[] {
  const { style } = look;
  const { stage } = experiment;
  const state = experimentState(experiment);
  const name = experimentReference(experiment);
  return [
    `${style.bold(experiment.reference)}  ${paintState(style, state)(state)}`,
    ...facts(
      [
        ["question", experiment.question],
        ["hypothesis", textMember(definition, "hypothesis")],
        ["runs", `${plural(experiment.total_runs, "run")}: ${countsText(experiment.counts, style)}`],
        ["waiting", waitTexts(experiment, look.now).join("\n")],
        ["preparing", preparing === null ? null : preparing.what],
        ["lacking", lacking],
        ["closed", experiment.state === "running" ? closed.map(closedSentence).join("\n") : null],
        ["stage", stage.of > 1 ? `${stage.name} (${stage.index + 1} of ${stage.of})` : null],
        ["started", `${moment(experiment.created_at)} (${ago(experiment.created_at, look.now)})`],
        ["decided", experiment.decided_at === null ? null : moment(experiment.decided_at)],
        ["file", experiment.file],
        ["repository", experiment.repository],
        ["commit", experiment.commit],
        ["plan hash", experiment.plan_hash],
        ["id", experiment.id],
      ],
      style.dim,
    ),
    ...(experiment.hold === null ? [] : ["", ...holdLines(experiment.hold, look)]),
    "",
    ...facts(
      [
        ["results", `rigor results ${name}`],
        ["runs", `rigor list ${name}`],
        ["definition", `rigor show ${experiment.reference} --json`],
      ],
      style.dim,
    ),
  ];
}

function textMember(value: unknown, name: string): string | null {
  if (typeof value !== "object" || value === null) return null;
  const member = (value as Record<string, unknown>)[name];
  return typeof member === "string" ? member : null;
}
