import { describe, expect, test } from "vitest";
import { classifyFailure, failureCategories, retryClass } from "./failures.ts";
import type { FailureCategory, FailureWitnesses } from "./failures.ts";

function failed(stderrTail: string, more: Partial<FailureWitnesses> = {}) {
  return classifyFailure({
    exit: { code: 1, signal: null, reason: "exited" },
    stderrTail,
    stdoutTail: "",
    result: null,
    ...more,
  });
}

/** Lines as real programs print them. */
const corpus: readonly (readonly [FailureCategory, string])[] = [
  [
    "out-of-memory-gpu",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.11 GiB",
  ],
  ["out-of-memory-gpu", "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB"],
  [
    "out-of-memory-gpu",
    "RuntimeError: CUDA out of memory. Tried to allocate 1.00 GiB (GPU 0; 10.76 GiB total capacity)",
  ],
  ["out-of-memory-gpu", "RuntimeError: CUDA error: out of memory"],
  ["out-of-memory-gpu", "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"],
  [
    "out-of-memory-gpu",
    "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate",
  ],
  [
    "out-of-memory-gpu",
    "RuntimeError: MPS backend out of memory (MPS allocated: 17.93 GB, other allocations: 81.92 KB)",
  ],
  ["out-of-memory-host", "MemoryError"],
  [
    "out-of-memory-host",
    "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 74.5 GiB\nMemoryError: Unable to allocate 74.5 GiB",
  ],
  ["out-of-memory-host", "Killed"],
  ["out-of-memory-host", "run.sh: line 3: 12345 Killed                  python train.py"],
  [
    "out-of-memory-host",
    "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----",
  ],
  ["out-of-memory-host", "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"],
  ["out-of-memory-host", "OSError: [Errno 12] Cannot allocate memory"],
  ["out-of-memory-host", "slurmstepd: error: Detected 1 oom_kill event in StepId=1.batch."],
  ["missing-module", "ModuleNotFoundError: No module named 'torch'"],
  ["missing-module", "ImportError: cannot import name 'foo' from 'bar' (/x/bar.py)"],
  ["missing-module", "/usr/bin/python3: No module named pip"],
  ["missing-module", "Error: Cannot find module './lib.js'\nRequire stack:\n- /x/train.js"],
  ["missing-module", "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'zod' imported from /x/train.ts"],
  ["missing-module", "a.out: error while loading shared libraries: libcudnn.so.9: cannot open shared object file"],
  ["missing-file", "FileNotFoundError: [Errno 2] No such file or directory: 'data/train.csv'"],
  ["missing-file", "Error: ENOENT: no such file or directory, open 'corpus.txt'"],
  ["missing-file", "cat: data.txt: No such file or directory"],
  ["missing-file", "/bin/sh: 1: pyhton: not found"],
  ["missing-file", "sh: 0: cannot open train.sh: No such file"],
  ["missing-file", "bash: line 1: pyhton: command not found"],
  ["disk-full", "OSError: [Errno 28] No space left on device"],
  ["disk-full", "Error: ENOSPC: no space left on device, write"],
  ["quota", "OSError: [Errno 122] Disk quota exceeded: '/home/a/checkpoints/1.pt'"],
  ["quota", "tar: model.bin: Cannot write: Disk quota exceeded"],
  ["permission", "PermissionError: [Errno 13] Permission denied: '/data/x'"],
  ["permission", "/bin/sh: 1: ./train.sh: Permission denied"],
  ["permission", "OSError: [Errno 30] Read-only file system: 'out.json'"],
  ["network", "ConnectionResetError: [Errno 104] Connection reset by peer"],
  [
    "network",
    "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x', port=443): Max retries exceeded with url: /a",
  ],
  ["network", "curl: (6) Could not resolve host: example.org"],
  ["network", "socket.gaierror: [Errno -3] Temporary failure in name resolution"],
  ["network", "Error: getaddrinfo ENOTFOUND example.org"],
  [
    "network",
    "requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='x', port=443): Read timed out. (read timeout=10)",
  ],
  ["network", "requests.exceptions.HTTPError: 503 Server Error: Service Unavailable for url: x"],
  [
    "node-failure",
    "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:2006, unhandled system error, NCCL version 2.20.5",
  ],
  ["node-failure", "gpu-7:123:456 [0] misc/socket.cc:538 NCCL WARN Net : Call to recv failed with error : closed"],
  [
    "node-failure",
    "[rank3]:[E1 ProcessGroupNCCL.cpp:563] [Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9)",
  ],
  ["node-failure", "RuntimeError: CUDA error: uncorrectable ECC error encountered"],
  ["node-failure", "OSError: [Errno 5] Input/output error: '/scratch/x'"],
  ["assertion", "AssertionError: shapes differ"],
  ["assertion", "AssertionError"],
  ["assertion", "AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:"],
  ["assertion", "a.out: main.c:3: main: Assertion `x == 1' failed."],
  ["assertion", "RuntimeError: CUDA error: device-side assert triggered"],
  ["non-finite", "ValueError: loss is nan at step 120"],
  ["non-finite", "RuntimeError: Function 'MulBackward0' returned nan values in its 0th output."],
  ["non-finite", "ValueError: Input X contains NaN."],
  ["non-finite", "FloatingPointError: overflow encountered in exp"],
  ["non-finite", "ValueError: Out of range float values are not JSON compliant: nan"],
  ["non-finite", "Loss is NaN, stopping training"],
];

describe("what a failed program writes", () => {
  test.each(corpus)("is %s: %s [job.category] [F25]", (category, text) => {
    const found = failed(`Traceback (most recent call last):\n  File "/x/a.py", line 3, in <module>\n${text}\n`);
    expect(found.category).toBe(category);
    expect(text).toContain(found.evidence);
  });

  test("the quota is told from the full disk although both are a lack of space [F25] [F21]", () => {
    expect(failed("write error: Disk quota exceeded").category).toBe("quota");
    expect(failed("write error: No space left on device").category).toBe("disk-full");
  });
});

describe("lines that prove nothing", () => {
  test.each([
    "Loading configuration nano.cfg",
    "banana",
    "saved finance.csv",
    "loss: inference finished",
    "the score is info",
    "WARNING: No module named 'apex'; falling back to the slow path",
    "UserWarning: loss is nan in batch 3, skipping",
    "Could not import flash_attn: No module named 'flash_attn'; continuing without it",
    "Killedeer is a bird",
    "INFO retrying after Connection reset by peer",
    "epoch 3 nanoseconds=12",
  ])("%s [F25]", (line) => {
    expect(failed(`${line}\nsomething else went wrong`)).toEqual({
      category: "unknown",
      evidence: "something else went wrong",
    });
  });

  test("an early message does not outweigh the exception that ended the program [F25]", () => {
    const text = "cat: cache.json: No such file or directory\nepoch 1\nValueError: 3 classes expected, 4 given\n";
    expect(failed(text)).toEqual({ category: "unknown", evidence: "ValueError: 3 classes expected, 4 given" });
  });

  test("the last of several causes counts [F25]", () => {
    const text = "cat: cache.json: No such file or directory\nepoch 1\nRuntimeError: CUDA out of memory. Tried\n";
    expect(failed(text).category).toBe("out-of-memory-gpu");
  });

  test("an exception that only reports another program's failure is not the cause [F25]", () => {
    const text = "Killed\nsubprocess.CalledProcessError: Command 'x' returned non-zero exit status 137.";
    expect(failed(text)).toEqual({ category: "out-of-memory-host", evidence: "Killed" });
  });

  test("colours of a terminal are left out of the evidence", () => {
    expect(failed("\u001b[31mMemoryError\u001b[0m").evidence).toBe("MemoryError");
  });

  test("a cause in the output counts where the error stream names none", () => {
    expect(failed("", { stdoutTail: "OSError: [Errno 28] No space left on device" }).category).toBe("disk-full");
  });
});

describe("the record of the end", () => {
  const quiet = { stderrTail: "", stdoutTail: "", result: null };

  test("a time limit is a timeout, whatever the log says [job.category]", () => {
    const exit = { code: 143, signal: "TERM", reason: "time-limit" } as const;
    expect(classifyFailure({ ...quiet, exit, stderrTail: "Killed" }).category).toBe("timeout");
  });

  test.each([
    ["KILL", "out-of-memory-host"],
    ["TERM", "preempted"],
    ["SEGV", "unknown"],
    ["ABRT", "assertion"],
    ["XFSZ", "quota"],
    ["BUS", "node-failure"],
  ] as const)("SIG%s without a message is %s and is named [F41] [job.category]", (signal, category) => {
    const found = classifyFailure({ ...quiet, exit: { code: 137, signal, reason: "signal" } });
    expect(found.category).toBe(category);
    expect(found.evidence).toContain(`SIG${signal}`);
  });

  test("a job without a record is lost, never completed [F16]", () => {
    const found = classifyFailure({
      ...quiet,
      exit: null,
      goneEvidence: "Process 7 died without a record of its end.",
    });
    expect(found).toEqual({ category: "node-failure", evidence: "Process 7 died without a record of its end." });
  });

  test("a missing command is named [job.missing-command]", () => {
    const exit = { code: 127, signal: null, reason: "exited" } as const;
    const stderrTail = "job.sh: 19: exec: no-such-program: not found\n";
    const found = classifyFailure({ ...quiet, exit, stderrTail });
    expect(found.category).toBe("missing-file");
    expect(found.evidence).toContain("no-such-program");
  });

  test("status 126 is a matter of permission [job.category]", () => {
    const exit = { code: 126, signal: null, reason: "exited" } as const;
    expect(classifyFailure({ ...quiet, exit }).category).toBe("permission");
  });

  test("status 0 with a bad result is a failure; lines of a program that succeeded are no cause [F12] [job.bad-result]", () => {
    const exit = { code: 0, signal: null, reason: "exited" } as const;
    const result = { problem: "empty", message: "result.json is empty." };
    const stderrTail = "ModuleNotFoundError: No module named 'x'";
    expect(classifyFailure({ exit, stderrTail, stdoutTail: "", result })).toEqual({
      category: "bad-result",
      evidence: "result.json is empty.",
    });
  });

  test("a result that is not finite has its own category [F12]", () => {
    const exit = { code: 0, signal: null, reason: "exited" } as const;
    const result = { problem: "non-finite", message: "result.json: the metric loss is NaN, not a finite number." };
    expect(classifyFailure({ ...quiet, exit, result }).category).toBe("non-finite");
  });

  test("a failure that says nothing has its last line as evidence", () => {
    expect(failed("one\ntwo\n").evidence).toBe("two");
    expect(failed("").evidence).toContain("status 1");
  });
});

test("only what another machine or another hour can cure is retried as infrastructure [job.retry] [F20]", () => {
  const classes = failureCategories.map((category) => [category, retryClass(category)] as const);
  expect(classes.filter(([, name]) => name === "infrastructure").map(([category]) => category)).toEqual([
    "disk-full",
    "quota",
    "network",
    "node-failure",
  ]);
  expect(classes.filter(([, name]) => name === "preemption")).toEqual([["preempted", "preemption"]]);
});
