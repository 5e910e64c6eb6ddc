import type { CommandSpecification } from "../specification.ts";
import { groups, messageOption, referenceWord } from "./words.ts";

/** Commands that change what happens to experiments and runs. */
export const steeringCommands: readonly CommandSpecification[] = [
  {
    name: "rerun",
    group: groups.steering,
    summary: "run failed or stale runs, or one run, again",
    description:
      "--failed takes runs that failed or whose result a check refused, with the code they had. --stale takes runs " +
      "whose code has changed since, with the code as it is now. Without REF: in all experiments. A run that is " +
      "named itself runs again whatever its state; its result no longer counts.",
    arguments: [{ ...referenceWord, required: false }],
    options: [
      { flags: "--failed", description: "Failed and invalid runs." },
      { flags: "--stale", description: "Runs whose code is no longer the repository's." },
      messageOption,
    ],
    examples: [
      ["rigor rerun smoothing --failed", "after the cause was removed"],
      ["rigor rerun --stale", "everything that the last change of code touched"],
      ['rigor rerun 3f9c2a71d0 -m "wrong driver"', "one run"],
    ],
    load: () => import("../commands/rerun.ts"),
  },
  {
    name: "cancel",
    group: groups.steering,
    summary: "stop an experiment or a run for good",
    description:
      "Stops what runs and starts nothing more. Results that are recorded stay. Nothing is concluded about a machine " +
      "that does not answer; with --lost, you say that it never will again, and what ran there has ended.",
    arguments: [referenceWord],
    options: [
      { flags: "--lost", description: "Its machine is lost for good: what is under way there ends as lost." },
      messageOption,
    ],
    examples: [
      ["rigor cancel smoothing", "all its runs"],
      ["rigor cancel 3f9c2a71d0", "one run"],
      ['rigor cancel smoothing --lost -m "gpu3 burnt down"', "what will never answer again"],
    ],
    load: () => import("../commands/cancel.ts"),
  },
  {
    name: "hold",
    group: groups.steering,
    summary: "start nothing more until it is released",
    description: "Runs under way go on to their end; no further one is started.",
    arguments: [referenceWord],
    options: [messageOption],
    examples: [
      ['rigor hold smoothing -m "GPUs are needed elsewhere"', "an experiment"],
      ["rigor hold 3f9c2a71d0", "one run"],
    ],
    load: () => import("../commands/hold.ts"),
  },
  {
    name: "release",
    group: groups.steering,
    summary: "let what is held go on",
    description: "`rigor show REF` says why it is held and which of these options help.",
    arguments: [referenceWord],
    options: [
      { flags: "--without-failed", description: "Decide without the runs that failed." },
      { flags: "--gpu-hours <N>", description: "A new limit for the GPU hours of the experiment.", value: "number" },
      { flags: "--wall <TIME>", description: "A new limit for its time, such as 2h or 1h30m.", value: "duration" },
      messageOption,
    ],
    examples: [
      ["rigor release smoothing", "go on"],
      ["rigor release smoothing --without-failed", "the failed runs are lost, decide anyway"],
      ["rigor release smoothing --wall 6h", "it ran out of time"],
    ],
    load: () => import("../commands/release.ts"),
  },
];
