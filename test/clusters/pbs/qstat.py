"""`qstat`: jobs, queues and the server."""

import getopt
import time

import cjson
from cluster import Cluster
from errors import FINISHED, NO_HISTORY, UNKNOWN_QUEUE, CommandError, NotImitated, PbsError
from job import ATTRIBUTES, Job, ordered, ranges

OPTIONS = "aBD:EfF:GHiJMnpqQrstTu:wxW:1"
USAGE = (
    "usage: \nqstat [-f] [-J] [-p] [-t] [-x] [-E] [-F format | -w] [-D delim] [ job_identifier... | destination... ]\n"
    "qstat -Q [-f] [-F format] [-D delim] [ destination... ]\nqstat -B [-f] [-F format] [-D delim] [ server_name... ]\n"
    "qstat --version\n"
)
HEADER = (
    "Job id            Name             User              Time Use S Queue\n"
    "----------------  ---------------- ----------------  -------- - -----\n"
)
USUAL_ARRAY_SIZE = 10_000
STATES = {"T": "Transit", "Q": "Queued", "H": "Held", "W": "Waiting", "R": "Running", "E": "Exiting", "B": "Begun"}


def qstat(cluster: Cluster, request: dict) -> tuple:
    """Returns stdout, stderr and the exit status."""
    options, operands = options_of(request["arguments"])
    form = options.get("F", "default").lower()
    if form not in ("default", "json"):
        raise NotImitated(f"qstat -F {form}")
    if form == "json" and "f" not in options and not {"Q", "B"} & set(options):
        raise CommandError("qstat: conflicting options.\n" + USAGE, 2)
    if "Q" in options:
        return shown_queues(cluster, options, operands, form)
    if "B" in options:
        return shown_objects(cluster, "Server", {cluster.name: server(cluster)}, options, form), "", 0
    found, errors, exit_status = collect(cluster, options, operands)
    if form == "json":
        return (json_answer(cluster, "Jobs", found) if found else ""), errors, exit_status
    if "f" in options:
        return "".join(f"Job Id: {name}\n{plain(job, 'w' in options)}\n" for name, job in found.items()), errors, exit_status
    rows = "".join(row(name, job) for name, job in found.items())
    return (HEADER + rows if rows else ""), errors, exit_status


def options_of(arguments: list) -> tuple:
    try:
        pairs, operands = getopt.gnu_getopt(arguments, OPTIONS)
    except getopt.GetoptError as error:
        raise CommandError(f"qstat: invalid option -- '{error.opt}'\n{USAGE}", 2) from error
    options = {flag[1:]: value for flag, value in pairs}
    other = set(options) - set("fFtxQBwE")
    if other:
        raise NotImitated(f"qstat -{min(other)}")
    return options, operands


def collect(cluster: Cluster, options: dict, operands: list) -> tuple:
    """Attributes of the jobs asked for, keyed by id. One that cannot be shown does not hinder the others."""
    found: dict = {}
    errors = ""
    exit_status = 0
    history = "x" in options
    for operand in operands or [""]:
        try:
            if history and not cluster.settings["history"]:
                raise PbsError(NO_HISTORY)
            found |= named(cluster, operand, history, "t" in options)
        except PbsError as error:
            name = cluster.full_id(operand)
            # Recorded: 153, and the other jobs are printed. From the sources: 35 for a finished one, and 0 for a server
            # that keeps no history.
            exit_status = 0 if error.number == NO_HISTORY else error.exit
            if error.number == FINISHED:
                errors += f"qstat: {name} {error.text}, use -x or -H to obtain historical job information\n"
            else:
                errors += f"qstat: {error.text} {name}\n"
    return found, errors, exit_status


def named(cluster: Cluster, operand: str, history: bool, members: bool) -> dict:
    if operand[:1].isdigit():
        job, indices = cluster.find(operand)
        if job.finished and not history:
            raise PbsError(FINISHED)
        if indices is None:
            return with_members(cluster, job, members)
        return {cluster.member_id(job, index): member_attributes(cluster, job, index) for index in indices}
    queue = operand.partition("@")[0]
    if queue and queue not in (known["name"] for known in cluster.settings["queues"]):
        raise PbsError(UNKNOWN_QUEUE)
    found: dict = {}
    for job in list(cluster.jobs.values()):
        if job.index is None and (history or not job.finished) and queue in ("", job.attributes["queue"]):
            found |= with_members(cluster, job, members)
    return found


def with_members(cluster: Cluster, job: Job, members: bool) -> dict:
    found = {job.id: job_attributes(cluster, job)}
    if members and job.members is not None:
        for index in job.members.all:
            found[cluster.member_id(job, index)] = member_attributes(cluster, job, index)
    return found


def job_attributes(cluster: Cluster, job: Job) -> dict:
    return ordered(job.attributes | array_counts(cluster, job))


def array_counts(cluster: Cluster, job: Job) -> dict:
    if job.members is None:
        return {}
    states = [member.state for member in cluster.members(job)]
    waiting = len(job.members.queued)
    expired = states.count("X") + len(job.members.deleted)
    running, exiting = states.count("R"), states.count("E")
    return {
        "array_state_count": f"Queued:{waiting} Running:{running} Exiting:{exiting} Expired:{expired}",
        "array_indices_remaining": ranges(job.members.queued, job.members.step),
    }


def member_attributes(cluster: Cluster, parent: Job, index: int) -> dict:
    """A member that never started has no attributes of its own: what is shown are those of its array.

    Recorded for members that wait, and for those of an array that was deleted before it began. Trap, from the sources
    (status_subjob): a member that was deleted before it started, in an array that has ended, shows the array's
    Exit_status and says "Subjob finished".
    """
    member = cluster.member(parent, index)
    if member is not None:
        return ordered(member.attributes)
    before_array = ATTRIBUTES[: ATTRIBUTES.index("array")]
    attributes = {name: value for name, value in parent.attributes.items() if name in before_array}
    if index in parent.members.queued:
        # Also in an array that is held: the array's holds tell.
        return ordered({**attributes, "job_state": "Q"})
    # Recorded: an array without a comment keeps this one.
    parent.attributes.setdefault("comment", "Subjob finished")
    cluster.touch(parent)
    state = "F" if parent.finished else "X"
    return ordered({**attributes, "job_state": state, "comment": "Subjob finished"})


def json_answer(cluster: Cluster, kind: str, found: dict) -> str:
    answer = {
        "timestamp": int(time.time()),
        "pbs_version": "23.06.06",
        "pbs_server": cluster.name,
        kind: {name: json_values(attributes) for name, attributes in found.items()},
    }
    return cjson.printed(answer) + "\n"


def json_values(attributes: dict) -> dict:
    return {
        name: json_values(value) if isinstance(value, dict) else cjson.parsed(value) if isinstance(value, str) else value
        for name, value in attributes.items()
    }


def plain(attributes: dict, wide: bool) -> str:
    lines = []
    for name, value in attributes.items():
        if name == "Variable_List":
            text = ",".join(f"{key}={escaped(str(item))}" for key, item in value.items())
            lines.append(wrapped(name, text, wide))
        elif isinstance(value, dict):
            lines += [wrapped(f"{name}.{key}", str(item), wide) for key, item in value.items()]
        else:
            lines.append(wrapped(name, str(value), wide))
    return "".join(lines)


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(",", "\\,")


def wrapped(name: str, value: str, wide: bool) -> str:
    """`    name = value`, broken at commas so that lines stay below 80 columns."""
    line = f"    {name} = "
    if wide:
        return f"{line}{value}\n"
    column = len(line)
    text = line
    for number, part in enumerate(value.split(",")):
        text += "," if number else ""
        if number and column + len(part) >= 78:
            text += "\n\t"
            column = 8
        for character in part:
            text += character
            column += 1
            if column > 78:
                text += "\n\t"
                column = 8
    return text + "\n"


def row(name: str, attributes: dict) -> str:
    """Trap, from the sources: columns are cut, also the id; a cut id ends with an asterisk."""
    identifier = name if len(name) <= 17 else name[:16] + "*"
    job = attributes["Job_Name"]
    job = job if len(job) <= 16 else "..." + job[-13:]
    user = attributes["Job_Owner"].partition("@")[0]
    used = attributes.get("resources_used", {}).get("cput", "0")
    queue = attributes["queue"]
    return f"{identifier:<16}  {job:<16} {user:<16}  {used:>8} {attributes['job_state']} {queue:<16}\n"


def shown_queues(cluster: Cluster, options: dict, operands: list, form: str) -> tuple:
    """From the sources: a queue that is unknown is named, with the exit status of the error."""
    found = queues(cluster)
    unknown = [name for name in operands if name not in found]
    chosen = {name: queue for name, queue in found.items() if not operands or name in operands}
    errors = "".join(f"qstat: {PbsError(UNKNOWN_QUEUE).text} {name}\n" for name in unknown)
    return shown_objects(cluster, "Queue", chosen, options, form), errors, PbsError(UNKNOWN_QUEUE).exit if unknown else 0


def queues(cluster: Cluster) -> dict:
    found = {}
    for queue in cluster.settings["queues"]:
        jobs = [job for job in cluster.jobs.values() if job.attributes["queue"] == queue["name"]]
        found[queue["name"]] = {
            "queue_type": "Execution",
            **totals(jobs),
            # Recorded: not shown where it is not set. From the sources: shown where it is.
            **({} if queue["max_array_size"] == USUAL_ARRAY_SIZE else {"max_array_size": queue["max_array_size"]}),
            "enabled": "True" if queue["enabled"] else "False",
            "started": "True",
        }
    return found


def server(cluster: Cluster) -> dict:
    """From the sources: what `qstat -Bf` tells of the server."""
    jobs = list(cluster.jobs.values())
    return {
        "server_state": "Active",
        "server_host": cluster.settings["host"],
        "scheduling": "True",
        **totals(jobs),
        "default_queue": cluster.settings["queues"][0]["name"],
        "job_history_enable": "True" if cluster.settings["history"] else "False",
        "pbs_version": "23.06.06",
    }


def totals(jobs: list) -> dict:
    present = [job for job in jobs if job.index is None and not job.finished]
    states = [job.state for job in present]
    running = [chunk for job in jobs for chunk in job.held]
    return {
        "total_jobs": len(present),
        "state_count": "".join(f"{word}:{states.count(letter)} " for letter, word in STATES.items()),
        "resources_assigned": {"ncpus": sum(chunk["ncpus"] for chunk in running), "nodect": len(running)},
    }


def shown_objects(cluster: Cluster, kind: str, found: dict, options: dict, form: str) -> str:
    if form == "json":
        return json_answer(cluster, kind, found)
    if "f" not in options:
        raise NotImitated(f"qstat -{kind[0] if kind == 'Queue' else 'B'} without -f")
    return "".join(f"{kind}: {name}\n{plain(attributes, 'w' in options)}\n" for name, attributes in found.items())
