"""`qdel`, `qsig`, `qhold` and `qrls`."""

import getopt
import os
import pwd
import signal
import time

from cluster import Cluster
from deletion import Deletion
from errors import BAD_STATE, FINISHED, NOT_SUPPORTED, UNKNOWN_SIGNAL, CommandError, NotImitated, PbsError
from job import Job

USAGE = {
    "qdel": "usage:\n\tqdel [-W force|suppress_email=X] [-x] job_identifier...\n\tqdel --version\n",
    "qsig": "usage: qsig [-s signal] job_identifier...\n       qsig --version\n",
    "qhold": "usage: qhold [-h hold_list] job_identifier...\n       qhold --version\n",
    "qrls": "usage: qrls [-h hold_list] job_identifier...\n       qrls --version\n",
}
OPTIONS = {"qdel": "W:x", "qsig": "s:", "qhold": "h:", "qrls": "h:"}


def control(cluster: Cluster, request: dict) -> tuple:
    """Applies the command to each job in turn. Returns stdout, stderr and the exit status: that of the last refusal."""
    command = request["command"]
    try:
        pairs, identifiers = getopt.gnu_getopt(request["arguments"], OPTIONS[command])
    except getopt.GetoptError as error:
        raise CommandError(f"{command}: invalid option -- '{error.opt}'\n{USAGE[command]}", 2) from error
    if not identifiers:
        raise CommandError(USAGE[command], 2)
    options = {flag[1:]: value for flag, value in pairs}
    act = {"qdel": delete, "qsig": send, "qhold": hold, "qrls": release}[command]
    errors = ""
    exit_status = 0
    for identifier in identifiers:
        try:
            act(cluster, identifier, options)
        except PbsError as error:
            name = cluster.full_id(identifier)
            # Recorded for qdel. From the sources (prt_job_err): the others do not name a finished job.
            anonymous = error.number == FINISHED and command != "qdel"
            errors += f"{command}: {error.text}{'' if anonymous else f' {name}'}\n"
            exit_status = error.exit
    return "", errors, exit_status


def delete(cluster: Cluster, identifier: str, options: dict) -> None:
    how = options.get("W", "")
    if how not in ("", "force") and not how.startswith("suppress_email="):
        raise CommandError("qdel: illegal -W value\n" + USAGE["qdel"], 2)
    by = f"{pwd.getpwuid(os.getuid()).pw_name}@{cluster.settings['host']}"
    Deletion(cluster, by, how == "force", "x" in options).delete(identifier)


def send(cluster: Cluster, identifier: str, options: dict) -> None:
    name = options.get("s", "SIGTERM")
    jobs = running(cluster, identifier)
    for job in jobs:
        if name == "suspend":
            if job.state == "R":
                cluster.mom.signal(job, signal.SIGSTOP)
                job.change("S", 43)
        elif name == "resume":
            if job.state != "S":
                raise PbsError(BAD_STATE)
            cluster.mom.signal(job, signal.SIGCONT)
            job.change("R", 42)
        else:
            cluster.mom.signal(job, signal_number(name))
        cluster.touch(job)


def signal_number(name: str) -> int:
    if name.isdigit() and 0 < int(name) < signal.NSIG:
        return int(name)
    found = getattr(signal, name if name.startswith("SIG") else f"SIG{name}", None)
    if not isinstance(found, signal.Signals):
        raise PbsError(UNKNOWN_SIGNAL)
    return int(found)


def running(cluster: Cluster, identifier: str) -> list:
    """The executions that an identifier names; a state in which there is none is refused."""
    job, indices = cluster.find(identifier)
    if job.finished:
        raise PbsError(FINISHED)
    if job.members is None:
        jobs = [job]
    elif indices is None:
        jobs = cluster.members(job)
    else:
        jobs = [member for index in indices if (member := cluster.member(job, index)) is not None]
    jobs = [job for job in jobs if job.state in ("R", "S")]
    if not jobs:
        raise PbsError(BAD_STATE)
    return jobs


def hold(cluster: Cluster, identifier: str, options: dict) -> None:
    job = whole(cluster, identifier)
    if job.state not in ("Q", "H", "W"):
        # From the sources: a running job is held by a checkpoint, which this site has not.
        raise PbsError(NOT_SUPPORTED)
    holds = set(job.attributes["Hold_Types"]) - {"n"} | set(options.get("h", "u"))
    set_holds(cluster, job, holds)


def release(cluster: Cluster, identifier: str, options: dict) -> None:
    job = whole(cluster, identifier)
    set_holds(cluster, job, set(job.attributes["Hold_Types"]) - {"n"} - set(options.get("h", "u")))


def set_holds(cluster: Cluster, job: Job, holds: set) -> None:
    if holds - set("uos"):
        raise NotImitated(f"holds {''.join(sorted(holds))}")
    job.attributes["Hold_Types"] = "".join(letter for letter in "uos" if letter in holds) or "n"
    if holds:
        job.change("H", 20)
    elif job.state == "H":
        job.attributes.setdefault("etime", int(time.time()))
        job.change("Q", 10)
    cluster.touch(job)


def whole(cluster: Cluster, identifier: str) -> Job:
    job, indices = cluster.find(identifier)
    if job.finished:
        raise PbsError(FINISHED)
    if indices is not None:
        raise NotImitated("holds of single members")
    return job
