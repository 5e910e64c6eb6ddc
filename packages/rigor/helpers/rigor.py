"""Reports from a run to Rigor: one file, no dependency, Python 3.8 or newer. Copy it next to your code.

    import rigor

    run = rigor.open_run()
    rate = run.parameters.get("lr", 1e-3)
    for step in range(100):
        run.log(step, {"loss": train(rate, run.seed)})
    run.report({"accuracy": 0.93}, rigor.hash_inputs(training_set))

A run needs no helper: this file reads the environment variables ``RIGOR_*`` and writes two files into the directory
``RIGOR_OUTPUT``. ``metrics.jsonl`` has one line per call of ``log``, ``{"step": 10, "loss": 0.3}``; ``result.json`` is
``{"metrics": {...}, "inputs_hash": "..."}`` and appears complete or not at all.

Outside Rigor the same program runs with seed 0 and writes to ``./rigor-output``; a line on stderr says so.
"""

import hashlib
import json
import math
import numbers
import os
import struct
import sys

__all__ = ["Run", "hash_inputs", "open_run"]


class Run:
    """What a run is given, and the two ways it answers.

    id          id of the run; None outside Rigor
    arm, task   names; empty outside Rigor
    seed        an integer
    parameters  dict: parameters of arm, task and grid, merged
    output      absolute path of the directory for results and artifacts; it exists
    attempt     number of this attempt at the run, from 1, as text; None outside Rigor
    resume      directory with the checkpoints of the attempt before this one; None if there are none
    """

    def __init__(self, environment):
        inside = bool(environment.get("RIGOR_OUTPUT"))
        self.id = environment.get("RIGOR_RUN_ID") or None
        self.arm = environment.get("RIGOR_ARM", "")
        self.task = environment.get("RIGOR_TASK", "")
        self.seed = _read_seed(environment.get("RIGOR_SEED"))
        self.parameters = _read_parameters(environment.get("RIGOR_PARAMETERS"))
        self.output = os.path.abspath(environment.get("RIGOR_OUTPUT") or "rigor-output")
        self.attempt = environment.get("RIGOR_ATTEMPT") or None
        self.resume = environment.get("RIGOR_RESUME") or None
        self._needs = environment.get("RIGOR_NEEDS") or None
        self._metrics_path = os.path.join(self.output, "metrics.jsonl")
        self._metrics_file = None
        os.makedirs(self.output, exist_ok=True)
        if not inside:
            sys.stderr.write("rigor: not inside a run: seed %d, output in %s\n" % (self.seed, self.output))
            # Inside Rigor each attempt has a new directory, which several processes may share; by hand it is used again.
            open(self._metrics_path, "w").close()

    def need(self, folder):
        """Directory with the outputs of a run that this one needs, by its folder: need("pretrain").

        Nothing can be written there. Raises ValueError if the experiment declares no such need.
        """
        path = self._needs and os.path.join(self._needs, folder)
        if path and os.path.exists(path):
            return path
        raise ValueError('nothing is given as "%s": list it under `needs` of the arm "%s"' % (folder, self.arm))

    def log(self, step, values):
        """Append one line to metrics.jsonl: the values of some metrics at one step.

        The line is handed to the system before the call returns, so a run that is killed later has it.
        Raises ValueError if the step is not a non-negative integer, or a value is not a finite number.
        """
        if isinstance(step, bool) or not isinstance(step, numbers.Integral) or step < 0:
            raise ValueError("step %r is not a non-negative integer" % (step,))
        if "step" in values:
            raise ValueError('"step" is not a metric: it is the first argument of log')
        line = {"step": int(step)}
        line.update(_checked_metrics(values))
        if self._metrics_file is None:
            self._metrics_file = os.open(self._metrics_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        _write_whole(self._metrics_file, _json_line(line))

    def report(self, metrics, inputs_hash=None):
        """Write result.json by rename, so that no reader sees half of it. The last call counts.

        inputs_hash names the data that the run saw, from hash_inputs: equal in every arm of a task and seed.
        Raises ValueError if there is no metric, or a value is not a finite number.
        """
        result = {"metrics": _checked_metrics(metrics)}
        if inputs_hash is not None:
            result["inputs_hash"] = inputs_hash
        path = os.path.join(self.output, "result.json")
        following = "%s.%d.tmp" % (path, os.getpid())
        file = os.open(following, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            _write_whole(file, _json_line(result))
            os.fsync(file)  # so that the name never outlives the content in a power cut
        finally:
            os.close(file)
        os.replace(following, path)


def open_run(environment=None):
    """Read what the run was given. Call it once, at the start. Raises ValueError if a RIGOR_* variable is unusable."""
    return Run(os.environ if environment is None else environment)


def hash_inputs(*values):
    """SHA-256 of values, as 64 hexadecimal digits.

    Equal values give equal hashes here and in rigor.ts, whatever the order of the keys of a dict. Values may be None,
    booleans, finite numbers, texts, bytes, lists or tuples, and dicts with text keys. How each is written is described
    there. Raises ValueError for anything else, NaN, and integers that a 64-bit floating-point number cannot hold.
    """
    digest = hashlib.sha256()
    for value in values:
        _feed(digest, value)
    return digest.hexdigest()


def _feed(digest, value):
    if value is None:
        digest.update(b"n")
    elif isinstance(value, bool):
        digest.update(b"t" if value else b"f")
    elif isinstance(value, (int, float)):
        digest.update(b"d" + struct.pack(">d", _hashable_number(value)))
    elif isinstance(value, str):
        _feed_bytes(digest, b"s", value.encode("utf-8"))
    elif isinstance(value, (bytes, bytearray, memoryview)):
        _feed_bytes(digest, b"b", bytes(value))
    elif isinstance(value, (list, tuple)):
        digest.update(b"l%d:" % len(value))
        for item in value:
            _feed(digest, item)
    elif isinstance(value, dict) and all(isinstance(key, str) for key in value):
        digest.update(b"o%d:" % len(value))
        for key in sorted(value, key=lambda text: text.encode("utf-8")):
            _feed(digest, key)
            _feed(digest, value[key])
    else:
        raise ValueError("a %s cannot be hashed: %r" % (type(value).__name__, value))


def _feed_bytes(digest, kind, content):
    digest.update(kind + b"%d:" % len(content))
    digest.update(content)


def _hashable_number(value):
    if isinstance(value, int):
        if abs(value) > 2**53:
            raise ValueError("%d cannot be hashed: a 64-bit floating-point number cannot hold it" % value)
        return float(value)
    if not math.isfinite(value):
        raise ValueError("%r cannot be hashed" % value)
    return value + 0.0  # -0.0 becomes 0.0


def _read_seed(text):
    if not text:
        return 0
    try:
        return int(text)
    except ValueError:
        raise ValueError('RIGOR_SEED is "%s", not an integer' % text) from None


def _read_parameters(path):
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError) as cause:
        raise ValueError("RIGOR_PARAMETERS names %s, which cannot be read as JSON" % path) from cause
    if not isinstance(value, dict):
        raise ValueError("RIGOR_PARAMETERS names %s, which does not hold a JSON object" % path)
    return value


def _checked_metrics(values):
    """Plain numbers; those of NumPy and the like are converted if they say that they are real numbers."""
    if not values:
        raise ValueError("there is no metric to write")
    checked = {}
    for name, value in values.items():
        if not isinstance(name, str):
            raise ValueError("the name of a metric is a text, not %r" % (name,))
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
            raise ValueError('metric "%s" is %r: only finite numbers are results' % (name, value))
        checked[name] = int(value) if isinstance(value, numbers.Integral) else float(value)
    return checked


def _json_line(value):
    return (json.dumps(value, allow_nan=False, ensure_ascii=False) + "\n").encode("utf-8")


def _write_whole(file, content):
    """The system may take less than it is given."""
    while content:
        content = content[os.write(file, content) :]
