import type { Client } from "../../api/contract/contract.ts";
import type { ExperimentSummary } from "../../api/contract/views.ts";
import type { Lab } from "../connection.ts";
import type { Context } from "../context.ts";
import { detached, experimentExit, hasEnded } from "../exit-status.ts";
import type { Invocation } from "../invocation.ts";
import { lookOf } from "../look.ts";
import { quoted } from "../shell.ts";
import { escapeControls, pad, printable, textWidth } from "../text.ts";
import { planSummary } from "../views/plan.ts";
import { finishedText } from "../views/progress.ts";
import { resultsLines } from "../views/results.ts";
import { experimentReference } from "../views/words.ts";
import { watch } from "../watch.ts";
import { startInput } from "../start-input.ts";

type Started = Awaited<ReturnType<Client["experiments"]["start"]>>;

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const input = startInput(context, invocation);
  const interruption = onInterrupt(context, invocation.required(0));
  try {
    const lab = await context.lab();
    if (!context.json) {
      const plan = printable(await lab.client.experiments.plan(input));
      await context.lines(planSummary(plan, context.terminal.style));
    }
    const started = await lab.client.experiments.start(input);
    interruption.started(started.experiment);
    if (!context.json) context.note(startedLine(printable(started)));
    if (invocation.flag("detach")) return await leave(context, started);
    return await follow(context, lab, started);
  } finally {
    interruption.stop();
  }
}

function startedLine({ message, experiment: { reference } }: Started): string {
  return message.includes(reference) ? message : `${reference}: ${message}`;
}

async function leave(context: Context, started: Started): Promise<number> {
  const name = experimentReference(started.experiment);
  await context.answer(started, () => [
    `It runs on its own now. \`rigor status\` shows how far it is, \`rigor results ${name}\` what is measured.`,
  ]);
  return 0;
}

async function follow(context: Context, lab: Lab, started: Started): Promise<number> {
  const { id } = started.experiment;
  const alreadyEnded = hasEnded(started.experiment);
  const progress = alreadyEnded ? null : await watch(context, lab, id);
  const results = await lab.client.experiments.results({ reference: id });
  if (progress !== null && !context.json) context.note(finishedText(progress));
  const look = lookOf(context);
  await context.answer({ ...started, experiment: results.experiment, results }, (safe) => [
    "",
    ...resultsLines(safe.results, look),
  ]);
  return experimentExit(results.experiment);
}

/** Ctrl-C leaves the runs going, and says how to come back. */
function onInterrupt(context: Context, file: string): { started(experiment: ExperimentSummary): void; stop(): void } {
  let experiment: ExperimentSummary | null = null;
  const interrupt = (): void => {
    if (context.errorTerminal.interactive) process.stderr.write("\r\u001b[K");
    for (const line of interruptLines(experiment, file)) context.note(line);
    process.exit(detached);
  };
  process.on("SIGINT", interrupt);
  return {
    started: (found) => (experiment = found),
    stop: () => process.off("SIGINT", interrupt),
  };
}

/** What Ctrl-C says. */
export function interruptLines(
  experiment: Pick<ExperimentSummary, "name" | "reference" | "state"> | null,
  file: string,
): string[] {
  if (experiment === null) return ["Interrupted while it was being started; `rigor status` shows whether it was."];
  const name = escapeControls(experimentReference(experiment));
  const ways = [
    [`rigor run ${quoted(file)}`, "come back to it"],
    ["rigor status", "see how far it is"],
    [`rigor cancel ${name}`, "stop its runs"],
  ] as const;
  const width = Math.max(...ways.map(([command]) => textWidth(command)));
  return [
    `No longer watching ${name}; its runs go on.`,
    ...ways.map(([command, explanation]) => `  ${pad(command, width)}   ${explanation}`),
  ];
}
