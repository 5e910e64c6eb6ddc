import type { DoctorCheck, HostView, StatusView } from "../../api/contract/views.ts";
import { ago, bytes, number } from "../format.ts";
import { table } from "../table.ts";
import type { Style } from "../terminal.ts";
import { experimentTable } from "./experiment.ts";
import { holdLines } from "./hold.ts";
import type { Look } from "./results.ts";
import { countsText } from "./words.ts";

/** What the lab does now. */
export function statusLines(status: StatusView, look: Look): string[] {
  const { style, now } = look;
  const waiting = status.experiments.filter(({ hold, state }) => hold !== null && state === "held");
  const experiments =
    status.experiments.length === 0
      ? ["No experiment yet. `rigor init` writes a first one, `rigor run FILE` runs it."]
      : experimentTable(status.experiments, look);
  return [
    `${style.bold(`Rigor ${status.version}`)}  ${status.address}  pid ${status.pid}, started ${ago(status.started_at, now)}`,
    `${countsText(status.counts, style)}; data in ${status.data_directory}`,
    "",
    ...experiments,
    ...waiting.flatMap(({ reference, hold }) =>
      hold === null ? [] : ["", style.bold(reference), ...holdLines(hold, look).map((line) => `  ${line}`)],
    ),
    "",
    ...hostTable(status.hosts, look),
  ];
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
      `${number(host.cpus_used)} of ${number(host.cpus)}`,
      `${bytes(host.memory_used)} of ${bytes(host.memory)}`,
      gpusText(host.gpus),
    ]),
    width,
    header: style.dim,
  });
}

function gpusText(gpus: HostView["gpus"]): string {
  if (gpus.length === 0) return "none";
  return gpus
    .map(({ index, name, memory, memory_free: free, held_by: holder }) => {
      const use = holder === null ? "free" : `held by ${holder}`;
      return `${index}: ${name}, ${use}, ${bytes(memory - free)} of ${bytes(memory)}`;
    })
    .join("; ");
}

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
