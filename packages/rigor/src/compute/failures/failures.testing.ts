import type { FailureCategory } from "./failure-category.ts";

/** What real programs print when they fail: the category that it proves, and the line that proves it. */
export interface FailureText {
  category: FailureCategory;
  evidence: string;
  /** Everything that was printed; the evidence as the exception of a Python program where it is left out. */
  text?: string;
}

const tool = (category: FailureCategory, evidence: string, text = `${evidence}\n`): FailureText => {
  return { category, evidence, text };
};
const python = (category: FailureCategory, evidence: string): FailureText => ({ category, evidence });

export const failureTexts: readonly FailureText[] = [
  // Memory of a GPU
  python(
    "out-of-memory-gpu",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.11 GiB",
  ),
  python("out-of-memory-gpu", "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB"),
  python("out-of-memory-gpu", "RuntimeError: CUDA out of memory. Tried to allocate 1.00 GiB (GPU 0; 10.76 GiB total)"),
  tool(
    "out-of-memory-gpu",
    "RuntimeError: CUDA error: out of memory",
    `Traceback (most recent call last):
  File "train.py", line 9, in <module>
    x = x.cuda()
RuntimeError: CUDA error: out of memory
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with \`TORCH_USE_CUDA_DSA\` to enable device-side assertions.

`,
  ),
  python(
    "out-of-memory-gpu",
    "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
  ),
  python(
    "out-of-memory-gpu",
    "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 34359738368 bytes.",
  ),
  python(
    "out-of-memory-gpu",
    "RuntimeError: MPS backend out of memory (MPS allocated: 17.93 GB, other allocations: 81.92 KB, max allowed: 18.13 GB).",
  ),
  tool(
    "out-of-memory-gpu",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    `[rank1]: Traceback (most recent call last):
[rank1]:   File "/x/train.py", line 3, in <module>
[rank1]:     main()
[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.
[rank0]:[E1121 10:00:00.000000000 ProcessGroupNCCL.cpp:616] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9, OpType=ALLREDUCE)
E1121 10:00:01.000 77 torch/distributed/elastic/multiprocessing/api.py:882] failed (exitcode: 1) local_rank: 1 (pid: 79) of binary: /usr/bin/python3
Traceback (most recent call last):
  File "/usr/bin/torchrun", line 8, in <module>
    sys.exit(main())
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
------------------------------------------------------------
`,
  ),

  // Memory of the host
  python("out-of-memory-host", "MemoryError"),
  python(
    "out-of-memory-host",
    "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 728. TiB for an array with shape (10000000, 10000000) and data type float64",
  ),
  tool(
    "out-of-memory-host",
    "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
    `
<--- Last few GCs --->

[6685:0x16000000]       37 ms: Mark-Compact 16.0 (25.3) -> 15.9 (32.5) MB, pooled: 0 MB, 9.80 / 0.00 ms

FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory
----- Native stack trace -----

 1: 0x931db0  [node]
 2: 0x75968e node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]
 3: 0xc70d60  [node]
 4: 0xc70e4f  [node]
 5: 0xf14725  [node]
 6: 0xf2608c  [node]
 7: 0xefb543  [node]
 8: 0xed0694  [node]
 9: 0xeb7657  [node]
10: 0x110b6e3  [node]
11: 0x111e1a9  [node]
12: 0x113ad18  [node]
Aborted
`,
  ),
  tool(
    "out-of-memory-host",
    "what():  std::bad_alloc",
    "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
  ),
  python("out-of-memory-host", "OSError: [Errno 12] Cannot allocate memory"),
  python(
    "out-of-memory-host",
    "RuntimeError: [enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 400000000000 bytes. Error code 12 (Cannot allocate memory)",
  ),
  tool(
    "out-of-memory-host",
    "slurmstepd: error: Detected 1 oom_kill event in StepId=1.batch. Some of the step tasks have been OOM Killed.",
  ),
  tool(
    "out-of-memory-host",
    "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch cgroup.",
    "step 10\nKilled\nslurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch cgroup.\n",
  ),
  tool("out-of-memory-host", "=>> PBS: job killed: mem 8405460kb exceeded limit 8388608kb"),
  tool("timeout", "=>> PBS: job killed: walltime 3614 exceeded limit 3600"),
  tool("timeout", "slurmstepd: error: *** JOB 311644 ON n1 CANCELLED AT 2026-01-02T03:04:05 DUE TO TIME LIMIT ***"),
  tool(
    "node-failure",
    "slurmstepd: error: *** JOB 5 ON n1 CANCELLED AT 2026-01-02T03:04:05 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***",
  ),

  // Ended by a signal that says nothing
  tool("killed", "Killed"),
  tool("killed", "k.sh: line 1:  6700 Killed                  python3 train.py"),
  tool(
    "killed",
    "subprocess.CalledProcessError: Command '['sh', '-c', 'kill -9 $$']' died with <Signals.SIGKILL: 9>.",
    `Traceback (most recent call last):
  File "/usr/lib/python3.11/subprocess.py", line 571, in run
    raise CalledProcessError(retcode, process.args,
subprocess.CalledProcessError: Command '['sh', '-c', 'kill -9 $$']' died with <Signals.SIGKILL: 9>.
`,
  ),
  python("killed", "RuntimeError: DataLoader worker (pid 4711) is killed by signal: Killed. "),

  // Modules and files
  python("missing-module", "ModuleNotFoundError: No module named 'torch'"),
  python("missing-module", "ImportError: cannot import name 'foo' from 'bar' (/x/bar.py)"),
  tool("missing-module", "/usr/bin/python3: No module named pip"),
  tool(
    "missing-module",
    "Error: Cannot find module './lib.js'",
    `node:internal/modules/cjs/loader:1386
  throw err;
  ^

Error: Cannot find module './lib.js'
Require stack:
- /x/train.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1383:15) {
  code: 'MODULE_NOT_FOUND',
  requireStack: [ '/x/train.js' ]
}

Node.js v24.21.0
`,
  ),
  tool(
    "missing-module",
    "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'zod' imported from /x/train.mjs",
    `node:internal/modules/package_json_reader:331
  throw new ERR_MODULE_NOT_FOUND(packageName, fileURLToPath(base), null);
        ^

Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'zod' imported from /x/train.mjs
    at Object.getPackageJSONURL (node:internal/modules/package_json_reader:331:9)
    at ModuleJob.syncLink (node:internal/modules/esm/module_job:276:33) {
  code: 'ERR_MODULE_NOT_FOUND'
}

Node.js v24.21.0
`,
  ),
  tool("missing-module", "a.out: error while loading shared libraries: libcudnn.so.9: cannot open shared object file"),
  python("missing-file", "FileNotFoundError: [Errno 2] No such file or directory: 'data/info.csv'"),
  tool(
    "missing-file",
    "Error: ENOENT: no such file or directory, open 'corpus.txt'",
    `node:fs:621
  return binding.open(
                 ^

Error: ENOENT: no such file or directory, open 'corpus.txt'
    at Object.openSync (node:fs:621:18)
    at Object.<anonymous> (/x/d.cjs:1:28) {
  errno: -2,
  code: 'ENOENT',
  syscall: 'open',
  path: 'corpus.txt'
}

Node.js v24.21.0
`,
  ),
  tool("missing-file", "cat: data.txt: No such file or directory"),
  tool("missing-file", "python3: can't open file '/x/train.py': [Errno 2] No such file or directory"),
  tool("missing-file", "/bin/sh: 1: pyhton: not found"),
  tool("missing-file", "job.sh: 19: exec: no-such-program: not found"),
  tool("missing-file", "sh: 0: cannot open train.sh: No such file"),
  tool("missing-file", "bash: line 1: pyhton: command not found"),
  tool("permission", "/bin/sh: 1: ./train.sh: Permission denied"),
  python("permission", "PermissionError: [Errno 13] Permission denied: '/data/x'"),
  python("permission", "OSError: [Errno 30] Read-only file system: 'out.json'"),
  python("permission", "Error: EACCES: permission denied, open '/data/x'"),

  // Disks
  python("disk-full", "OSError: [Errno 28] No space left on device"),
  tool("disk-full", "Error: ENOSPC: no space left on device, write"),
  tool("disk-full", "cp: error writing '/scratch/x': No space left on device"),
  tool(
    "disk-full",
    "tar: /scratch/x.tar: Cannot write: No space left on device",
    "tar: Removing leading `/' from member names\ntar: /scratch/x.tar: Cannot write: No space left on device\ntar: Error is not recoverable: exiting now\n",
  ),
  python(
    "disk-full",
    "OSError: [Errno 28] Can't write data (file write failed: errno = 28, error message = 'No space left on device', buf = 0x55)",
  ),
  tool(
    "disk-full",
    "OSError: [Errno 28] No space left on device",
    `Traceback (most recent call last):
  File "<string>", line 8, in <module>
  File "<string>", line 7, in f
OSError: [Errno 28] No space left on device
Exception ignored in: <function A.__del__ at 0x7f65c9f35bc0>
Traceback (most recent call last):
  File "<string>", line 3, in __del__
AttributeError: late
`,
  ),
  python("quota", "OSError: [Errno 122] Disk quota exceeded: '/home/a/checkpoints/1.pt'"),
  tool("quota", "Error: Unknown system error -122: Unknown system error -122, write"),
  tool("quota", "tar: model.bin: Cannot write: Disk quota exceeded"),

  // Network, as the last thing that was written
  python("network", "ConnectionRefusedError: [Errno 111] Connection refused"),
  python("network", "urllib.error.URLError: <urlopen error [Errno 111] Connection refused>"),
  python("network", "urllib.error.HTTPError: HTTP Error 503: Service Unavailable"),
  python("network", "socket.gaierror: [Errno -3] Temporary failure in name resolution"),
  python(
    "network",
    "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x', port=443): Max retries exceeded with url: /a",
  ),
  python(
    "network",
    "requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='x', port=443): Read timed out. (read timeout=10)",
  ),
  python("network", "requests.exceptions.HTTPError: 503 Server Error: Service Unavailable for url: https://x/a"),
  python("network", "OSError: We couldn't connect to 'https://huggingface.co' to load the files."),
  tool(
    "network",
    "Error: connect ECONNREFUSED 127.0.0.1:45999",
    `node:internal/modules/run_main:107
    triggerUncaughtException(
    ^

[TypeError: fetch failed] {
  [cause]: Error: connect ECONNREFUSED 127.0.0.1:45999
      at TCPConnectWrap.afterConnect [as oncomplete] (node:net:2021:16) {
    errno: -111,
    code: 'ECONNREFUSED',
    syscall: 'connect',
    address: '127.0.0.1',
    port: 45999
  }
}

Node.js v24.21.0
`,
  ),
  tool(
    "network",
    "Error: getaddrinfo ENOTFOUND example.invalid",
    `node:events:505
    throw er; // Unhandled 'error' event
    ^

Error: getaddrinfo ENOTFOUND example.invalid
    at GetAddrInfoReqWrap.onlookupall [as oncomplete] (node:dns:122:26)
Emitted 'error' event on Socket instance at:
    at emitErrorNT (node:internal/streams/destroy:170:8) {
  errno: -3008,
  code: 'ENOTFOUND'
}

Node.js v24.21.0
`,
  ),
  tool("network", "curl: (6) Could not resolve host: example.org"),
  tool(
    "network",
    "0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0curl: (6) Could not resolve host: x",
  ),
  tool("network", "curl: (7) Failed to connect to 127.0.0.1 port 1 after 4 ms: Couldn't connect to server"),
  tool("network", "ssh: connect to host 127.0.0.1 port 1: Connection refused"),
  tool("network", "fatal: unable to access 'http://127.0.0.1:1/x/': Failed to connect to 127.0.0.1 port 1 after 0 ms"),
  tool("network", "Connecting to 127.0.0.1:1... failed: Connection refused."),

  // Nodes
  python(
    "node-failure",
    "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:2006, unhandled system error (run with NCCL_DEBUG=INFO for details), NCCL version 2.20.5",
  ),
  tool("node-failure", "gpu-7:123:456 [0] misc/socket.cc:538 NCCL WARN Net : Call to recv failed with error : closed"),
  tool(
    "node-failure",
    "[E1 ProcessGroupNCCL.cpp:563] [Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9)",
    "[rank3]:[E1 ProcessGroupNCCL.cpp:563] [Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9)\n",
  ),
  python("node-failure", "RuntimeError: CUDA error: uncorrectable ECC error encountered"),
  python("node-failure", "OSError: [Errno 5] Input/output error: '/scratch/x'"),
  tool("node-failure", "ls: cannot access '/home/a': Stale file handle"),

  // The program's own judgement
  python("assertion", "AssertionError: shapes differ"),
  python("assertion", "AssertionError"),
  tool(
    "assertion",
    "AssertionError [ERR_ASSERTION]: 1 == 2",
    `node:internal/modules/run_main:107
    triggerUncaughtException(
    ^

AssertionError [ERR_ASSERTION]: 1 == 2
    at file:///x/f.mjs:1:42 {
  generatedMessage: true,
  code: 'ERR_ASSERTION',
  actual: 1,
  expected: 2,
  operator: '=='
}

Node.js v24.21.0
`,
  ),
  tool("assertion", "a.out: main.c:3: main: Assertion `x == 1' failed."),
  python("assertion", "RuntimeError: CUDA error: device-side assert triggered"),
  python("non-finite", "ValueError: loss is nan at step 120"),
  python("non-finite", "RuntimeError: Function 'MulBackward0' returned nan values in its 0th output."),
  python("non-finite", "ValueError: Input X contains NaN."),
  python("non-finite", "ValueError: Input contains infinity or a value too large for dtype('float32')."),
  python("non-finite", "FloatingPointError: overflow encountered in exp"),
  python("non-finite", "ValueError: Out of range float values are not JSON compliant: nan"),
  python("non-finite", "ValueError: cannot convert float NaN to integer"),
  tool("non-finite", "Loss is NaN, stopping training"),

  // Exceptions that prove nothing but themselves
  python("unknown", "ValueError: 3 classes expected, 4 given"),
  python("unknown", "KeyError: 'Connection refused'"),
  python("unknown", "ValueError: the log says `Connection refused`"),
  python("unknown", "mypackage.ServerGone: Connection reset by peer"),
  python("unknown", "ValueError: label 'No space left on device' is unknown"),
  python("unknown", "KeyError: 'model not found'"),
  python("unknown", "RuntimeError: CUDA error: unspecified launch failure"),
  python("unknown", "RuntimeError: No CUDA GPUs are available"),
  python("unknown", "TimeoutError"),
  python(
    "unknown",
    "torch.distributed.DistBackendError: NCCL error in: NCCLUtils.hpp:219, invalid usage (run with NCCL_DEBUG=WARN for details)",
  ),
  python(
    "unknown",
    "triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 131072, Hardware limit: 101376.",
  ),
  python("unknown", "yaml.scanner.ScannerError: while scanning nano.cfg"),
];
