// Further options of a submission, as sites want them. Refused is what would change what is submitted instead of how. A word
// that is no option would be taken for the script.

const setByRigor = "is set by Rigor itself; remove it";

const otherPlace = (what: string, variable: string): string =>
  `would submit to another ${what} than the one that is asked about jobs; set ${variable} in a file that a login without a terminal reads, such as ~/.bashrc`;

/** Options of `sbatch` that Rigor sets, or that would keep it from answering as it is read. */
const ownOfSlurm: readonly { long: string; short?: string }[] = [
  { long: "array", short: "a" },
  { long: "chdir", short: "D" },
  { long: "error", short: "e" },
  { long: "export" },
  { long: "export-file" },
  { long: "get-user-env" },
  { long: "hold", short: "H" },
  { long: "job-name", short: "J" },
  { long: "open-mode" },
  { long: "output", short: "o" },
  { long: "parsable" },
  { long: "quiet", short: "Q" },
  { long: "test-only" },
  { long: "uid" },
  { long: "wait", short: "W" },
  { long: "wrap" },
];

/** What is wrong with an option for `sbatch`, as the end of a sentence; null for nothing. */
export function slurmDirectiveProblem(directive: string): string | null {
  const [, long, short] = /^(?:--([a-z][a-z0-9-]*)(?:=.*)?|-([A-Za-z]).*)$/s.exec(directive) ?? [];
  if (long === undefined && short === undefined)
    return "is no option of `sbatch`; write option and value as one word: `--constraint=a100`";
  // A beginning of an option's name stands for the option.
  if (short === "M" || (long !== undefined && "clusters".startsWith(long)))
    return otherPlace("cluster", "SLURM_CLUSTERS");
  const isOwn = ownOfSlurm.some((option) =>
    long === undefined ? option.short === short : option.long.startsWith(long),
  );
  return isOwn ? setByRigor : null;
}

/** An option of `qsub` and its value: it would keep a space between them as part of the value. */
export function pbsOptionWords(directive: string): string[] {
  const [, option, value] = /^(-[A-Za-z])\s*(.*)$/s.exec(directive) ?? [];
  if (option === undefined || value === undefined) return [directive];
  return value === "" ? [option] : [option, value];
}

/** Options of `qsub` that Rigor sets, or that would keep it from answering as it is read. */
const ownOfPbs = new Set(["-C", "-G", "-I", "-J", "-N", "-X", "-e", "-f", "-h", "-j", "-o", "-z"]);

/** What is wrong with an option for `qsub`, as the end of a sentence; null for nothing. */
export function pbsDirectiveProblem(directive: string): string | null {
  const [option = "", value = ""] = pbsOptionWords(directive);
  if (!/^-[A-Za-z]$/.test(option)) return "is no option of `qsub`; write option and value as one text: `-l jobfs=10gb`";
  if (option === "-V")
    return "would give the environment of the login to the job; name the variables in `environment.variables` of the experiment";
  if (option === "-q") return pbsQueueProblem(value);
  const waits = option === "-W" && /^\s*(?:block|interactive)\s*=/.test(value);
  return waits || ownOfPbs.has(option) ? setByRigor : null;
}

export const pbsQueueProblem = (queue: string): string | null =>
  queue.includes("@") ? otherPlace("server", "PBS_SERVER") : null;
