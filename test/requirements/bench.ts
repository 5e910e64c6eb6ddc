import type { Requirement } from "./requirement.ts";

/** What the bench promises: from an experiment file to a decided result on one machine. */
export const bench: Requirement[] = [
  // First use
  {
    id: "start.two-commands",
    statement: "`npm ci && npx rigor run examples/smoothing/experiment.yaml` runs to a decision in a fresh clone.",
  },
  {
    id: "start.node-20",
    statement: "The two commands and `npm test` work where the machine's own Node is version 20.",
  },
  { id: "start.second-call", statement: "A second `rigor run` says at once that all runs are done." },
  {
    id: "start.packed",
    statement: "The packed package, installed in an empty folder, initialises a repository and runs an experiment.",
  },
  {
    id: "example.smoothing",
    statement: "The smoothing example finds that Kneser-Ney has a lower perplexity than add-k.",
  },
  {
    id: "example.superposition",
    statement: "The superposition example finds that sparser inputs let two hidden units represent more features.",
  },
  {
    id: "example.pruning",
    statement: "The pruning example finds that a trained model loses less by its smallest weights than by random ones.",
  },
  {
    id: "needs.arms",
    statement: "An arm may report some of the metrics and write some of the artifacts, and is judged by those alone.",
  },
  {
    id: "start.anywhere",
    statement: "What the README says for other repositories gives the command `rigor` there, and a first experiment.",
  },
  // Experiment file
  {
    id: "file.position",
    statement: "An error of an experiment file names file, line, column, what was found and what is allowed.",
  },
  { id: "file.unknown-key", statement: "An unknown key is an error that suggests the key that was meant." },
  {
    id: "file.bad-input",
    statement:
      "Unreadable YAML, duplicate seeds, missing files and zero runs get one clear message and change nothing.",
  },
  { id: "file.too-many-runs", statement: "A million runs are refused above a limit that can be raised." },
  { id: "file.placeholders", statement: "Placeholders reach the command as one argument each, whatever they contain." },
  {
    id: "file.arguments-exact",
    statement: "Arguments with spaces, quotes, `$`, newlines and non-ASCII reach the command unchanged.",
  },
  { id: "design.grid", statement: "Arms x tasks x parameters x seeds give exactly the declared runs, each once." },
  {
    id: "identity.run-key",
    statement:
      "Equal code, command, parameters, seed, inputs, environment and kept files give one run; any difference gives another.",
  },
  {
    id: "identity.shared",
    statement: "A run whose key has a valid result is shared by every experiment that asks for it.",
  },
  {
    id: "identity.stale",
    statement: "When code changes, old results are listed as stale, stay visible, and `rerun --stale` runs them anew.",
  },
  {
    id: "needs.order",
    statement:
      "A run starts when every run that it needs is done and valid, and gets their declared outputs, read-only.",
  },
  {
    id: "needs.file",
    statement:
      "Unknown names, circles, and needs without a matching run are errors at line and column that say what to write.",
  },

  {
    id: "needs.kept",
    statement:
      "A run is never given one that kept other files than its experiment declares: where an artifact is declared later, that is another run.",
  },
  {
    id: "needs.validity",
    statement:
      "A run does not start without a valid run that it needs and says which; it loses its result with that one's, and comes back with it.",
  },

  {
    id: "needs.remedy",
    statement:
      "An experiment without results for want of another's runs says whose, why those have none, and what makes both.",
  },
  {
    id: "needs.others",
    statement:
      "Runs of other experiments can be needed; which version it was is recorded, and a newer one is another plan.",
  },

  {
    id: "needs.hosts",
    statement: "What a run needs is on the machine where it starts, sent once, and its hash is recorded.",
  },
  {
    id: "identity.repository",
    statement: "An experiment of another repository is never put aside by one that has the same name.",
  },
  {
    id: "identity.unlisted",
    statement:
      "Runs that rest on a commit whose files differ outside `code` are named with those files: before a run, in the results, and in the decision.",
  },
  // States and events
  { id: "state.defined", statement: "No sequence of events reaches an undefined state." },
  { id: "state.finished-fixed", statement: "A finished attempt never changes." },
  { id: "event.upcast", statement: "An event of an older version is read through its upcast." },
  // Store
  { id: "store.one-suite", statement: "SQLite and PostgreSQL pass the same behavioural suite." },
  {
    id: "store.durable",
    statement:
      "What people decide and what other machines are asked outlives a loss of power at once, all else after a moment.",
  },
  { id: "store.rebuild", statement: "Tables rebuilt from the log equal the live tables." },
  { id: "store.migrations", statement: "A database of an older version is migrated in place, once." },
  {
    id: "store.second-daemon",
    statement: "A second daemon on the same data is refused with the pid and address of the first.",
  },
  { id: "store.damaged", statement: "A damaged or newer database gives a clear error and is left untouched." },
  { id: "store.backup", statement: "`rigor backup` copies a consistent database while the daemon writes." },
  { id: "store.idempotent-metrics", statement: "Ingesting the same metric bytes twice changes nothing." },
  // Daemon and API
  {
    id: "daemon.autostart",
    statement: "The CLI starts the daemon when it is absent; its address and token are readable by the owner only.",
  },
  {
    id: "daemon.private",
    statement:
      "Nobody but the owner can enter the data directory or read its database, lock, log and backups; a directory with other things in it that others can enter is refused.",
  },
  { id: "daemon.reconcile", statement: "A new daemon takes over everything that was under way." },
  {
    id: "daemon.hangs",
    statement: "A daemon that lives and does not answer, or does not end, is named by its pid with what ends it.",
  },
  { id: "daemon.graceful", statement: "A stopped daemon finishes its writes and leaves running jobs alone." },
  { id: "api.guarded", statement: "Every route checks token, Host and Origin." },
  {
    id: "errors.words",
    statement:
      "What is wrong with what somebody gives is told by its place, what was found and what is expected, wherever it is given.",
  },
  { id: "api.openapi", statement: "The OpenAPI description is served and lists every route." },
  { id: "api.sse-resume", statement: "Server-sent events resume after the last id that the client has seen." },
  // Local executor
  { id: "job.process-group", statement: "Ending a job ends its whole process group." },
  {
    id: "job.left-behind",
    statement: "A process that leaves its job's session is ended after its attempt, and nobody else's process is.",
  },
  { id: "job.slots", statement: "Leases never exceed the CPUs, memory and GPUs of the host." },
  {
    id: "run.collecting",
    statement: "A run whose job has ended says that its outputs are being read, and holds no CPU meanwhile.",
  },
  { id: "job.time-limit", statement: "A job that passes its time limit is stopped and recorded as timed out." },
  { id: "job.cancel", statement: "A queued or running job can be cancelled." },
  { id: "job.logs-whole", statement: "Logs are streamed while the job runs, without loss, binary output included." },
  { id: "job.survives-daemon", statement: "Jobs go on when the daemon dies; the next daemon adopts them." },
  { id: "job.category", statement: "A failed attempt has a category and the line of evidence for it." },
  {
    id: "job.retry",
    statement: "Infrastructure failures are retried with back-off up to the limit; code failures are not.",
  },
  {
    id: "job.missing-command",
    statement:
      "A command that does not exist gets one message that names it: before anything starts where that can be known, else after the first runs.",
  },
  {
    id: "job.bad-result",
    statement:
      "A result file that is missing, empty, huge, not UTF-8, not JSON, has more than 10000 metrics, or names one twice fails the run and says which.",
  },
  { id: "job.disk-full", statement: "A full disk fails runs with its cause and leaves the database intact." },
  {
    id: "status.disk",
    statement:
      "While the disk of the data directory lacks room, the lab's state, its diagnosis, the inbox and an issue's story say so in the same words.",
  },
  { id: "job.secrets", statement: "Variables that are passed through reach the run and stay in no file." },
  { id: "job.resume", statement: "A retry gets the newest checkpoints of the interrupted attempts before it." },
  {
    id: "job.resume-elsewhere",
    statement: "On another compute a retry gets a copy of them; where that cannot be had, its record says so.",
  },
  { id: "state.no-orphans", statement: "A newer version leaves no run waiting that nothing will start." },
  { id: "job.clock-jump", statement: "A clock that jumps neither ends nor prolongs a job." },
  // Provenance
  {
    id: "provenance.snapshot",
    statement: "A dirty tree is committed under refs/rigor/ and branch, index and files stay as they were.",
  },
  { id: "provenance.checkout", statement: "Code runs from a read-only checkout of the recorded commit." },
  {
    id: "provenance.checkout-changed",
    statement:
      "Where root changes code in a checkout all the same, runs that end afterwards are invalid, and none starts there any more; of files that were added, it is told.",
  },
  {
    id: "provenance.environment",
    statement: "An environment is built once per lock, and its resolved versions are recorded.",
  },
  { id: "provenance.inputs", statement: "Inputs are hashed, and a changed input is another run." },
  {
    id: "provenance.manifest",
    statement: "Every attempt has a manifest with command, commit, environment, inputs, outputs, host and times.",
  },
  // Checks, statistics, decision
  { id: "statistics.reference", statement: "Statistics agree with the reference values to 1e-9." },
  { id: "statistics.few-pairs", statement: "Fewer than three pairs give `not testable`, never a p value." },
  {
    id: "checks.run",
    statement: "Declared metrics are present, finite, in range and not zero where zero is impossible; artifacts exist.",
  },
  {
    id: "checks.across",
    statement: "Identical seeds, baselines at chance, different inputs and missing cells are found across runs.",
  },
  { id: "checks.invalid", statement: "A failed check makes the run invalid, names the rule and shows the values." },
  {
    id: "decision.rule",
    statement:
      "The pre-registered rule gives supported, refuted or inconclusive with effect, interval, adjusted p and reason.",
  },
  {
    id: "stages.order",
    statement: "A stage starts only after the one before it passed its rule; else the experiment is held.",
  },
  { id: "budget.held", statement: "An experiment that reaches its budget is held and starts no further run." },
  {
    id: "budget.queue",
    statement:
      "What waits at a scheduler when a budget is used up is taken back; it starts anew with more budget, and counts as no failure.",
  },
  {
    id: "budget.interrupted",
    statement: "A job that its scheduler interrupts uses GPU hours for the time in which it ran, and no more.",
  },
  { id: "budget.lost", statement: "A job that is lost has used GPU hours until its last sign of life." },
  {
    id: "export.formats",
    statement:
      "Tidy CSV, Markdown and LaTeX are exported, with the best value per column and ties within noise marked.",
  },
  // CLI
  { id: "cli.commands", statement: "Every documented command exists, has useful help and a stable `--json` form." },
  {
    id: "cli.many-metrics",
    statement:
      "Lists of runs have columns of declared metrics only; of a run, declared metrics are shown, and a few others.",
  },
  {
    id: "cli.exit-codes",
    statement: "Exit codes: 0 supported or no rule, 1 refuted or failed runs, 2 usage, 3 held, 130 detached.",
  },
  { id: "cli.detach", statement: "Ctrl-C leaves runs going and says how to come back." },
  {
    id: "cli.by-hand",
    statement: "What `rigor show RUN` prints to repeat a run gives the same result when it is pasted into a shell.",
  },
  { id: "cli.no-stack", statement: "A user error shows a message and what to do next, never a stack." },
  { id: "cli.completion", statement: "Shell completion lists commands, options and references." },
  {
    id: "cli.progress",
    statement:
      "`rigor run` shows done/total, rate and time left, then table, comparisons, decision and where everything lies.",
  },
  {
    id: "cli.why-waiting",
    statement:
      "Whoever watches an experiment or asks for it is told why nothing goes on: a pause before runs are tried again, a full disk.",
  },
  // Others' repositories
  {
    id: "init.any-repository",
    statement: "`rigor init` in any git repository writes a commented rigor.yaml and a first experiment that runs.",
  },
  {
    id: "environment.network",
    statement:
      "A build that fails for want of a network or of room is a fault of the machine, by what its program says: the first is tried again by itself, a person is told what to do, and it is no finding about the code.",
  },
  { id: "environment.npm", statement: "An npm environment is built from its lock and used by runs." },
  {
    id: "environment.venv",
    statement: "A virtual environment with pip is built from requirements, a local wheel included, and used by runs.",
  },
  {
    id: "helpers.report",
    statement: "The TypeScript and Python helpers report metrics and results without any dependency.",
  },
  // Must hold
  {
    id: "chaos.kill",
    statement: "Killing daemon, CLI and jobs at random loses no run, runs none twice, and the log rebuilds equal.",
  },
  {
    id: "chaos.steering",
    statement:
      "Cancelling, rerunning, holding and releasing runs and experiments, and newer versions, mixed at random with kills, lose no run, run none twice, and no late result undoes what a person decided.",
  },
  { id: "storage.read-only", statement: "A read-only data directory gives one clear message." },
  // Size
  { id: "size.create", statement: "10,000 runs are created in under 5 seconds." },
  { id: "size.status", statement: "`rigor status` with 10,000 runs answers in under 150 ms." },
  { id: "size.ingest", statement: "5,000 metric points per second are ingested." },
  {
    id: "size.waiting",
    statement: "The end of an experiment is told when it happens, and what takes long is begun before it is needed.",
  },
  { id: "size.start", statement: "The daemon is ready in under 500 ms and `rigor --version` answers in under 100 ms." },
  {
    id: "size.throughput",
    statement: "Overhead per no-op run is below Snakemake's and within twice that of GNU parallel with a job log.",
  },
];
