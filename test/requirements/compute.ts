import type { Requirement } from "./requirement.ts";

/** What holds for machines other than this one. */
export const compute: Requirement[] = [
  // Hosts over SSH
  {
    id: "compute.ssh-runs",
    statement: "An experiment that names hosts over SSH runs on them to its decision, and what its runs made is here.",
  },

  {
    id: "chaos.ssh",
    statement:
      "Killed daemons and jobs, lost connections, and hosts that freeze, refuse or crash end every run once, in the right state with its cause; nothing is concluded from silence.",
  },
  {
    id: "compute.slurm-runs",
    statement: "An experiment that names a Slurm cluster runs there to its decision, and what its runs made is here.",
  },
  {
    id: "compute.scheduler-runs",
    statement: "So does one that names a PBS cluster, or a scheduler that is described by its commands.",
  },

  {
    id: "compute.full-disk",
    statement: "What does not fit on this machine's disk is said, and comes over when there is room.",
  },
  {
    id: "compute.check",
    statement: "`rigor compute check` proves each compute with a job, and says of what is wrong how to mend it.",
  },
  {
    id: "compute.rest",
    statement:
      "A machine on which one attempt after another fails by no fault of its run rests, and is tried before it is used again.",
  },
  {
    id: "compute.steering",
    statement: "Nothing starts on a compute that rests or is drained; what is there goes on.",
  },

  // Placement
  {
    id: "compute.chosen",
    statement: "Where runs start can be changed at any time, without a new version; those under way go on.",
  },
  {
    id: "compute.placement",
    statement:
      "Runs start on the first of their computes that has room, and never exceed a machine or a cluster's max_jobs.",
  },
  // Schedulers
  {
    id: "compute.constant-calls",
    statement: "A look at all jobs of a scheduler costs a fixed number of calls, whatever the number of jobs.",
  },
  {
    id: "compute.own-words",
    statement: "What a scheduler refuses is reported in its own words, and nothing is submitted.",
  },
  {
    id: "compute.clean-login",
    statement: "What a login has in its environment changes neither how a scheduler is asked nor what a job gets.",
  },
  {
    id: "compute.command-kind",
    statement:
      "Any scheduler can be described by its commands and words; a word that is not described concludes nothing.",
  },
  {
    id: "compute.calls-per-minute",
    statement: "A scheduler is not asked more often than `calls_per_minute`: looks wait, nothing else does.",
  },
  {
    id: "compute.requeue",
    statement:
      "A job that its scheduler starts again goes on from its own checkpoints, and is never executed twice at a time.",
  },

  // Staging
  {
    id: "staging.by-commit",
    statement: "Code on a host is a read-only checkout of the commit, made once; the next job of it costs one call.",
  },
  {
    id: "staging.environment-once",
    statement: "An environment is built once on a host, whoever asks and however often connections are lost.",
  },
  {
    id: "staging.inputs-once",
    statement: "Inputs are copied to a host once, whole and as they were hashed, or refused.",
  },
  {
    id: "staging.interrupted",
    statement: "A lost connection or a crash in the middle of staging leaves nothing that looks complete and is not.",
  },
  {
    id: "staging.clean-up",
    statement: "What nobody uses any more is removed by age and for space, and nothing that somebody uses.",
  },
];
