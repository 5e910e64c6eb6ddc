import type { ExitRecord } from "./job.ts";

export const failureCategories = [
  "out-of-memory-gpu",
  "out-of-memory-host",
  "non-finite",
  "missing-module",
  "missing-file",
  "disk-full",
  "quota",
  "permission",
  "network",
  "timeout",
  "preempted",
  "node-failure",
  "assertion",
  "bad-result",
  "unknown",
] as const;
export type FailureCategory = (typeof failureCategories)[number];

export interface Failure {
  category: FailureCategory;
  /** The line that proves the category, or a sentence about the exit. */
  evidence: string;
}

/** What is known of an attempt that has ended. */
export interface FailureWitnesses {
  /** Null when the job is gone without a record. */
  exit: Pick<ExitRecord, "code" | "signal" | "reason"> | null;
  /** What the executor knows of a job that is gone. */
  goneEvidence?: string;
  /** The last lines of each stream. */
  stderrTail: string;
  stdoutTail: string;
  /** What is wrong with the result; null when it was not read or is good. */
  result: { problem: string; message: string } | null;
}

interface Rule {
  category: FailureCategory;
  /** Whole expressions, tried on one line. */
  pattern: RegExp;
}

/**
 * What programs write when they fail, most specific first. A line has the category of the first rule that fits it.
 * Each expression is what a program writes as a whole: a part of a word is never enough.
 */
const rules: readonly Rule[] = [
  { category: "quota", pattern: /\bDisk quota exceeded\b|\bEDQUOT\b|\bErrno 122\b/i },
  { category: "disk-full", pattern: /\bNo space left on device\b|\bENOSPC\b|\b(?:disk|file system) is full\b/i },
  {
    category: "out-of-memory-gpu",
    pattern:
      /\bCUDA(?: error)?: out of memory\b|\bCUDA out of memory\b|\b(?:torch\.)?(?:cuda\.)?OutOfMemoryError: (?:CUDA|HIP|XPU)\b|\bHIP out of memory\b|\bMPS backend out of memory\b|\bCUDA_ERROR_OUT_OF_MEMORY\b|\bcudaErrorMemoryAllocation\b|\bCUBLAS_STATUS_ALLOC_FAILED\b|\bRESOURCE_EXHAUSTED: (?:Out of memory|OOM)\b|\bOOM when allocating tensor\b/i,
  },
  {
    category: "out-of-memory-host",
    pattern:
      /^(?:\w+\.)*MemoryError\b|\bJavaScript heap out of memory\b|\bFatal process out of memory\b|\bstd::bad_alloc\b|\bCannot allocate memory\b|\bENOMEM\b|\bOut of memory: Killed process\b|\bDefaultCPUAllocator: (?:can't allocate memory|not enough memory)|\bjava\.lang\.OutOfMemoryError\b|\boom[-_]kill(?:er|ed)?\b|\bfatal error: runtime: out of memory\b|\bmemory allocation of \d+ bytes failed\b|^(?:\S+: (?:line )?\d+: )?(?:\d+ )?Killed\b/i,
  },
  {
    category: "missing-module",
    pattern:
      /^(?:E\s+)?(?:ModuleNotFoundError|ImportError): .+|\bCannot find (?:module|package) '[^']+'|\bERR_MODULE_NOT_FOUND\b|\berror while loading shared libraries: \S+|\bthere is no package called\b|\bPackage \S+ not found in current path\b|: No module named '?[\w.]+'?$/,
  },
  {
    category: "network",
    pattern:
      /\bConnection (?:reset by peer|refused|timed out|aborted)\b|\bConnect(?:ion)?(?:Reset|Refused|Aborted|Timeout)?Error\b|\bECONN(?:RESET|REFUSED|ABORTED)\b|\bETIMEDOUT\b|\bENETUNREACH\b|\bEHOSTUNREACH\b|\bEAI_AGAIN\b|\bENOTFOUND\b|\bTemporary failure in name resolution\b|\bName or service not known\b|\bCould not resolve host\b|\bgetaddrinfo (?:failed|ENOTFOUND|EAI_AGAIN)\b|\bNetwork is unreachable\b|\bNo route to host\b|\b(?:Read|Connect)(?:ion)? ?timed out\b|\bReadTimeout(?:Error)?\b|\bMax retries exceeded with url\b|\b(?:429|502|503|504) (?:Client|Server) Error\b|\bTLS handshake timeout\b/,
  },
  {
    category: "node-failure",
    pattern:
      /\bNCCL (?:error|WARN .*(?:error|failure|timeout|timed out))|\bncclSystemError\b|\bncclUnhandledCudaError\b|\bncclRemoteError\b|\bncclInternalError\b|\bWatchdog caught collective operation timeout\b|\bUncorrectable ECC error\b|\bCUDA error: (?:an )?(?:uncorrectable ECC error|unspecified launch failure|device-side hardware error|unknown error)|\bXid \(PCI|\bGPU has fallen off the bus\b|\bNo CUDA-capable device is detected\b|\bCUDA driver initialization failed\b|\bStale file handle\b|\bESTALE\b|\bInput\/output error\b|\bEIO: i\/o error\b|\bTransport endpoint is not connected\b/i,
  },
  {
    category: "permission",
    pattern:
      /\bPermission denied\b|\bEACCES\b|\bEPERM\b|\bOperation not permitted\b|\bPermissionError\b|\bRead-only file system\b|\bEROFS\b/i,
  },
  {
    category: "missing-file",
    pattern:
      /\bNo such file or directory\b|\bENOENT\b|\bFileNotFoundError\b|\b(?:command )?not found$|\bcan't cd to\b|\bcannot open (?:file\b|\S+: No such file$)|\bNoSuchFileException\b|\bThe system cannot find the (?:file|path)\b/i,
  },
  {
    category: "non-finite",
    pattern:
      /\b(?:loss|gradient|grad|norm|value|metric|logits?|weights?|output|score|perplexity|reward)s?\b[^.]{0,60}?(?<![\w./-])(?:is|are|was|were|became|becomes|contains?|has|=|:|==|to)\s*(?:an? |all )?(?:non-finite\b|(?:nan|[-+]?inf(?:inity)?)(?:s|\(?[a-z]+\))?(?![\w/-]|\.\w))|(?<![\w./-])(?:NaN|[-+]?Inf(?:inity)?|non-finite)(?: or (?:NaN|Inf(?:inity)?))? (?:loss|gradients?|values?|metrics?|weights?|logits?|outputs?)\b|\bcontains? (?:NaN|infinity|Inf)(?![\w/-]|\.\w)|\bOut of range float values are not JSON compliant\b|\b(?:NaN|Infinity|Inf) (?:detected|encountered|found)\b|\bFloatingPointError\b|\breturned nan values\b/i,
  },
  {
    category: "assertion",
    pattern:
      /^(?:E\s+)?(?:Uncaught )?Assertion(?:Error| failed| failure)\b|\bAssertionError\b(?: \[ERR_ASSERTION\])?(?::|$)|\bAssertion .{1,300} failed\b|\bdevice-side assert triggered\b|\bassertion failed:|\bERR_ASSERTION\b/i,
  },
];

/** A line in which a program tells of a trouble that it has dealt with. NCCL calls its errors warnings. */
const survived =
  /(?<!\bNCCL )\b(?:\w*warn(?:ing)?|info|debug|notice|retry(?:ing)?|ignor(?:ed|ing)|skipp(?:ed|ing)|fall(?:ing)? back|optional|continuing|proceeding|using default|disabled)\b/i;

/** The exception that ended a program, when no rule knows it: then no earlier line is the cause. */
const lastException = /^(?:Uncaught )?(?:[\w.]+\.)?\w*(?:Error|Exception)\b(?:: | \[|$)/;

/** Exceptions that only say that another program failed. */
const failureElsewhere = /\b(?:CalledProcessError|ChildFailedError|ProcessExitedException|ProcessRaisedException)\b/;

/** How many of the last lines are searched. */
const searchedLines = 200;

/**
 * Says why an attempt failed. The exit record decides first: what was stopped by its time limit did not fail by a line
 * of its log. Then the last line that names a cause counts, in the error stream before the output, because a program
 * writes many things on its way and the fatal one last. Warnings never count.
 */
export function classifyFailure(witnesses: FailureWitnesses): Failure {
  const { exit, result } = witnesses;
  if (exit?.reason === "time-limit") return { category: "timeout", evidence: "It was stopped at its time limit." };
  if (exit?.reason === "signal" && exit.signal === "TERM") {
    return { category: "preempted", evidence: "It was terminated from outside (SIGTERM)." };
  }
  if (exit?.code === 0) return byResult(result);
  if (exit === null) return byDeath(witnesses.goneEvidence ?? "The job is gone and left no record of its end.");
  const found = byLines(witnesses.stderrTail) ?? byLines(witnesses.stdoutTail);
  return found ?? bySignal(exit.signal) ?? byCode(exit.code, lastLine(witnesses));
}

function byResult(result: FailureWitnesses["result"]): Failure {
  if (result === null) return { category: "unknown", evidence: "It ended with status 0." };
  return { category: result.problem === "non-finite" ? "non-finite" : "bad-result", evidence: result.message };
}

/** A job that died with its script was killed together with it, or its disk is full: its own log proves neither. */
function byDeath(evidence: string): Failure {
  const full = evidence.includes("No space left on device");
  return { category: full ? "disk-full" : "node-failure", evidence };
}

function byLines(text: string): Failure | null {
  for (const line of text
    .split(/\r\n|\n|\r/)
    .slice(-searchedLines)
    .toReversed()) {
    const plain = line.replaceAll(ansiColours, "").trim().slice(0, 2000);
    if (survived.test(plain)) continue;
    const evidence = plain.slice(0, 500);
    const rule = rules.find(({ pattern }) => pattern.test(plain));
    if (rule !== undefined) return { category: rule.category, evidence };
    if (lastException.test(plain) && !failureElsewhere.test(plain)) return { category: "unknown", evidence };
  }
  return null;
}

// oxlint-disable-next-line no-control-regex -- terminals are told about colours by a control character
const ansiColours = /\u001B\[[0-9;]*m/g;

function bySignal(signal: string | null): Failure | null {
  if (signal === null) return null;
  if (signal === "KILL") {
    return {
      category: "out-of-memory-host",
      evidence: "It was killed (SIGKILL), as the system does when memory is short.",
    };
  }
  if (signal === "XFSZ") return { category: "quota", evidence: "It passed the limit of file size (SIGXFSZ)." };
  if (signal === "XCPU") return { category: "timeout", evidence: "It passed the limit of CPU time (SIGXCPU)." };
  if (signal === "ABRT") return { category: "assertion", evidence: "It aborted itself (SIGABRT)." };
  if (signal === "BUS") return { category: "node-failure", evidence: "A memory access failed (SIGBUS)." };
  return { category: "unknown", evidence: `It was ended by SIG${signal}.` };
}

function byCode(code: number | null, last: string): Failure {
  if (code === 127) return { category: "missing-file", evidence: last || "The command was not found (status 127)." };
  if (code === 126) return { category: "permission", evidence: last || "The command is not executable (status 126)." };
  return { category: "unknown", evidence: last || `It ended with status ${code} and wrote nothing.` };
}

function lastLine(witnesses: FailureWitnesses): string {
  const lines = `${witnesses.stdoutTail}\n${witnesses.stderrTail}`.split("\n");
  return (lines.findLast((line) => line.trim() !== "") ?? "").replaceAll(ansiColours, "").trim().slice(0, 500);
}

export type RetryClass = "infrastructure" | "preemption" | "code";

const infrastructure: ReadonlySet<FailureCategory> = new Set(["disk-full", "quota", "network", "node-failure"]);

/** Which limit of `retry` a failure counts against. An attempt that was lost counts as `node-failure`. */
export function retryClass(category: FailureCategory): RetryClass {
  if (category === "preempted") return "preemption";
  return infrastructure.has(category) ? "infrastructure" : "code";
}
