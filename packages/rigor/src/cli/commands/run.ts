import type { Client } from "../../api/contract/contract.ts";
import type { ExperimentSummary } from "../../api/contract/views/experiments.ts";
import { DaemonStoppedError, type Lab } from "../daemon/connection.ts";
import type { Context } from "../context.ts";
import { detached, experimentExit, hasEnded } from "../output/exit-status.ts";
import type { Invocation } from "../invocation.ts";
import { lookOf } from "../views/look.ts";
import { quoted } from "../output/shell.ts";
import { escapeControls, pad, printable, textWidth } from "../output/text.ts";
import { planSummary } from "../views/plan.ts";
import { finishedText } from "../views/progress.ts";
import { resultsLines } from "../views/results.ts";
import { experimentReference } from "../views/words.ts";
import { watch } from "../steps/watch.ts";
import { startInput } from "../steps/start-input.ts";

type Started = Omit<Awaited<ReturnType<Client["experiments"]["start"]>>, "plan">;

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const input = startInput(context, invocation);
  const interruption = onInterrupt(context, invocation.required(0));
  try {
    const lab = await context.lab();
    const { plan, ...started } = await lab.client.experiments.start(input);
    interruption.started(started.experiment);
    if (!context.json) {
      await context.lines(planSummary(printable(plan), context.terminal.style));
      context.note(startedLine(printable(started)));
    }
    if (invocation.flag("detach")) return await leave(context, started, plan.to_do);
    return await follow(context, lab, started, context.json ? [] : plan.notes);
  } catch (error) {
    if (!(error instanceof DaemonStoppedError)) throw error;
    return interruption.daemonStopped();
  } finally {
    interruption.stop();
  }
}

function startedLine({ message, experiment: { reference } }: Started): string {
  return message.includes(reference) ? message : `${reference}: ${message}`;
}

async function leave(context: Context, started: Started, toDo: number): Promise<number> {
  const name = experimentReference(started.experiment);
  await context.answer(started, () => [
    toDo === 0
      ? `Nothing is left to run. \`rigor results ${name}\` shows what was measured.`
      : `It runs on its own now. \`rigor status\` shows how far it is, \`rigor results ${name}\` what is measured.`,
  ]);
  return 0;
}

/** @param told notes that need not be said again */
async function follow(context: Context, lab: Lab, started: Started, told: readonly string[]): Promise<number> {
  const { id } = started.experiment;
  const alreadyEnded = hasEnded(started.experiment);
  const progress = alreadyEnded ? null : await watch(context, lab, id);
  const results = await lab.client.experiments.results({ reference: id });
  if (progress !== null && !context.json) context.note(finishedText(progress));
  const look = lookOf(context);
  const said = new Set(printable(told));
  await context.answer({ ...started, experiment: results.experiment, results }, (safe) => [
    "",
    ...resultsLines({ ...safe.results, notes: safe.results.notes.filter((note) => !said.has(note)) }, look),
  ]);
  return experimentExit(results.experiment);
}

interface Interruption {
  started(experiment: ExperimentSummary): void;
  /** Says that nothing is watched any more; the exit status. */
  daemonStopped(): number;
  stop(): void;
}

/** Ctrl-C, or the end of the daemon, leaves the runs going, and says how to come back. */
function onInterrupt(context: Context, file: string): Interruption {
  let experiment: ExperimentSummary | null = null;
  const say = (why: Why): number => {
    if (context.errorTerminal.interactive) process.stderr.write("\r\u001b[K");
    for (const line of interruptLines(experiment, file, why)) context.note(line);
    return detached;
  };
  const interrupt = (): never => process.exit(say("interrupted"));
  process.on("SIGINT", interrupt);
  return {
    started: (found) => (experiment = found),
    daemonStopped: () => say("daemon-stopped"),
    stop: () => process.off("SIGINT", interrupt),
  };
}

/** What is said when watching ends before the experiment, by its cause. */
const leaving = {
  interrupted: {
    cause: "Interrupted",
    left: (name: string) => `No longer watching ${name}; its runs go on.`,
    run: "come back to it",
    status: "see how far it is",
  },
  "daemon-stopped": {
    cause: "The daemon was stopped",
    left: (name: string) => `The daemon was stopped. Runs of ${name} that are under way go on, and no other starts.`,
    run: "start the daemon again, and come back to it",
    status: "start the daemon again, and see how far it is",
  },
};
type Why = keyof typeof leaving;

export function interruptLines(
  experiment: Pick<ExperimentSummary, "name" | "reference" | "state"> | null,
  file: string,
  why: Why,
): string[] {
  const { cause, left, run, status } = leaving[why];
  if (experiment === null) return [`${cause} while it was being started; \`rigor status\` shows whether it was.`];
  const name = escapeControls(experimentReference(experiment));
  const ways = [
    [`rigor run ${quoted(file)}`, run],
    ["rigor status", status],
    [`rigor cancel ${name}`, "stop its runs"],
  ] as const;
  const width = Math.max(...ways.map(([command]) => textWidth(command)));
  return [left(name), ...ways.map(([command, explanation]) => `  ${pad(command, width)}   ${explanation}`)];
}
