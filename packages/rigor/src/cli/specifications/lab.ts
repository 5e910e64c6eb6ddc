import type { CommandSpecification } from "../specification.ts";
import { experimentWord, groups, messageOption } from "./words.ts";

/** Commands about the lab itself: its daemon, its data, its machine. */
export const labCommands: readonly CommandSpecification[] = [
  {
    name: "up",
    group: groups.lab,
    summary: "start the daemon",
    description: "Other commands do this themselves when it is needed.",
    arguments: [],
    options: [{ flags: "--foreground", description: "Stay, and show its log; for service managers." }],
    examples: [
      ["rigor up", "start it, or say where it runs"],
      ["rigor up --foreground", "under systemd or in a container"],
    ],
    load: () => import("../commands/up.ts"),
  },
  {
    name: "down",
    group: groups.lab,
    summary: "end the daemon; jobs go on",
    description: "Jobs under way go on without it. The next daemon finds them again and collects their results.",
    arguments: [],
    options: [],
    examples: [["rigor down", "before an upgrade, or to rest"]],
    load: () => import("../commands/down.ts"),
  },
  {
    name: "compute",
    group: groups.lab,
    summary: "look after the machines and clusters of rigor.yaml",
    description:
      "list: all of them, with what runs there. check: prove that they can be used, with a job. show: one in full. " +
      "rest: start nothing there for a while. drain: start nothing there until further notice. use: end both. " +
      "Jobs that are there go on in any case.",
    arguments: [
      {
        name: "ACTION",
        description: "what to do; `list` without one",
        required: false,
        names: "text",
        choices: ["list", "check", "show", "rest", "drain", "use"],
      },
      { name: "NAME", description: "as rigor.yaml calls it", required: false, names: "text" },
    ],
    options: [
      { flags: "--for <TIME>", description: "How long it rests; an hour, if it is not given.", value: "duration" },
      { flags: "--wait <TIME>", description: "How long the job of a check may take; 2m.", value: "duration" },
      messageOption,
    ],
    examples: [
      ["rigor compute", "machines and clusters, and what runs there"],
      ["rigor compute check lab1", "does it answer, has it room, does a job come back"],
      ['rigor compute rest lab1 --for 2h -m "a demo"', "leave it to others for a while"],
      ["rigor compute drain marlowe", "before maintenance"],
    ],
    exits: [
      [0, "done; everything that was checked is good"],
      [1, "a check found something that has to be mended"],
    ],
    load: () => import("../commands/compute.ts"),
  },
  {
    name: "doctor",
    group: groups.lab,
    summary: "check the machine, the tools and the data",
    description: "Says what is missing, whether the lab works without it, and how to mend it.",
    arguments: [],
    options: [],
    examples: [["rigor doctor", "first thing when something is odd"]],
    exits: [
      [0, "all that is required is there"],
      [1, "something that is required is missing"],
    ],
    load: () => import("../commands/doctor.ts"),
  },
  {
    name: "backup",
    group: groups.lab,
    summary: "copy the database while it is in use",
    description: "The copy is complete and consistent. Directories of attempts (logs, artifacts) are not part of it.",
    arguments: [{ name: "FILE", description: "the copy; must not exist", required: true, names: "file" }],
    options: [],
    examples: [["rigor backup ~/rigor-backup.db", "while experiments run"]],
    load: () => import("../commands/backup.ts"),
  },
  {
    name: "events",
    group: groups.lab,
    summary: "print events as they happen, one JSON object per line",
    description: "Every fact is an event. --after goes on behind a position seen before, so that none is missed.",
    arguments: [{ ...experimentWord, required: false }],
    options: [
      { flags: "--after <N>", description: "Begin behind this position; 0 is the beginning.", value: "integer" },
    ],
    examples: [
      ["rigor events", "from now on, until Ctrl-C"],
      ["rigor events smoothing --after 0", "all events of an experiment, then those that follow"],
    ],
    load: () => import("../commands/events.ts"),
  },
  {
    name: "completion",
    group: groups.lab,
    summary: "print the completion script of a shell",
    description: "Completes commands, options, experiments and runs. The daemon is asked only if it runs.",
    arguments: [
      {
        name: "SHELL",
        description: "bash, zsh or fish",
        required: true,
        names: "text",
        choices: ["bash", "zsh", "fish"],
      },
    ],
    options: [],
    examples: [
      ['eval "$(rigor completion bash)"', "in ~/.bashrc"],
      ["rigor completion zsh > ~/.zfunc/_rigor", "where fpath has ~/.zfunc before compinit"],
      ["rigor completion fish > ~/.config/fish/completions/rigor.fish", "for fish"],
    ],
    load: () => import("../commands/completion.ts"),
  },
];
