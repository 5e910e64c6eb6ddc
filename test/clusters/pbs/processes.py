"""Processes of this machine, as `/proc` shows them."""

import os
import signal
import time


def pids() -> list:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def fields(pid: int) -> list:
    """State, parent, group, session and the rest of `/proc/PID/stat`; empty when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(pid: int) -> bool:
    state = fields(pid)
    return bool(state) and state[0] not in "ZX"


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def signal_session(session: int, number: int) -> None:
    for pid in in_session(session):
        send(pid, number)


def session_alive(session: int) -> bool:
    return bool(in_session(session))


def in_session(session: int) -> list:
    return [pid for pid in pids() if (found := fields(pid)) and found[0] != "Z" and int(found[3]) == session]


def descendants(root: int) -> list:
    parents = {pid: int(found[1]) for pid in pids() if (found := fields(pid)) and found[0] != "Z"}
    found: list = []
    level = {root}
    while level:
        level = {pid for pid, parent in parents.items() if parent in level} - set(found)
        found += level
    return found


def crash_tree(root: int, limit: float = 10.0) -> None:
    """Kills a process with all that came from it, without a chance for it to tell anybody."""
    send(root, signal.SIGSTOP)
    deadline = time.time() + limit
    while (below := descendants(root)) and time.time() < deadline:
        for pid in below:
            send(pid, signal.SIGKILL)
        time.sleep(0.005)
    send(root, signal.SIGKILL)


def kill_marked(mark: bytes, limit: float = 10.0) -> None:
    """Kills every process whose environment holds the mark, however it detached itself."""
    deadline = time.time() + limit
    while time.time() < deadline:
        found = [pid for pid in pids() if pid != os.getpid() and mark in _environment(pid) and alive(pid)]
        if not found:
            return
        for pid in found:
            send(pid, signal.SIGKILL)
        time.sleep(0.01)


def _environment(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""
