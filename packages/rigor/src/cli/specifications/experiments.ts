import type { CommandSpecification } from "../specification.ts";
import {
  computeOption,
  experimentWord,
  fileWord,
  groups,
  maxRunsOption,
  referenceWord,
  runExits,
  runWord,
} from "./words.ts";

/** Commands that make experiments and look at them. */
export const experimentCommands: readonly CommandSpecification[] = [
  {
    name: "init",
    group: groups.experiments,
    summary: "write rigor.yaml and a first experiment into a repository",
    description:
      "Writes a commented rigor.yaml and a small experiment that runs as it is, in Python or for Node. " +
      "Files that exist are never changed, and nothing is installed.",
    arguments: [
      {
        name: "DIR",
        description: "a directory in a git repository; default: this one",
        required: false,
        names: "directory",
      },
    ],
    options: [],
    examples: [
      ["rigor init", "in the repository of this directory"],
      ["rigor init projects/probing", "the experiment goes to projects/probing/experiments/first"],
    ],
    load: () => import("../commands/init.ts"),
  },
  {
    name: "plan",
    group: groups.experiments,
    summary: "show what an experiment file would do, and start nothing",
    description: "Shows the grid, the number of runs, what is done already, an estimate, and where runs would go.",
    arguments: [fileWord],
    options: [maxRunsOption, computeOption],
    examples: [
      ["rigor plan experiment.yaml", "read the file and count"],
      ["rigor plan experiment.yaml --json", "the same for a program"],
    ],
    load: () => import("../commands/plan.ts"),
  },
  {
    name: "run",
    group: groups.experiments,
    summary: "run an experiment file to its decision",
    description:
      "Starts the experiment, or finds it again, and shows progress until it is decided. Uncommitted files are " +
      "snapshotted into a commit of their own; branch, index and files stay as they are. Runs that have a valid " +
      "result are not run again. Ctrl-C stops watching only: the runs go on.",
    arguments: [fileWord],
    options: [{ flags: "-d, --detach", description: "Start it and return at once." }, maxRunsOption, computeOption],
    examples: [
      ["rigor run experiment.yaml", "run it and watch; again: come back to it"],
      ["rigor run experiment.yaml --detach", "start it and return"],
      ["rigor run experiment.yaml --json", "wait, then print results and decision for a program"],
    ],
    exits: runExits,
    load: () => import("../commands/run.ts"),
  },
  {
    name: "status",
    group: groups.experiments,
    summary: "what the lab does now",
    description: "Shows experiments under way or waiting, the newest others, and how busy the machines are.",
    arguments: [],
    options: [],
    examples: [
      ["rigor status", "what runs, and what waits for you"],
      ["watch -c -n 5 rigor status", "again every five seconds"],
    ],
    load: () => import("../commands/status.ts"),
  },
  {
    name: "list",
    group: groups.experiments,
    summary: "list experiments, or runs with an experiment or a filter",
    description:
      "Without an experiment and without a filter: the experiments, newest first. Else: runs. Filters on the state add " +
      "up (`--failed --held`), all others narrow down.",
    arguments: [{ ...experimentWord, required: false }],
    options: [
      { flags: "--failed", description: "Runs whose last attempt failed." },
      { flags: "--stale", description: "Runs whose code is no longer the repository's." },
      { flags: "--active", description: "Runs under way." },
      { flags: "--pending", description: "Runs that wait for a machine." },
      { flags: "--done", description: "Runs with a valid result." },
      { flags: "--held", description: "Runs that wait for a person." },
      { flags: "--invalid", description: "Runs whose result a check refused." },
      { flags: "--cancelled", description: "Runs that were cancelled." },
      { flags: "--arm <NAME>", description: "Runs of this arm.", value: "text", names: "text" },
      { flags: "--task <NAME>", description: "Runs of this task.", value: "text", names: "text" },
      { flags: "--seed <N>", description: "Runs with this seed.", value: "integer" },
      { flags: "--limit <N>", description: "Show at most this many (default: 100).", value: "integer" },
      { flags: "--archived", description: "Experiments that newer versions replaced, too." },
    ],
    examples: [
      ["rigor list", "all experiments"],
      ["rigor list smoothing", "the runs of one"],
      ["rigor list smoothing --failed --invalid", "those that went wrong, with the reason"],
      ["rigor list --stale", "all runs whose code has changed since"],
    ],
    load: () => import("../commands/list.ts"),
  },
  {
    name: "show",
    group: groups.experiments,
    summary: "all that is known of an experiment or a run",
    description: "Of a run: state, parameters, code, environment, inputs, every attempt, and how to repeat it by hand.",
    arguments: [referenceWord],
    options: [],
    examples: [
      ["rigor show smoothing", "question, state, and why it waits"],
      ["rigor show 3f9c2a71d0", "one run"],
      ["rigor show smoothing@2 --json", "an older version, with its whole definition"],
    ],
    load: () => import("../commands/show.ts"),
  },
  {
    name: "logs",
    group: groups.experiments,
    summary: "print what a run wrote",
    description: "Prints the log of a run's last attempt, byte for byte.",
    arguments: [runWord],
    options: [
      { flags: "-f, --follow", description: "Go on until the run ends, also over retries." },
      { flags: "--stderr", description: "What it wrote to stderr instead of stdout." },
      { flags: "--attempt <N>", description: "Another attempt than the last, counted from 1.", value: "integer" },
    ],
    examples: [
      ["rigor logs 3f9c2a71d0", "stdout of the last attempt"],
      ["rigor logs 3f9c2a71d0 --stderr | tail", "the end of its stderr"],
      ["rigor logs 3f9c2a71d0 -f", "while it runs"],
    ],
    load: () => import("../commands/logs.ts"),
  },
  {
    name: "results",
    group: groups.experiments,
    summary: "tables, comparisons and decision of an experiment",
    description: "Shows what is measured so far; before the decision everything is marked as provisional.",
    arguments: [experimentWord],
    options: [],
    examples: [
      ["rigor results smoothing", "for people"],
      ["rigor results smoothing --json", "for a program"],
    ],
    load: () => import("../commands/results.ts"),
  },
  {
    name: "export",
    group: groups.experiments,
    summary: "results as CSV, Markdown or LaTeX",
    description:
      "CSV has one line per run and metric; Markdown and LaTeX are tables with the best value per column and ties " +
      "within noise marked. A file that exists is not replaced unless --force says so.",
    arguments: [experimentWord],
    options: [
      {
        flags: "--format <FORMAT>",
        description: "The format; default: by the ending of the output's name; csv without one.",
        choices: ["csv", "markdown", "latex"],
      },
      { flags: "-o, --output <FILE>", description: "Write to a file instead of stdout.", value: "text", names: "file" },
      { flags: "--force", description: "Replace the file if it exists." },
    ],
    examples: [
      ["rigor export smoothing > smoothing.csv", "every measured value"],
      ["rigor export smoothing -o table.tex", "the table for a paper"],
    ],
    load: () => import("../commands/export.ts"),
  },
  {
    name: "document",
    group: groups.experiments,
    summary: "write a result document whose numbers are measured values",
    description:
      "draft: a document to fill in, with the directives of the experiment. check: what is wrong with it, by line and " +
      "column. render: Markdown with figures, and one HTML page, with every number resolved from its runs. show: the " +
      "document that an issue has come to. diff: what it changed in the one before it.",
    arguments: [
      {
        name: "ACTION",
        description: "what to do",
        required: true,
        names: "text",
        choices: ["draft", "check", "render", "show", "diff"],
      },
      {
        name: "TARGET",
        description:
          "draft: an experiment; check and render: a document (Markdown), or an issue's number; show and diff: the " +
          "number; 3@1 is the first document of issue 3",
        required: true,
        names: "file",
      },
    ],
    options: [
      {
        flags: "-o, --output <PATH>",
        description: "The file of a draft, instead of stdout; the directory of what is rendered.",
        value: "text",
        names: "file",
      },
      { flags: "--draft", description: "Render a document with errors, too; they are marked." },
      { flags: "--force", description: "Replace files that exist." },
    ],
    examples: [
      ["rigor document draft smoothing -o smoothing.md", "begin one"],
      ["rigor document check smoothing.md", "typed numbers, missing sections, strong words"],
      ["rigor document render smoothing.md -o report", "report/document.md, document.html and figures"],
      ["rigor document show 3", "the result of issue 3, with its numbers"],
      ["rigor document diff 3", "what its newest version changed"],
    ],
    exits: [
      [0, "the document has no errors"],
      [2, "it has errors, or the command line is wrong"],
    ],
    load: () => import("../commands/document.ts"),
  },
];
