import { describe, expect, test } from "vitest";
import { failureCategories } from "./failure-category.ts";
import { classifyFailure, retryClass } from "./failures.ts";
import type { FailureWitnesses } from "./failures.ts";
import { failureTexts } from "./failures.testing.ts";

const exited = { code: 1, signal: null, reason: "exited", oom_kills: 0 } as const;
const quiet: FailureWitnesses = { exit: exited, stderrTail: "", stdoutTail: "", result: null };

function failed(stderrTail: string, more: Partial<FailureWitnesses> = {}) {
  return classifyFailure({ ...quiet, stderrTail, ...more });
}

const traced = (exception: string) =>
  `epoch 1\nTraceback (most recent call last):\n  File "/x/a.py", line 3, in <module>\n    raise ValueError("No space left on device")\n${exception}\n`;

describe("what a failed program writes", () => {
  test.each(failureTexts)("is $category: $evidence [job.category] [F25]", ({ category, evidence, text }) => {
    expect(failed(text ?? traced(evidence))).toEqual({ category, evidence: evidence.trim() });
  });

  test("the quota is told from the full disk although both are a lack of space [F25] [F21]", () => {
    expect(failed("write error: Disk quota exceeded").category).toBe("quota");
    expect(failed("write error: No space left on device").category).toBe("disk-full");
  });
});

describe("a trouble with the network", () => {
  const refused = "ConnectionRefusedError: [Errno 111] Connection refused";

  test("counts only as the end of the program: what goes on after it has survived it [F25] [job.retry]", () => {
    expect(failed(traced(refused)).category).toBe("network");
    expect(failed(`${traced(refused)}epoch 2\n`).category).toBe("unknown");
    expect(failed("curl: (6) Could not resolve host: x\nusing the copy of yesterday\nbad data\n")).toEqual({
      category: "unknown",
      evidence: "bad data",
    });
  });

  test("is not the end where another exception is, whatever led to it [F25]", () => {
    const text = `${traced(refused)}
The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "<string>", line 4, in <module>
mypackage.NoData: nothing to train on
`;
    expect(failed(text)).toEqual({ category: "unknown", evidence: "mypackage.NoData: nothing to train on" });
  });

  test("of a thread did not end the program [F25]", () => {
    const text = `Exception in thread Thread-1 (f):\n${traced(refused).replace("epoch 1\n", "")}goes on\n`;
    expect(failed(text)).toEqual({ category: "unknown", evidence: "goes on" });
  });

  test("counts although the report of a launcher follows [F25]", () => {
    const text = `${traced(refused)}E1121 10:00:01.000 77 torch/distributed/elastic/multiprocessing/api.py:882] failed (exitcode: 1)
Traceback (most recent call last):
  File "/usr/bin/torchrun", line 8, in <module>
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
`;
    expect(failed(text)).toEqual({ category: "network", evidence: refused });
  });
});

describe("exceptions", () => {
  test("that name another as their direct cause have its category [F25]", () => {
    const text = `Traceback (most recent call last):
  File "<string>", line 3, in <module>
MemoryError: x

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "<string>", line 4, in <module>
RuntimeError: step failed
`;
    expect(failed(text)).toEqual({ category: "out-of-memory-host", evidence: "MemoryError: x" });
    expect(failed(text.replace("The above", "During handling of the above")).category).toBe("unknown");
  });

  test("of the logging module did not end the program [F25]", () => {
    const text = `--- Logging error ---
Traceback (most recent call last):
  File "<string>", line 6, in emit
OSError: [Errno 28] No space left on device
Call stack:
  File "<string>", line 8, in <module>
    self._log(ERROR, msg, args, **kwargs)
Message: 'hello %s'
Arguments: (3,)
ERROR:x:hello 3
`;
    expect(failed(text)).toEqual({ category: "unknown", evidence: "ERROR:x:hello 3" });
  });

  test("of one process outweigh what its partners saw of its end [F25] [job.retry]", () => {
    const text = `[rank1]: ${traced("ValueError: bad batch").trim().replaceAll("\n", "\n[rank1]: ")}
[rank0]: Traceback (most recent call last):
[rank0]:   File "/x/train.py", line 3, in <module>
[rank0]: torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:2006, remote process exited or there was a network error
`;
    expect(failed(text)).toEqual({ category: "unknown", evidence: "ValueError: bad batch" });
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
    const text = "MemoryError\nsubprocess.CalledProcessError: Command 'x' returned non-zero exit status 1.";
    expect(failed(text)).toEqual({ category: "out-of-memory-host", evidence: "MemoryError" });
  });

  test("a line that was written long before the end is not the cause [F25]", () => {
    const steps = Array.from({ length: 12 }, (_, index) => `step ${index}`).join("\n");
    expect(failed(`cat: cache.json: No such file or directory\n${steps}\n`)).toEqual({
      category: "unknown",
      evidence: "step 11",
    });
  });

  test("colours of a terminal are left out of the evidence", () => {
    expect(failed("\u001b[31mMemoryError\u001b[0m").evidence).toBe("MemoryError");
  });

  test("a cause in the output counts where the error stream names none", () => {
    expect(failed("", { stdoutTail: "OSError: [Errno 28] No space left on device" }).category).toBe("disk-full");
  });
});

describe("the record of the end", () => {
  test("a time limit is a timeout, whatever the log says [job.category]", () => {
    const exit = { ...exited, code: 143, signal: "TERM", reason: "time-limit" } as const;
    expect(failed("Killed", { exit }).category).toBe("timeout");
  });

  test("a job that was told to end is preempted; a command that a SIGTERM ended was killed by somebody [F16] [job.retry]", () => {
    const told = { ...exited, code: 0, signal: "TERM", reason: "terminated" } as const;
    expect(failed("", { exit: told }).category).toBe("preempted");
    const ended = { ...exited, code: 143, signal: "TERM", reason: "signal" } as const;
    expect(failed("", { exit: ended }).category).toBe("killed");
  });

  test.each([
    ["KILL", "killed"],
    ["TERM", "killed"],
    ["SEGV", "crash"],
    ["ABRT", "crash"],
    ["BUS", "crash"],
    ["XFSZ", "unknown"],
    ["XCPU", "timeout"],
    ["USR1", "unknown"],
  ] as const)("SIG%s without a message is %s and is named [F41] [job.category]", (signal, category) => {
    const found = failed("", { exit: { ...exited, code: 137, signal, reason: "signal" } });
    expect(found.category).toBe(category);
    expect(found.evidence).toContain(`SIG${signal}`);
  });

  test("SIGKILL means a lack of memory only where the kernel has counted one [F25]", () => {
    const exit = { code: 137, signal: "KILL", reason: "signal" } as const;
    for (const oom_kills of [null, 0]) {
      expect(failed("", { exit: { ...exit, oom_kills } })).toEqual({
        category: "killed",
        evidence: "It was ended by SIGKILL; nothing says who sent it.",
      });
    }
    expect(failed("", { exit: { ...exit, oom_kills: 1 } })).toEqual({
      category: "out-of-memory-host",
      evidence: "It was ended by SIGKILL; the kernel ended a process for lack of memory meanwhile.",
    });
    // A worker was killed, and its parent told of it.
    const worker = traced("RuntimeError: DataLoader worker (pid 4711) is killed by signal: Killed.");
    expect(failed(worker, { exit: { ...exited, oom_kills: 1 } }).category).toBe("out-of-memory-host");
    expect(failed(worker).category).toBe("killed");
    // Somebody else's process was killed, and this one failed by itself.
    expect(failed(traced("ValueError: x"), { exit: { ...exited, oom_kills: 1 } }).category).toBe("unknown");
  });

  test("what was killed did not fail by a line of its log; what a scheduler wrote about it counts [F25]", () => {
    const exit = { code: 137, signal: "KILL", reason: "signal", oom_kills: null } as const;
    expect(failed(traced("FileNotFoundError: x"), { exit }).category).toBe("killed");
    const line = "slurmstepd: error: Detected 1 oom_kill event in StepId=1.batch.";
    expect(failed(`step 3\n${line}\n`, { exit })).toEqual({ category: "out-of-memory-host", evidence: line });
  });

  test("a missing command is named [job.missing-command]", () => {
    const found = failed("job.sh: 19: exec: no-such-program: not found\n", { exit: { ...exited, code: 127 } });
    expect(found.category).toBe("missing-file");
    expect(found.evidence).toContain("no-such-program");
  });

  test("status 126 is a matter of permission [job.category]", () => {
    expect(failed("", { exit: { ...exited, code: 126 } }).category).toBe("permission");
  });

  test("status 0 with a bad result is a failure; lines of a program that succeeded are no cause [F12] [job.bad-result]", () => {
    const result = { problem: "empty", message: "result.json is empty." };
    const stderrTail = "ModuleNotFoundError: No module named 'x'";
    expect(failed(stderrTail, { exit: { ...exited, code: 0 }, result })).toEqual({
      category: "bad-result",
      evidence: "result.json is empty.",
    });
  });

  test("a result that is not finite has its own category [F12]", () => {
    const result = { problem: "non-finite", message: "result.json: the metric loss is NaN, not a finite number." };
    expect(failed("", { exit: { ...exited, code: 0 }, result }).category).toBe("non-finite");
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
    "killed",
    "node-failure",
    "not-started",
    "unprepared",
    "submission",
  ]);
  expect(classes.filter(([, name]) => name === "preemption")).toEqual([["preempted", "preemption"]]);
});
