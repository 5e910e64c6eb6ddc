import type { Clue } from "./failure-text.ts";
import type { FailureCategory } from "./failure-category.ts";

/** Texts that prove a category: in any line, in the exception that ended the program, or in a line that is no exception. */
export interface FailureRule {
  category: FailureCategory;
  any?: readonly RegExp[];
  exception?: readonly RegExp[];
  line?: readonly RegExp[];
  /** Counts only as the last thing that was written: programs tell of such troubles, and go on. */
  last?: true;
  /** What those see whose partner has failed: any other cause counts before it. */
  echo?: true;
}

/** The first rule that a clue proves. @param last nothing that matters was written after it */
export function ruleFor(clue: Clue, last: boolean): FailureRule | undefined {
  return rules.find((rule) => {
    if (rule.last === true && !last) return false;
    const patterns = [...(rule.any ?? []), ...((clue.exception ? rule.exception : rule.line) ?? [])];
    return patterns.some((pattern) => pattern.test(clue.text));
  });
}

/**
 * A message of the system as programs print it: at the beginning, or after a colon or `[Errno 28]`, and never as a
 * part of other words.
 */
function system(messages: string): RegExp {
  return new RegExp(String.raw`(?:^|: |\] |error message = ')(?:${messages})(?=$|[:,.;'>]|\s\()`, "i");
}

/** An exception by its name, whatever its message. */
function named(names: string): RegExp {
  return new RegExp(String.raw`^\[?(?:Uncaught )?(?:[\w.]+\.)?(?:${names})(?:: | \[|\]|$)`);
}

const nan = String.raw`(?<![\w./-])(?:non-finite|nan|[-+]?inf(?:inity)?)(?:s|\(?[a-z]+\))?(?![\w/-]|\.\w)`;
const quantity = "(?:loss|gradient|grad|norm|value|metric|logit|weight|output|score|perplexity|reward)(?:e?s)?";

const nonFinite: readonly RegExp[] = [
  new RegExp(
    String.raw`\b${quantity}\b[^.]{0,60}?(?:\b(?:is|are|was|were|became|becomes|contains?|has|to)|[=:])\s*(?:an? |all )?${nan}`,
    "i",
  ),
  new RegExp(
    String.raw`${nan}(?: or ${nan})? ${quantity}\b|${nan} (?:detected|encountered|found)\b|\bcontains? ${nan}`,
    "i",
  ),
];

/**
 * What programs write when they fail, the most specific first. An expression is what a program writes as a whole, and
 * stands where the program writes it: the same words in the text of some exception may be about anything.
 */
const rules: readonly FailureRule[] = [
  // What schedulers write into the log of a job.
  { category: "timeout", line: [/^slurmstepd: .* DUE TO TIME LIMIT\b/, /^=>> PBS: job killed: walltime /] },
  // What the script of a job writes when what was made ready for it has been removed.
  { category: "not-started", line: [/^rigor: .* is not there, which the run (?:starts in$|needs as )/] },
  { category: "node-failure", line: [/^slurmstepd: .* DUE TO NODE FAILURE\b/] },
  {
    category: "out-of-memory-host",
    line: [
      /^slurmstepd: error: Detected \d+ oom[-_]kill event/,
      /^srun: error: .*: Out Of Memory$/,
      /^=>> PBS: job killed: v?mem /,
    ],
  },

  {
    category: "quota",
    // The number is that of Linux, which Node has no name for.
    any: [
      system("Disk quota exceeded"),
      /^\[?Error: (?:Unknown system error -122|EDQUOT)\b/,
      /^npm (?:ERR!|error) code EDQUOT$/,
    ],
  },
  {
    category: "disk-full",
    any: [system("No space left on device|database or disk is full"), /^npm (?:ERR!|error) code ENOSPC$/],
  },
  {
    category: "out-of-memory-gpu",
    any: [
      /(?:^|: )(?:CUDA|HIP|XPU|MPS backend) out of memory\b/,
      /\bCUDA error: out of memory\b|\bCUDA_ERROR_OUT_OF_MEMORY\b|\bcudaErrorMemoryAllocation\b/,
      /\bCuda failure (?:\d+ )?'out of memory'/,
      /\bCU(?:BLAS|DNN)_STATUS_ALLOC_FAILED\b/,
      /\bRESOURCE_EXHAUSTED: (?:Out of memory|OOM)\b|\bOOM when allocating tensor\b/,
      /^cupy\.cuda\.memory\.OutOfMemoryError\b/,
    ],
  },
  {
    category: "out-of-memory-host",
    any: [
      system("Cannot allocate memory"),
      /\(Cannot allocate memory\)$|\bDefaultCPUAllocator: (?:can't allocate memory|not enough memory)/,
      named(String.raw`\w*MemoryError`),
      /\bJavaScript heap out of memory$|(?:^|: |")java\.lang\.OutOfMemoryError\b/,
      /^(?:terminate called after throwing an instance of '|what\(\):\s+|\w+: )std::bad_alloc\b/,
      /^fatal error: runtime: out of memory$|^memory allocation of \d+ bytes failed$/,
      /^Error: cannot allocate vector of size |^ERROR: (?:LoadError: )?OutOfMemoryError\(\)/,
      /\bOut of memory: Killed process \d+/,
    ],
  },
  {
    category: "killed",
    exception: [/\bDataLoader worker \(pid(?:\(s\))? [\d, ]+\) is killed by signal: Killed\b/],
    line: [/^Killed$/, /^\S+: (?:line )?\d+:\s+\d+ Killed\b/, /^zsh: killed\s/, /^srun: error: .*: Killed$/],
  },
  { category: "killed", echo: true, exception: [/\bCalledProcessError: .* died with <Signals\.SIGKILL: 9>/] },
  {
    category: "missing-module",
    any: [
      /^(?:ModuleNotFoundError|ImportError): ./,
      /^\[?Error(?: \[ERR_MODULE_NOT_FOUND\])?: Cannot find (?:module|package) '[^']+'/,
      /: error while loading shared libraries: \S/,
      /^Error.*: there is no package called ./,
      /^(?:ERROR: )?(?:LoadError: )?ArgumentError: Package \S+ not found in current path\b/,
      /^\S+: No module named '?[\w.]+'?$/,
    ],
  },
  {
    category: "network",
    last: true,
    exception: [
      named(
        String.raw`Connection(?:Error|Reset(?:Error)?|RefusedError|AbortedError|Timeout)|(?:New|API)ConnectionError|MaxRetryError|gaierror|RemoteDisconnected|(?:Read|Connect|Pool)Timeout(?:Error)?|ConnectError|Client(?:Connector|OS)\w*Error|ServerDisconnectedError|ChunkedEncodingError`,
      ),
      /^(?:[\w.]+\.)?(?:URLError|OSError|TimeoutError|timeout): (?:<urlopen error )?\[Errno (?:-[235]|101|104|110|111|113)\] /,
      /^(?:[\w.]+\.)?\w*HTTP\w*Error: (?:HTTP Error )?(?:429|500|502|503|504)\b/,
      /^OSError: We couldn't connect to 'https:/,
      /^\[?Error: (?:(?:connect|read|write|getaddrinfo) )?(?:ECONN(?:REFUSED|RESET|ABORTED)|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND)\b/,
    ],
    line: [
      /(?:^|:--\s+\d+)curl: \((?:5|6|7|16|18|28|35|52|55|56|92)\) /,
      /^(?:fatal|error): unable to access '[^']+': /,
      /^ssh: (?:connect to host|Could not resolve hostname) /,
      /^wget: unable to resolve host address |^Connecting to .* failed: (?:Connection refused|Connection timed out|No route to host)\.$/,
      /^npm (?:ERR!|error) code (?:ECONN(?:REFUSED|RESET)|ETIMEDOUT|EAI_AGAIN|ENOTFOUND)$/,
    ],
  },
  {
    category: "node-failure",
    any: [
      /\bCUDA error: uncorrectable (?:ECC|NVLink) error\b|\bNVRM: Xid \(PCI|\bGPU has fallen off the bus\b/,
      /\bCUDA error: (?:all )?CUDA-capable device(?:\(s\)|s)? (?:is\/)?are busy or unavailable/,
      /\bFailed to initialize NVML: (?:Driver\/library version mismatch|Unknown Error)/,
      system("Stale file handle|Input/output error|Transport endpoint is not connected|EIO: i/o error"),
    ],
  },
  {
    category: "node-failure",
    echo: true,
    exception: [
      /\bNCCL error\b.*\b(?:unhandled system error|remote process exited|internal error)/,
      /\bncclSystemError\b|\bncclRemoteError\b|\bncclInternalError\b|\/gloo\/transport\/.* Connection (?:closed|reset) by peer/,
      /\bWatchdog caught collective operation timeout\b/,
    ],
    line: [
      /\bNCCL WARN .*\b(?:failed|failure|error|timed? ?out)\b/,
      /\bWatchdog caught collective operation timeout\b/,
    ],
  },
  {
    category: "permission",
    any: [
      system("Permission denied|Operation not permitted|Read-only file system"),
      named("PermissionError"),
      /^\[?Error: (?:\w+ )?(?:EACCES|EPERM): /,
    ],
  },
  {
    category: "missing-file",
    any: [
      system(String.raw`No such file or directory|can't cd to .*|cannot open \S+: No such file`),
      named("FileNotFoundError|NoSuchFileException"),
    ],
    line: [/^(?:\S+: )+(?:line )?(?:\d+: )?(?:exec: )?(?:\S+: )?(?:command )?not found$/, /^zsh: command not found: /],
  },
  {
    category: "non-finite",
    exception: [
      ...nonFinite,
      named("FloatingPointError"),
      /^ValueError: (?:cannot convert float NaN to integer|Out of range float values are not JSON compliant)/,
      /\breturned nan values in its \d+th output/,
    ],
  },
  { category: "non-finite", last: true, line: nonFinite },
  {
    category: "assertion",
    any: [/\bCUDA error: device-side assert triggered\b/],
    exception: [named("AssertionError")],
    line: [/: Assertion [`'].{1,300} failed\.?$/, /^thread '.*' panicked at .*assertion/, /^assertion failed: /],
  },
];
