"""Runs one job, as pbs_mom does, and outlives the server: `shepherd.py SPECIFICATION`.

The job's shell is a login shell in a session of its own; it reads the name of the script from its input. Signals reach
that session only: what a job starts in another session lives on, as under a pbs_mom without cgroups. How the job ended
is written to a file by rename, and then told to the server.

Traps, from the sources (scan_for_terminated): the job is over when the login shell is, and a signal that the login shell
does not trap ends it, whatever the script traps. What is left of the session is then killed at once; only after `qdel`
(here: USR1 to this process) it has the time between TERM and KILL.
"""

import ctypes
import json
import os
import signal
import socket
import sys
import time

import processes

BECOME_SUBREAPER = 36
HEARD = [signal.SIGCHLD, signal.SIGUSR1]
# How often it is looked whether a session without its shell has ended.
GLANCE_SECONDS = 0.02


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    # Whatever the job leaves behind becomes a child of this process, so that a failing node can take it along.
    ctypes.CDLL(None, use_errno=True).prctl(BECOME_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    started = time.time()
    session = start(spec)
    write(spec["started"], {"session": session, "shepherd": os.getpid()})
    tell(spec, "started")
    status, usage, reason = wait(spec, session, started)
    processes.signal_session(session, signal.SIGKILL)
    end = {"status": status, "reason": reason, "walltime": time.time() - started}
    end["cput"] = usage.ru_utime + usage.ru_stime
    end["mem"] = usage.ru_maxrss
    write(spec["ended"], end)
    tell(spec, "ended")


def start(spec: dict) -> int:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            become_shell(spec, reading, writing)
        finally:
            os._exit(254)
    os.close(reading)
    os.write(writing, spec["script"].encode() + b"\n")
    os.close(writing)
    return child


def become_shell(spec: dict, reading: int, writing: int) -> None:
    os.setsid()
    os.umask(spec["umask"])
    os.chdir(spec["home"])
    os.close(writing)
    os.dup2(reading, 0)
    for path, number in ((spec["stdout"], 1), (spec["stderr"], 2)):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        os.dup2(os.open(path, flags, 0o600), number)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    shell = spec["shell"]
    environment = {key: value.encode("utf-8", "surrogateescape") for key, value in spec["environment"].items()}
    os.execve(shell, ["-" + os.path.basename(shell)], environment)


def wait(spec: dict, session: int, started: float) -> tuple:
    """Waits for the end of the job, and brings it about when its time is over or when it is deleted.

    Returns the shell's status and use of resources, and why it was ended: empty, `walltime` or `deleted`.
    """
    limit = spec["walltime"]
    due = None if limit is None else (started + limit, signal.SIGTERM)
    reason = ""
    shell = None
    while True:
        if shell is None:
            pid, *ended = os.wait4(session, os.WNOHANG)
            shell = ended if pid == session else None
        reap_orphans(session)
        if shell is not None and (not reason or not processes.session_alive(session)):
            return *shell, reason
        pause = 60.0 if due is None else max(0.0, due[0] - time.time())
        heard = signal.sigtimedwait(HEARD, min(pause, 60.0 if shell is None else GLANCE_SECONDS))
        if heard is not None and heard.si_signo == signal.SIGUSR1 and not reason:
            reason = "deleted"
            due = (time.time(), signal.SIGTERM)
        if due is not None and time.time() >= due[0]:
            if not reason:
                reason = "walltime"
                say_over_limit(spec, started)
            # Also one that is suspended.
            processes.signal_session(session, signal.SIGCONT)
            processes.signal_session(session, due[1])
            due = (time.time() + spec["kill_delay"], signal.SIGKILL)


def say_over_limit(spec: dict, started: float) -> None:
    with open(spec["stderr"], "a", encoding="utf-8") as file:
        used = int(time.time() - started)
        file.write(f"=>> PBS: job killed: walltime {used} exceeded limit {spec['walltime']}\n")


def reap_orphans(session: int) -> None:
    """Children other than the shell came here when their parents ended."""
    for pid in processes.pids():
        found = processes.fields(pid)
        if pid != session and found and found[0] == "Z" and int(found[1]) == os.getpid():
            os.waitpid(pid, os.WNOHANG)


def write(path: str, content: dict) -> None:
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.rename(f"{path}.new", path)


def tell(spec: dict, event: str) -> None:
    """A server that is down finds the file when it comes back."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(spec["socket"])
            connection.sendall(json.dumps({"event": event, "run": spec["run"]}).encode() + b"\n")
            connection.recv(1)
    except OSError:
        pass


if __name__ == "__main__":
    main()
