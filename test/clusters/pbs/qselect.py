"""`qselect`: ids of the jobs that fit, one a line; none is no error. From the documentation."""

import getopt
import pwd
import os

from cluster import Cluster
from errors import CommandError, NotImitated

USAGE = "usage: qselect [-H] [-J] [-N name] [-q destination] [-s states] [-u user_name] [-x]\n       qselect --version\n"


def qselect(cluster: Cluster, request: dict) -> tuple:
    """Returns stdout, stderr and the exit status."""
    try:
        pairs, operands = getopt.gnu_getopt(request["arguments"], "a:A:c:h:HJl:N:p:P:q:r:s:t:Tu:x")
    except getopt.GetoptError as error:
        raise CommandError(f"qselect: invalid option -- '{error.opt}'\n{USAGE}", 2) from error
    if operands:
        raise CommandError(USAGE, 2)
    options = {flag[1:]: value for flag, value in pairs}
    other = set(options) - set("HJNqsux")
    if other:
        raise NotImitated(f"qselect -{min(other)}")
    if {"x", "H"} & set(options) and not cluster.settings["history"]:
        return "", "qselect: PBS is not configured to maintain job history \n", 0
    jobs = [job for job in cluster.jobs.values() if job.index is None and fits(job, options)]
    return "".join(f"{job.id}\n" for job in jobs), "", 0


def fits(job, options: dict) -> bool:
    user = pwd.getpwuid(os.getuid()).pw_name
    return all(
        (
            "x" in options or job.finished == ("H" in options),
            options.get("N", job.attributes["Job_Name"]) == job.attributes["Job_Name"],
            options.get("q", job.attributes["queue"]).partition("@")[0] == job.attributes["queue"],
            job.state in options.get("s", job.state),
            user in options.get("u", user).split(","),
            "J" not in options or job.members is not None,
        )
    )
