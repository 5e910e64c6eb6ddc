"""`qsub`."""

import getopt
import os
import pwd
import re
import shlex
import time

import dependencies
from cluster import Cluster
from errors import (
    ARRAY_TOO_LARGE,
    BAD_VALUE,
    OVER_LIMITS,
    QUEUE_DISABLED,
    TOO_MANY_JOBS,
    UNKNOWN_QUEUE,
    CommandError,
    NotImitated,
    PbsError,
)
from job import PLACEHOLDER, Job, Members
from resources import Request

OPTIONS = "a:A:c:C:e:fhIj:J:k:l:m:M:N:o:p:P:q:r:R:S:u:v:VW:Xz"
IMITATED = set("AehjJklmMNopPqrvVW")
USAGE = "usage: qsub [-A account] [-e path] [-h] [-j oe|eo|n] [-J X-Y[:Z]] ... [script]\n       qsub --version\n"
KNOWN = {"ncpus", "ngpus", "mem", "walltime", "select", "place", "nodect", "cput", "vmem", "pmem", "host", "arch"}
RANGE = re.compile(r"(\d+)-(\d+)(?::(\d+))?")
JOB_NAME_LIMIT = 230


def qsub(cluster: Cluster, request: dict) -> str:
    """Returns what the command prints."""
    arguments = request["arguments"]
    line, operands = options_of(arguments)
    name, content = script(request, operands)
    # What stands on the command line goes before what stands in the script.
    options = {**directives(content), **line}
    options["l"] = {**directives(content).get("l", {}), **line.get("l", {})}
    unknown = set(options) - IMITATED
    if unknown:
        raise NotImitated(f"qsub -{min(unknown)}")
    job = prepare(cluster, request, options, name)
    with open(job.script, "wb") as file:
        file.write(content)
    os.chmod(job.script, 0o700)
    cluster.add(job)
    return f"{job.id}\n"


def options_of(arguments: list) -> tuple:
    try:
        pairs, operands = getopt.gnu_getopt(arguments, OPTIONS)
    except getopt.GetoptError as error:
        raise CommandError(f"qsub: invalid option -- '{error.opt}'\n{USAGE}", 2) from error
    options: dict = {"l": {}}
    for flag, value in pairs:
        letter = flag[1:]
        if letter == "l":
            options["l"] |= resource_list(value)
        elif letter == "W":
            options.setdefault("W", {}).update(attribute_list(value))
        else:
            options[letter] = value
    if len(operands) > 1:
        raise CommandError(USAGE, 2)
    return options, operands


def resource_list(text: str) -> dict:
    """`select=1:ncpus=2,walltime=01:00:00` as names and values."""
    found = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name or not value:
            raise CommandError("qsub: illegal -l value\n" + USAGE, 2)
        found[name] = value
    return found


def attribute_list(text: str) -> dict:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError("qsub: illegal -W value\n" + USAGE, 2)
    if name not in ("depend", "umask"):
        raise NotImitated(f"qsub -W {name}")
    return {name: value}


def script(request: dict, operands: list) -> tuple:
    """The job's default name and the script's bytes."""
    if not operands or operands[0] == "-":
        if request["input"] is None:
            raise NeedsInput
        return "STDIN", request["input"].encode("latin-1")
    path = os.path.join(request["directory"], operands[0])
    try:
        with open(path, "rb") as file:
            return os.path.basename(path), file.read()
    except IsADirectoryError:
        raise CommandError("qsub: script not a file\n", 1) from None
    except FileNotFoundError:
        # Recorded, both colons.
        raise CommandError("qsub: script file:: No such file or directory\n", 1) from None


class NeedsInput(Exception):
    """The script comes from the command's input, which has not been sent yet."""


def directives(content: bytes) -> dict:
    """Options in lines `#PBS ...` before the first command."""
    words: list = []
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        if line.startswith("#PBS "):
            words += shlex.split(line[5:], comments=True)
        elif line.strip() and not line.lstrip().startswith(("#", ":")):
            break
    return options_of(words)[0]


def prepare(cluster: Cluster, request: dict, options: dict, default_name: str) -> Job:
    queue = find_queue(cluster, options.get("q"))
    wanted = Request(options["l"], KNOWN | set(cluster.settings["resources"]), queue["defaults"])
    if queue["max_walltime"] is not None and (wanted.walltime or 0) > queue["max_walltime"]:
        raise PbsError(OVER_LIMITS)
    members = array(options.get("J"), queue)
    if members is not None and options.get("r") == "n":
        raise CommandError("qsub: cannot submit non-rerunable Array Job\n", 1)
    name = job_name(options.get("N"), default_name)
    limit_jobs(cluster, 1 if members is None else len(members.all))
    sequence = cluster.next_sequence()
    identifier = f"{sequence}{'' if members is None else '[]'}.{cluster.name}"
    now = int(time.time())
    user = pwd.getpwuid(os.getuid()).pw_name
    host = cluster.settings["host"]
    held = "h" in options
    attributes = {
        "Job_Name": name,
        "Job_Owner": f"{user}@{host}",
        "job_state": "H" if held else "Q",
        "queue": queue["name"],
        "server": cluster.name,
        "Checkpoint": "u",
        "ctime": now,
        "Hold_Types": "u" if held else "n",
        "Join_Path": options.get("j", "n"),
        "Keep_Files": options.get("k", "n"),
        "Mail_Points": options.get("m", "a"),
        "mtime": now,
        "Priority": int(options.get("p", "0")),
        "qtime": now,
        "Rerunable": "False" if options.get("r") == "n" else "True",
        "Resource_List": wanted.attribute,
        "schedselect": wanted.attribute["select"],
        "substate": 20 if held else 10,
        "Variable_List": variables(request, options, queue["name"], host),
        "euser": user,
        "egroup": user,
        "queue_rank": time.time_ns() // 1000,
        "queue_type": "E",
        "Submit_arguments": " ".join(quoted(argument) for argument in request["arguments"]),
        "project": options.get("P", "_pbs_project_default"),
        "Submit_Host": host,
    }
    for letter, attribute in (("o", "Output_Path"), ("e", "Error_Path")):
        attributes[attribute] = output_path(request, options.get(letter), name, letter, sequence, members, host)
    if "A" in options:
        attributes["Account_Name"] = options["A"]
    if not held:
        attributes["etime"] = now
    if members is not None:
        attributes |= {"array": "True", "array_indices_submitted": options["J"]}
    more = options.get("W", {})
    job = Job(
        id=identifier,
        attributes=attributes,
        script=os.path.join(cluster.root, "scripts", f"{identifier}.SC"),
        umask=int(more.get("umask", "077"), 8),
        walltime=wanted.walltime,
        chunks=wanted.chunks,
        members=members,
        dependencies=dependencies.parse(more["depend"]) if "depend" in more else [],
    )
    dependencies.register(cluster, job)
    return job


def find_queue(cluster: Cluster, name: str | None) -> dict:
    queues = cluster.settings["queues"]
    wanted = queues[0]["name"] if name is None else name.partition("@")[0]
    queue = next((queue for queue in queues if queue["name"] == wanted), None)
    if queue is None:
        raise PbsError(UNKNOWN_QUEUE)
    if not queue["enabled"]:
        raise PbsError(QUEUE_DISABLED)
    return queue


def array(text: str | None, queue: dict) -> Members | None:
    """`-J X-Y[:Z]`. From the sources: Y must be greater than X, so an array of one member is refused."""
    if text is None:
        return None
    match = RANGE.fullmatch(text)
    if match is None or int(match[2]) <= int(match[1]) or match[3] == "0":
        raise CommandError("qsub: illegal -J value\n" + USAGE, 2)
    start, end, step = int(match[1]), int(match[2]), int(match[3] or 1)
    members = Members(start, end, step, list(range(start, end + 1, step)))
    if len(members.queued) > queue["max_array_size"]:
        raise PbsError(ARRAY_TOO_LARGE)
    return members


def job_name(name: str | None, default: str) -> str:
    if name is None:
        return re.sub(r"[^\w+.-]", "_", default)[:JOB_NAME_LIMIT]
    if len(name) > JOB_NAME_LIMIT:
        raise CommandError("qsub: Job name is too long \n", 2)
    if not re.fullmatch(r"[A-Za-z0-9_+-]+", name):
        raise CommandError("qsub: illegal -N value\n", 2)
    return name


def limit_jobs(cluster: Cluster, more: int) -> None:
    """As a site that limits the jobs of one user: the members of an array count each."""
    limit = cluster.settings["max_jobs_per_user"]
    top = [job for job in cluster.jobs.values() if job.index is None and not job.finished]
    count = sum(1 if job.members is None else len(job.members.all) for job in top)
    if limit is not None and count + more > limit:
        raise PbsError(TOO_MANY_JOBS)


def variables(request: dict, options: dict, queue: str, host: str) -> dict:
    environment = request["environment"]
    found = {
        f"PBS_O_{name}": environment[name]
        for name in ("HOME", "LANG", "LOGNAME", "PATH", "MAIL", "SHELL", "TZ")
        if name in environment
    }
    found |= {"PBS_O_INTERACTIVE_AUTH_METHOD": "resvport", "PBS_O_INTERACTIVE_ENCRYPT_METHOD": ""}
    found |= {"PBS_O_WORKDIR": request["directory"], "PBS_O_SYSTEM": "Linux"}
    if "V" in options:
        found |= {name: value for name, value in environment.items() if not name.startswith("PBS_O_")}
    for part in split_list(options.get("v", "")):
        name, equals, value = part.partition("=")
        if equals:
            found[name] = value
        elif name in environment:
            found[name] = environment[name]
        else:
            raise CommandError("qsub: cannot send environment with the job\n", 1)
    return {**found, "PBS_O_QUEUE": queue, "PBS_O_HOST": host}


def split_list(text: str) -> list:
    """Splits at commas that are neither escaped nor in quotes, and takes the quotes away."""
    parts: list = [""]
    quote = ""
    characters = iter(text)
    for character in characters:
        if character == "\\":
            parts[-1] += next(characters, "")
        elif quote:
            quote = "" if character == quote else quote
            parts[-1] += "" if not quote else character
        elif character in "'\"":
            quote = character
        elif character == ",":
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part]


def output_path(
    request: dict, given: str | None, name: str, letter: str, sequence: int, members: Members | None, host: str
) -> str:
    if given is None:
        suffix = "" if members is None else f".{PLACEHOLDER}"
        return f"{host}:{request['directory']}/{name}.{letter}{sequence}{suffix}"
    path = given.partition(":")[2] if re.match(r"[\w.-]+:/", given) else given.removeprefix(":")
    if path == "":
        raise PbsError(BAD_VALUE)
    joined = os.path.normpath(os.path.join(request["directory"], path))
    return f"{host}:{joined}{'/' if path.endswith('/') else ''}"


def quoted(argument: str) -> str:
    """As Submit_arguments shows it: in quotes where it has spaces."""
    return f"'{argument}'" if re.search(r"\s", argument) else argument
