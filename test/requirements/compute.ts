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
    id: "chaos.slurm",
    statement:
      "Killed daemons, jobs, controllers and nodes of Slurm end every run once, in the right state with its cause, within the calls that are allowed.",
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

  {
    id: "compute.closed",
    statement:
      "Whoever watches an experiment, or looks at it, is told on which of its computes nothing starts, why, and what can be done.",
  },

  {
    id: "compute.no-room",
    statement:
      "A host that cannot be written is named with the reason; its runs start elsewhere, and there again when it has room.",
  },
  {
    id: "compute.emptied",
    statement:
      "Where the disk of a host was emptied, runs are not failed for it: what they need there is made ready again.",
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
  {
    id: "compute.plan",
    statement:
      "`rigor plan` says of each compute whether runs can start there, and what is known to keep them from it.",
  },
  {
    id: "compute.fair",
    statement: "Experiments share computes fairly, and what does not fit now is not starved by what is smaller.",
  },
  {
    id: "memory.learnt",
    statement:
      "What a run used at most of memory and of a card's memory is recorded with its attempt, asked for where runs of its cell start next, and proposed by `rigor plan`.",
  },
  // Schedulers
  {
    id: "compute.constant-calls",
    statement: "A look at all jobs of a scheduler costs a fixed number of calls, whatever the number of jobs.",
  },
  {
    id: "compute.resources",
    statement: "A scheduler is asked for the cores, cards, memory and time of the experiment, and holds jobs to them.",
  },
  {
    id: "compute.arrays",
    statement: "Jobs go as arrays, split at the site's limit; one member that fails spoils no other.",
  },
  {
    id: "compute.site",
    statement:
      "Account, quality of service, queue, project, storage, modules and directives of a site reach its scheduler.",
  },
  {
    id: "compute.own-words",
    statement: "What a scheduler refuses is reported in its own words, and nothing is submitted.",
  },
  {
    id: "compute.why-waiting",
    statement: "Why a job waits at its scheduler is shown in the scheduler's words wherever its run is looked at.",
  },
  {
    id: "compute.check-stuck",
    statement:
      "A check whose job waits for what only a person can change ends soon, in the scheduler's words, and takes the job back.",
  },
  {
    id: "compute.many-at-once",
    statement:
      "What concerns thousands of attempts is asked of a host by several calls, so that each of them ends in time.",
  },
  {
    id: "compute.restarts",
    statement:
      "How often a scheduler interrupted a job and started it again is in the record of its end, and `rigor show` says it.",
  },
  {
    id: "compute.job-shown",
    statement:
      "A run shows what its scheduler calls its job, so that the scheduler's own commands can be asked about it.",
  },
  {
    id: "compute.shown-host",
    statement:
      "The host of a run is the machine that executes it; until that is known, the compute that it was given to.",
  },
  {
    id: "compute.stuck",
    statement:
      "An experiment whose jobs no waiting can start is held with the scheduler's words, and goes on when that is mended: at the cluster, in rigor.yaml or in the experiment.",
  },
  {
    id: "compute.directives",
    statement: "Options of a site reach its scheduler; one that Rigor sets itself is refused where rigor.yaml says it.",
  },
  {
    id: "compute.true-ends",
    statement: "What a scheduler says of a job that has ended agrees with how its run ended.",
  },
  {
    id: "compute.unprepared",
    statement: "An experiment is held when its jobs find no modules or directories at a cluster, before all are lost.",
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
    statement:
      "In no 60 seconds a scheduler gets more calls than `calls_per_minute`, of whatever kind, also when the daemon is started anew.",
  },
  {
    id: "compute.waiting-calls",
    statement:
      "What waits for a call holds up nothing else and is done once; cancellations go first, submissions and looks take turns, and a job that is not submitted yet says so.",
  },
  {
    id: "compute.one-budget",
    statement: "Computes of one kind behind one login share the calls of their scheduler.",
  },
  {
    id: "compute.requeue",
    statement:
      "A job that its scheduler starts again goes on from its own checkpoints, and is never executed twice at a time.",
  },

  {
    id: "compute.check-undecided",
    statement: "A check whose job was lost or is late is repeated soon; only again and again it counts as a problem.",
  },
  {
    id: "compute.soon",
    statement:
      "A machine or cluster is looked at soon after something was begun, began, ended or changed there, and less and less often while nothing does.",
  },
  {
    id: "compute.attempts-clean-up",
    statement:
      "Directories of attempts on other machines go by age and for space, when all that they declared is here and recorded.",
  },

  // Staging
  {
    id: "staging.by-commit",
    statement: "Code on a host is a read-only checkout of the commit, made once; the next job of it costs one call.",
  },
  {
    id: "staging.full-disk",
    statement:
      "A build that meets a full disk says so, with what to do, and leaves nothing that is taken for an environment.",
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
