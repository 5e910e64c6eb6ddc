import type { PlanView } from "../../api/contract/views/plan.ts";
import { bytes, duration, number, parameterText, plural, seedsText, shortId } from "../output/format.ts";
import { facts } from "../output/table.ts";
import type { Style } from "../output/terminal.ts";

/** `60 runs = 4 arms x 3 tasks x 5 seeds` */
function gridLine(plan: PlanView): string {
  return `${plural(plan.total_runs, "run")} = ${factorsText(plan)}`;
}

function factorsText(plan: PlanView): string {
  const values = Object.entries(plan.grid).map(([name, { length }]) => `${length} ${name}`);
  const factors = [
    plural(plan.arms.length, "arm"),
    plural(plan.tasks.length, "task"),
    ...values,
    plural(plan.seeds.length, "seed"),
  ];
  return factors.join(" x ");
}

/** `12 done already, 48 to do` */
function doneLine({ done, failed, to_do: toDo }: PlanView): string {
  const parts = [done > 0 ? `${done} done already` : null, failed > 0 ? `${failed} failed` : null, `${toDo} to do`];
  return parts.filter((part) => part !== null).join(", ");
}

/** Which commit runs, and what was not committed by hand. */
function codeLine({ commit, dirty, changed_files: files }: PlanView): string {
  if (!dirty) return `commit ${shortId(commit)}`;
  const named = files.slice(0, 3).join(", ");
  const rest = files.length > 3 ? ` and ${files.length - 3} more` : "";
  return `commit ${shortId(commit)}, a snapshot with ${plural(files.length, "changed file")}: ${named}${rest}`;
}

function stagesText({ stages }: PlanView): string | null {
  if (stages.length < 2) return null;
  return stages.map(({ name, runs, to_do: toDo }) => `${name} (${plural(runs, "run")}, ${toDo} to do)`).join(", then ");
}

/** `probe waits for pretrain: 3 runs, 1 ready` */
function needsText({ needs }: PlanView): string {
  return needs
    .map(({ arm, from, runs, ready }) => `${arm} waits for ${from}: ${plural(runs, "run")}, ${ready} ready`)
    .join("\n");
}

/** What `rigor run` says before it starts. */
export function planSummary(plan: PlanView, style: Style): string[] {
  const nothingToDo = plan.total_runs > 0 && plan.done === plan.total_runs;
  return [
    nothingToDo
      ? `${style.bold(plan.name)}: all ${plural(plan.total_runs, "run")} are done already (${factorsText(plan)})`
      : `${style.bold(plan.name)}: ${gridLine(plan)}; ${doneLine(plan)}`,
    ...facts(
      [
        ["stages", nothingToDo ? null : stagesText(plan)],
        ["code", codeLine(plan)],
        ["estimate", nothingToDo || plan.estimate.seconds === null ? null : estimateText(plan)],
        ["note", plan.notes.join("\n")],
      ],
      style.dim,
    ),
  ];
}

/** All of a plan. */
export function planLines(plan: PlanView, style: Style): string[] {
  const { environment, budget, existing } = plan;
  const limits = [
    budget.gpu_hours === null ? null : `${number(budget.gpu_hours)} GPU hours`,
    budget.wall === null ? null : duration(budget.wall),
  ].filter((limit) => limit !== null);
  const grid = Object.entries(plan.grid).map(([name, values]) => `${name}: ${values.map(parameterText).join(", ")}`);
  return [
    `${style.bold(plan.name)}: ${gridLine(plan)}; ${doneLine(plan)}`,
    "",
    ...facts(
      [
        ["arms", plan.arms.join(", ")],
        ["tasks", plan.tasks.join(", ")],
        ["grid", grid.join("\n")],
        ["seeds", seedsText(plan.seeds)],
        ["stages", stagesText(plan)],
        ["needs", needsText(plan)],
        ["command", plan.command],
        ["code", codeLine(plan)],
        ["environment", environmentText(environment)],
        ["compute", plan.compute.map(({ name, host, fits }) => `${name} on ${host}: ${fits}`).join("\n")],
        ["memory", memoryText("memory", plan.memory)],
        ["gpu memory", plan.gpu_memory === null ? null : memoryText("gpu_memory", plan.gpu_memory)],
        ["estimate", estimateText(plan)],
        ["budget", limits.length === 0 ? "no limit" : limits.join(", ")],
        ["note", plan.notes.join("\n")],
        ["before", existing === null ? "never started" : `${existing.reference} is ${existing.state}: ${existing.why}`],
        ["file", plan.file],
        ["plan hash", plan.plan_hash],
      ],
      style.dim,
    ),
  ];
}

function environmentText({ manager, lock, built }: PlanView["environment"]): string {
  if (manager === "none") return "none: what the machine has";
  return `${manager}${lock === null ? "" : ` from ${lock}`}, ${built ? "built already" : "built before the first run"}`;
}

/** `runs used up to 21 GB; set `resources.gpu_memory: 21.4GB`` */
function memoryText(key: string, { asked, seen, proposed }: PlanView["memory"]): string | null {
  if (seen === null) return asked === null ? null : `${bytes(asked)} are asked for`;
  const used = `earlier runs used up to ${bytes(seen)}`;
  if (proposed === null) return `${bytes(asked ?? 0)} are asked for; ${used}`;
  const isAsked = asked === null ? "nothing is asked for" : `only ${bytes(asked)} are asked for`;
  return `${isAsked}; ${used}: \`${key}: ${sizeText(proposed)}\` in \`resources\` would be enough`;
}

/** As an experiment file takes it. */
const sizeText = (size: number): string => (size >= 1e9 ? `${size / 1e9}GB` : `${size / 1e6}MB`);

function estimateText({ estimate, to_do: toDo }: PlanView): string {
  if (toDo === 0) return "nothing left to do";
  const parallel = `${plural(estimate.at_a_time, "run")} at a time`;
  if (estimate.seconds === null || estimate.seconds_per_run === null)
    return `unknown before the first run; ${parallel}`;
  const gpu =
    estimate.gpu_hours === null || estimate.gpu_hours === 0 ? "" : `, ${number(estimate.gpu_hours, 2)} GPU hours`;
  return `about ${duration(estimate.seconds)}${gpu}: ${parallel}, ${duration(estimate.seconds_per_run)} each (median of earlier runs)`;
}
