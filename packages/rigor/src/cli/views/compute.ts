import type { ComputeView, Finding } from "../../api/contract/views.ts";
import { ago, bytes, moment, number } from "../format.ts";
import { facts, table } from "../table.ts";
import type { Style } from "../terminal.ts";
import type { Look } from "./results.ts";

/** Machines and clusters, a line each. */
export function computeLines(computes: readonly ComputeView[], { style, columns: width }: Look): string[] {
  return table({
    columns: [
      { title: "name" },
      { title: "kind" },
      { title: "host" },
      { title: "jobs", align: "right" },
      { title: "state" },
    ],
    rows: computes.map((one) => [one.name, one.kind, one.host, jobsText(one), stateText(one)]),
    width,
    header: style.dim,
  });
}

const jobsText = ({ jobs, max_jobs: most }: ComputeView): string =>
  most === null ? number(jobs) : `${number(jobs)} of ${number(most)}`;

/** What keeps runs from starting there; `available` when nothing does. */
function stateText({ state, reason, until, trouble, problems }: ComputeView): string {
  if (trouble !== null) return `no answer since ${moment(trouble.since)}: ${trouble.message}`;
  if (state === "resting") return `resting${until === null ? "" : ` until ${moment(until)}`}: ${reason ?? ""}`;
  if (state === "drained") return `drained: ${reason ?? ""}`;
  const [problem] = problems;
  return problem === undefined ? state : `${problem.check}: ${problem.found}`;
}

/** One compute in full. */
export function computeFacts(one: ComputeView, look: Look): string[] {
  const { style, now } = look;
  const { capacity } = one;
  return [
    style.bold(one.name),
    ...facts(
      [
        ["kind", one.kind],
        ["host", one.host],
        ["state", stateText(one)],
        ["jobs", jobsText(one)],
        ["machine", capacity?.name ?? null],
        ["cpus used", capacity === null ? null : `${number(capacity.cpus_used)} of ${number(capacity.cpus)}`],
        ["memory used", capacity === null ? null : `${bytes(capacity.memory_used)} of ${bytes(capacity.memory)}`],
        ["gpus", capacity === null || capacity.gpus.length === 0 ? null : capacity.gpus.map(gpuText).join("\n")],
        ["checked", one.checked_at === null ? "never" : ago(one.checked_at, now)],
        [
          "to mend",
          one.problems.map(({ check, found, remedy }) => `${check}: ${found}. ${remedy ?? ""}`.trim()).join("\n"),
        ],
        ["next", one.trouble?.next ?? null],
        ["id", one.id],
      ],
      style.dim,
    ),
  ];
}

function gpuText({
  index,
  name,
  memory,
  memory_free: free,
  held_by: holder,
}: NonNullable<ComputeView["capacity"]>["gpus"][number]): string {
  return `${index}: ${name}, ${holder === null ? "free" : `held by ${holder}`}, ${bytes(memory - free)} of ${bytes(memory)}`;
}

/** What a check found, a line each, and how to mend it. */
export function findingLines(name: string, findings: readonly Finding[], { style }: { style: Style }): string[] {
  const lines = table({
    columns: [{ title: "" }, { title: "" }, { title: "" }],
    rows: findings.map(({ ok, check, found }) => [ok ? "ok" : "wrong", check, found]),
    paint: (text, row, column) => {
      const finding = findings[row];
      return column === 0 && finding !== undefined ? (finding.ok ? style.green : style.red)(text) : text;
    },
  });
  return [
    style.bold(name),
    ...findings.flatMap(({ ok, remedy }, index) => [
      `  ${lines[index] ?? ""}`,
      ...(ok || remedy === null ? [] : [`         ${remedy}`]),
    ]),
  ];
}
