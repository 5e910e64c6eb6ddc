import type { AttemptView, RunDetail, RunSummary } from "../../api/contract/views/runs.ts";
import {
  ago,
  bytes,
  duration,
  gridText,
  integer,
  moment,
  number,
  parameterText,
  plural,
  shortId,
} from "../output/format.ts";
import { facts, table } from "../output/table.ts";
import { closedSentence, closedText } from "./progress.ts";
import type { Look } from "./results.ts";
import { paintState, whyText } from "./words.ts";

const mostColumns = 3;
const mostLines = 20;

/**
 * One line per run. Columns that are the same for all runs, or empty, are left out where that loses nothing. Of the metrics,
 * the first declared ones that a run has are shown.
 */
export function runTable(
  runs: readonly RunSummary[],
  declared: readonly string[],
  { style, columns: width }: Look,
): string[] {
  const several = (value: (run: RunSummary) => string) => new Set(runs.map(value)).size > 1;
  const metrics = declared
    .filter((name) => runs.some((run) => run.metrics?.[name] !== undefined))
    .slice(0, mostColumns);
  const all: { title: string; align?: "right"; shown: boolean; text: (run: RunSummary) => string }[] = [
    { title: "run", shown: true, text: ({ id }) => shortId(id) },
    { title: "experiment", shown: several(({ experiment }) => experiment), text: ({ experiment }) => experiment },
    { title: "arm", shown: true, text: ({ arm }) => arm },
    { title: "task", shown: true, text: ({ task }) => task },
    { title: "grid", shown: runs.some(({ grid }) => Object.keys(grid).length > 0), text: ({ grid }) => gridText(grid) },
    { title: "seed", align: "right", shown: true, text: ({ seed }) => String(seed) },
    { title: "state", shown: true, text: stateText },
    {
      title: "time",
      align: "right",
      shown: true,
      text: (run) => (run.duration === null ? "" : duration(run.duration)),
    },
    ...metrics.map((metric) => ({
      title: metric,
      align: "right" as const,
      shown: true,
      text: (run: RunSummary) => metricText(run.metrics, metric),
    })),
    { title: "host", shown: several(({ host }) => host ?? ""), text: ({ host }) => host ?? "" },
    {
      title: "reason",
      shown: runs.some((run) => whyNotText(run) !== ""),
      text: whyNotText,
    },
  ];
  const columns = all.filter(({ shown }) => shown);
  const stateColumn = columns.findIndex(({ title }) => title === "state");
  return table({
    columns,
    rows: runs.map((run) => columns.map(({ text }) => text(run))),
    width,
    header: style.dim,
    paint: (text, row, column) => (column === stateColumn ? paintState(style, runs[row]?.state ?? "")(text) : text),
  });
}

function stateText({ state, stale, attempts, collecting }: RunSummary): string {
  const tries = attempts > 1 ? ` (${plural(attempts, "attempt")})` : "";
  return `${collecting ? "collecting" : state}${stale === true ? ", stale" : ""}${tries}`;
}

function metricText(metrics: RunSummary["metrics"], name: string): string {
  const value = metrics?.[name];
  return value === undefined ? "" : number(value);
}

function reasonText({ reason, collecting }: RunSummary): string {
  if (collecting) return "its job has ended, and what it left is being hashed";
  return reason === null ? "" : whyText(reason);
}

/** Why a run is not done: its end, or what it waits for. */
function whyNotText(run: RunSummary): string {
  if (run.waiting !== null) return waitText(run.waiting);
  if (run.waits_for.length > 0) return `waits for ${run.waits_for.map(awaitedText).join(", ")}`;
  return run.closed.length === 0 ? reasonText(run) : run.closed.map(closedText).join("; ");
}

/** What can be done about what runs wait for, each said once. */
export const closedNotes = (runs: readonly RunSummary[]): string[] => [
  ...new Set(runs.flatMap((run) => (run.waits_for.length > 0 ? [] : run.closed.map(closedSentence)))),
];

/** `pretrain (run 0123456789, active)` */
const awaitedText = ({ folder, run_id, state }: RunSummary["waits_for"][number]): string =>
  `${folder} (run ${shortId(run_id)}, ${state})`;

/** `waiting at marlowe: Priority` */
function waitText({ compute, reason, held }: NonNullable<RunSummary["waiting"]>): string {
  return `${held ? "stuck" : "waiting"} at ${compute}${reason === null ? "" : `: ${reason}`}`;
}

/** All of one run. */
export function runLines(run: RunDetail, look: Look): string[] {
  const { style, now } = look;
  const { source, environment, result } = run;
  const attempt = run.attempt_list.at(-1);
  return [
    `${style.bold(`run ${shortId(run.id)}`)}  ${paintState(style, run.state)(stateText(run))}`,
    ...facts(
      [
        ["why", reasonText(run)],
        [
          "waits",
          run.waiting === null
            ? closedNotes([run]).join("\n")
            : `${waitText(run.waiting)}\nsince ${moment(run.waiting.since)} (${ago(run.waiting.since, now)})`,
        ],
        [
          "place",
          `${run.arm}, ${run.task}${Object.keys(run.grid).length === 0 ? "" : `, ${gridText(run.grid)}`}, seed ${run.seed}`,
        ],
        ["needs", run.needs.map(relatedText).join("\n")],
        ["needed by", run.needed_by.map(relatedText).join("\n")],
        ["experiment", run.shared_by.length > 1 ? `${run.experiment}, shared with ${others(run)}` : run.experiment],
        ["metrics", metricsText(run)],
        ["warnings", (result?.warnings ?? []).join("\n")],
        ["parameters", gridText(run.parameters)],
        ["command", run.command],
        [
          "code",
          `commit ${source.commit}${source.dirty ? ` (a snapshot of changes to ${source.base ?? "an empty branch"})` : ""}`,
        ],
        ["branch", source.branch],
        ["repository", source.repository],
        [
          "environment",
          [environment.manager, environment.lock, environment.lock_hash?.slice(0, 10)].filter(Boolean).join(", "),
        ],
        [
          "inputs",
          Object.entries(run.inputs)
            .map(([name, file]) => `${name}: ${fileText(file)}`)
            .join("\n"),
        ],
        ["artifacts", firstOf((result?.artifacts ?? []).map(fileText), mostLines, run).join("\n")],
        ["not before", run.not_before === null ? null : moment(run.not_before)],
        ["changed", `${moment(run.changed_at)} (${ago(run.changed_at, now)})`],
        ["id", run.id],
      ],
      style.dim,
    ),
    ...attemptLines(run, look),
    "",
    ...facts(
      [
        ["logs", attempt === undefined ? null : `rigor logs ${shortId(run.id)}`],
        ["files", attempt?.directory ?? null],
        ["job", jobText(attempt)],
      ],
      style.dim,
    ),
    // Not indented: a command may have lines of its own.
    ...(run.repeat === "" ? [] : ["", style.bold(byHandTitle(run)), run.repeat]),
  ];
}

/** `4711_3 at cluster`: what to ask the scheduler about. */
function jobText(attempt: AttemptView | undefined): string | null {
  if (attempt === undefined || attempt.job === null) return null;
  return `${attempt.job} at ${attempt.compute}`;
}

const byHandTitle = ({ repeat_on: compute }: RunDetail): string =>
  `By hand, in any shell${compute === null ? "" : ` on ${compute}`}`;

/** `pretrain: run 0123456789 of chain@1, pretrain, seed 1: done (sha256 0123456789)` */
function relatedText({ folder, run_id, experiment, arm, seed, state, sha256 }: RunDetail["needs"][number]): string {
  const content = sha256 === null ? "" : ` (sha256 ${sha256.slice(0, 10)})`;
  return `${folder}: run ${shortId(run_id)} of ${experiment}, ${arm}, seed ${seed}: ${state}${content}`;
}

function others({ shared_by: all, experiment }: RunDetail): string {
  return all.filter((one) => one !== experiment).join(", ");
}

/** All declared metrics, then of the others as many as are read at a glance. */
function metricsText(run: RunDetail): string {
  const values = run.metrics ?? run.result?.metrics ?? {};
  const declared = run.declared_metrics.filter((name) => values[name] !== undefined);
  const known = new Set(declared);
  const names = [...declared, ...Object.keys(values).filter((name) => !known.has(name))];
  const lines = names.map((name) => `${name} = ${parameterText(values[name] ?? null)}`);
  return firstOf(lines, Math.max(mostLines, declared.length), run).join("\n");
}

/** The first lines of many, and where to find the others. */
function firstOf(lines: readonly string[], most: number, { id }: Pick<RunDetail, "id">): string[] {
  if (lines.length <= most) return [...lines];
  return [...lines.slice(0, most), `${integer(lines.length - most)} more: rigor show ${shortId(id)} --json`];
}

function fileText({ path, sha256, size }: { path: string; sha256: string; size: number }): string {
  return `${path} (${bytes(size)}, sha256 ${sha256.slice(0, 10)})`;
}

function attemptLines({ attempt_list: attempts, collecting }: RunDetail, { style, columns: width }: Look): string[] {
  if (attempts.length === 0) return [];
  return [
    "",
    style.bold("Attempts"),
    ...table({
      columns: [
        { title: "", align: "right" },
        { title: "state" },
        { title: "time", align: "right" },
        { title: "host" },
        { title: "gpus" },
        { title: "memory" },
        { title: "exit" },
        { title: "evidence" },
      ],
      rows: attempts.map((attempt) => [
        String(attempt.number),
        collecting && attempt === attempts.at(-1) ? "collecting" : endText(attempt),
        attempt.duration === null ? "" : duration(attempt.duration),
        attempt.host,
        attempt.lease.gpus.join(", "),
        memoryText(attempt),
        exitText(attempt.exit),
        attempt.evidence ?? "",
      ]),
      width: width - 2,
      header: style.dim,
      paint: (text, row, column) => (column === 1 ? paintState(style, attempts[row]?.state ?? "")(text) : text),
    }).map((line) => `  ${line}`),
  ];
}

const endText = ({ state, category }: AttemptView): string => (category === null ? state : `${state}: ${category}`);

/** The most that was seen: of main memory, and of a card. */
function memoryText({ memory_peak: memory, gpu_memory_peak: gpu }: AttemptView): string {
  return [memory === null ? null : bytes(memory), gpu === null ? null : `${bytes(gpu)} of a card`]
    .filter((part) => part !== null)
    .join(", ");
}

function exitText(exit: AttemptView["exit"]): string {
  if (exit === null) return "";
  return exit.signal ?? (exit.code === null ? "" : String(exit.code));
}
