import type { ComputeView, Finding, HostView } from "../../api/contract/views/computes.ts";
import { ago, bytes, moment, number } from "../output/format.ts";
import { facts, table } from "../output/table.ts";
import type { Style } from "../output/terminal.ts";
import type { Look } from "./results.ts";

/** Machines and clusters, a line each. */
export function computeLines(computes: readonly ComputeView[], { style, columns: width, now }: Look): string[] {
  return table({
    columns: [
      { title: "name" },
      { title: "kind" },
      { title: "host" },
      { title: "jobs", align: "right" },
      { title: "state" },
    ],
    rows: computes.map((one) => [one.name, one.kind, one.host, jobsText(one), stateText(one, now)]),
    width,
    header: style.dim,
  });
}

const jobsText = ({ jobs, max_jobs: most }: ComputeView): string =>
  most === null ? number(jobs) : `${number(jobs)} of ${number(most)}`;

/** What keeps runs from starting there; `available` when nothing does. */
function stateText({ state, reason, until, trouble, lacking, problems }: ComputeView, now: number): string {
  if (trouble !== null) {
    return `${trouble.is_silent ? "no answer" : "failing"} since ${moment(trouble.since)}: ${trouble.message}`;
  }
  if (state === "resting" && until !== null && Date.parse(until) <= now) {
    return `rested until ${moment(until)}: ${reason ?? ""}; tried before its next run`;
  }
  if (state === "resting") return `resting${until === null ? "" : ` until ${moment(until)}`}: ${reason ?? ""}`;
  if (state === "drained") return `drained: ${reason ?? ""}`;
  if (lacking !== null) return lacking;
  const [problem] = problems;
  return problem === undefined ? state : `failed its check (${problem.check}): ${problem.found}`;
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
        ["state", stateText(one, now)],
        ["jobs", jobsText(one)],
        ["calls", one.calls && callsText(one.calls)],
        ["machine", capacity?.name ?? null],
        ["cpus used", capacity && usedText(capacity.cpus_used, one.limits.cpus, capacity.cpus, number)],
        ["memory used", capacity && usedText(capacity.memory_used, one.limits.memory, capacity.memory, bytes)],
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

/** `6 of 6 in the last minute; 40 jobs wait to be submitted` */
function callsText({ per_minute: most, last_minute: made, jobs }: NonNullable<ComputeView["calls"]>): string {
  const waiting = jobs === 0 ? "" : `; ${jobs === 1 ? "1 job waits" : `${number(jobs)} jobs wait`} to be submitted`;
  return `${number(made)} of ${number(most)} in the last minute${waiting}`;
}

/** `3 of 4`; where rigor.yaml allows another number than there is, or more is used, what the machine has is said too. */
export function usedText(used: number, allowed: number | null, has: number, text: (value: number) => string): string {
  const most = allowed ?? has;
  const isPlain = most === has && used <= has;
  return `${text(used)}${used <= most ? ` of ${text(most)}` : ""}${isPlain ? "" : `; the machine has ${text(has)}`}`;
}

/** `1: NVIDIA A100, free, 105 MB of 42 GB`; a card that nobody here holds may be in use all the same. */
export function gpuText(gpu: HostView["gpus"][number]): string {
  const { index, name, memory, memory_free: free, held_by: holder, is_idle: isIdle } = gpu;
  const state = holder === null ? (isIdle ? "free" : "used by others") : `held by ${holder}`;
  return `${index}: ${name}, ${state}, ${bytes(memory - free)} of ${bytes(memory)}`;
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
