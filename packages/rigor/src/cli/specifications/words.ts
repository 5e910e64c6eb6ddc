import type { ArgumentSpecification, OptionSpecification } from "../specification.ts";

/** Arguments and options that several commands share. */

export const groups = { experiments: "Experiments", steering: "Steering", board: "The board", lab: "The lab" } as const;

export const experimentWord: ArgumentSpecification = {
  name: "EXPERIMENT",
  description: "NAME (its newest version), NAME@VERSION, or the beginning of its id",
  required: true,
  names: "experiment",
};

export const runWord: ArgumentSpecification = {
  name: "RUN",
  description: "the beginning of a run's id, as `rigor list EXPERIMENT` shows it",
  required: true,
  names: "run",
};

export const referenceWord: ArgumentSpecification = {
  name: "REF",
  description: "an experiment (NAME, NAME@VERSION) or a run (the beginning of its id)",
  required: true,
  names: "reference",
};

export const fileWord: ArgumentSpecification = {
  name: "FILE",
  description: "an experiment file (YAML)",
  required: true,
  names: "file",
};

export const messageOption: OptionSpecification = {
  flags: "-m, --message <TEXT>",
  description: "Why, for the record.",
  value: "text",
  names: "text",
};

export const maxRunsOption: OptionSpecification = {
  flags: "--max-runs <N>",
  description: "Allow this many runs, where the limit of rigor.yaml is lower.",
  value: "integer",
};

export const computeOption: OptionSpecification = {
  flags: "--compute <A,B>",
  description: "Where runs may go, in order of preference; names of rigor.yaml.",
  value: "text",
  names: "text",
};

export const runExits = [
  [0, "all runs are done; the decision is supported, or no rule was declared"],
  [1, "refuted or inconclusive; or runs failed, a check failed, or it was cancelled"],
  [2, "the command line, the file or the repository is wrong; nothing was started"],
  [3, "held: it waits for a person, for budget, or for a stage or environment to be mended"],
  [130, "no longer watched, after Ctrl-C or because the daemon was stopped; the runs go on"],
] as const;
