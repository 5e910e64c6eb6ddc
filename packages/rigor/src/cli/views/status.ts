import type { ExperimentSummary } from "../../api/contract/views/experiments.ts";
import type { HostView } from "../../api/contract/views/computes.ts";
import type { DoctorCheck, StatusView } from "../../api/contract/views/daemon.ts";
import { ago, bytes, number, plural } from "../output/format.ts";
import { table } from "../output/table.ts";
import type { Style } from "../output/terminal.ts";
import { gpuText, usedText } from "./compute.ts";
import { experimentTable } from "./experiment.ts";
import { holdLines } from "./hold.ts";
import type { Look } from "./results.ts";
import { closedText } from "./progress.ts";
import { countsText, roomLines } from "./words.ts";

/** What the lab does now. */
export function statusLines(status: StatusView, look: Look): string[] {
  const { style, now } = look;
  const waiting = status.experiments.filter(isHeld);
  const experiments =
    status.experiments.length === 0
      ? ["No experiment yet. `rigor init` writes a first one, `rigor run FILE` runs it."]
      : experimentTable(status.experiments.map(withoutReason), look);
  return [
    `${style.bold(`Rigor ${status.version}`)}  ${status.address}  pid ${status.pid}, started ${ago(status.started_at, now)}`,
    `${countsText(status.counts, style)}; data in ${status.data_directory}`,
    ...boardLines(status, style),
    "",
    ...experiments,
    ...waiting.flatMap(({ reference, hold }) =>
      hold === null ? [] : ["", style.bold(reference), ...holdLines(hold, look).map((line) => `  ${line}`)],
    ),
    "",
    ...hostTable(status.hosts, look),
    ...roomLines(status.waits_for, style),
    ...status.closed.map((one) => style.yellow(closedText(one))),
    ...(status.daemons.length === 0 ? [] : ["", ...daemonTable(status.daemons, look)]),
  ];
}

/** Why one is held stands in full below the table, and only there. */
const withoutReason = (experiment: ExperimentSummary): ExperimentSummary =>
  isHeld(experiment) ? { ...experiment, hold: null } : experiment;

const isHeld = ({ hold, state }: ExperimentSummary): boolean => hold !== null && state === "held";

function daemonTable(daemons: StatusView["daemons"], { style, columns: width }: Look): string[] {
  return table({
    columns: [{ title: "daemon" }, { title: "pid", align: "right" }, { title: "drives" }],
    rows: daemons.map(({ host, pid, is_this, machines, experiments, issues }) => [
      is_this ? `${host} (this one)` : host,
      String(pid),
      [
        ...machines,
        ...(experiments === 0 ? [] : [plural(experiments, "experiment")]),
        ...(issues === 0 ? [] : [plural(issues, "issue")]),
      ].join(", "),
    ]),
    width,
    header: style.dim,
  });
}

/** What waits for a person comes first: nothing else on the board does. */
function boardLines({ board: { issues, investigations, agents, waiting } }: StatusView, style: Style): string[] {
  if (issues + investigations === 0) return [];
  const waits =
    waiting === 0 ? "nothing waits for you" : style.yellow(`${number(waiting)} waiting for you: rigor inbox`);
  const open = [
    ...(issues === 0 ? [] : [plural(issues, "open issue")]),
    ...(investigations === 0 ? [] : [plural(investigations, "investigation")]),
  ];
  return [`${open.join(", ")}, ${plural(agents, "agent")} at work, ${waits}`];
}

function hostTable(hosts: readonly HostView[], { style, columns: width }: Look): string[] {
  return table({
    columns: [
      { title: "machine" },
      { title: "cpus used", align: "right" },
      { title: "memory used", align: "right" },
      { title: "gpus" },
    ],
    rows: hosts.map((host) => [
      host.name === host.kind ? host.name : `${host.name} (${host.kind})`,
      usedText(host.cpus_used, null, host.cpus, number),
      usedText(host.memory_used, null, host.memory, bytes),
      gpusText(host.gpus),
    ]),
    width,
    header: style.dim,
  });
}

const gpusText = (gpus: HostView["gpus"]): string => (gpus.length === 0 ? "none" : gpus.map(gpuText).join("; "));

/** One line per check, and how to mend what is missing. */
export function doctorLines(checks: readonly DoctorCheck[], style: Style): string[] {
  const word = ({ ok, required }: DoctorCheck) => (ok ? "ok" : required ? "missing" : "optional");
  const paint = ({ ok, required }: DoctorCheck) => (ok ? style.green : required ? style.red : style.yellow);
  const lines = table({
    columns: [{ title: "" }, { title: "" }, { title: "" }],
    rows: checks.map((check) => [word(check), check.name, check.found]),
    paint: (text, row, column) => {
      const check = checks[row];
      return column === 0 && check !== undefined ? paint(check)(text) : text;
    },
  });
  return checks.flatMap((check, index) => [
    lines[index] ?? "",
    ...(check.ok || check.remedy === null ? [] : check.remedy.split("\n").map((line) => `          ${line}`)),
  ]);
}
