"""`pbsnodes`."""

import getopt
import time

import cjson
from cluster import Cluster
from errors import UNKNOWN_NODE, CommandError, NotImitated, PbsError
from resources import CONSUMED, shown

USAGE = "usage:\n\tpbsnodes { -a | -l } [-v] [-F format]\n\tpbsnodes [-v] [-F format] host ...\n\tpbsnodes --version\n"


def pbsnodes(cluster: Cluster, request: dict) -> tuple:
    """Returns stdout, stderr and the exit status."""
    try:
        pairs, operands = getopt.gnu_getopt(request["arguments"], "aF:lvSLj")
    except getopt.GetoptError as error:
        raise CommandError(f"pbsnodes: invalid option -- '{error.opt}'\n{USAGE}", 2) from error
    options = {flag[1:]: value for flag, value in pairs}
    other = set(options) - set("aFlv")
    if other:
        raise NotImitated(f"pbsnodes -{min(other)}")
    if not operands and not {"a", "l"} & set(options):
        raise CommandError(USAGE, 2)
    errors = "".join(
        f"pbsnodes: {PbsError(UNKNOWN_NODE).text}\n" for name in operands if name not in cluster.nodes.names
    )
    names = [name for name in operands or cluster.nodes.names if name in cluster.nodes.names]
    nodes = {name: node(cluster, name) for name in names}
    exit_status = 1 if errors else 0
    if "l" in options:
        down = {name: found["state"] for name, found in nodes.items() if found["state"] == "down"}
        return "".join(f"{name:<20} {state}\n" for name, state in down.items()), errors, exit_status
    form = options.get("F", "default").lower()
    if form == "json":
        return answer(cluster, nodes), errors, exit_status
    if form != "default":
        raise NotImitated(f"pbsnodes -F {form}")
    return "".join(f"{name}\n{plain(found)}\n" for name, found in nodes.items()), errors, exit_status


def node(cluster: Cluster, name: str) -> dict:
    jobs = [job for job in cluster.jobs.values() if any(part["node"] == name for part in job.held)]
    used = cluster.nodes.used(jobs)[name]
    capacity = cluster.nodes.capacity[name]
    state = "down" if name in cluster.nodes.down else "job-busy" if used["ncpus"] >= capacity["ncpus"] else "free"
    on_it = [f"{job.id}/{part['slot']}" for job in jobs for part in job.held if part["node"] == name]
    found = {
        "Mom": name,
        "Port": 15002,
        "pbs_version": "23.06.06",
        "ntype": "PBS",
        "state": state,
        "pcpus": capacity["ncpus"],
        "jobs": on_it,
        "resources_available": {
            "arch": "linux",
            "host": name,
            "mem": shown("mem", capacity["mem"]),
            "ncpus": capacity["ncpus"],
            "ngpus": capacity["ngpus"],
            "vnode": name,
        },
        "resources_assigned": {key: shown(key, used[key]) for key in sorted(CONSUMED) if used[key] > 0},
        "resv_enable": "True",
        "sharing": "default_shared",
        "license": "l",
        "last_state_change_time": int(cluster.nodes.down.get(name, cluster.settings["started"])),
        "last_used_time": int(time.time()),
    }
    return found if on_it else {key: value for key, value in found.items() if key != "jobs"}


def answer(cluster: Cluster, nodes: dict) -> str:
    head = {"timestamp": int(time.time()), "pbs_version": "23.06.06", "pbs_server": cluster.name}
    return cjson.printed({**head, "nodes": nodes}) + "\n"


def plain(found: dict) -> str:
    lines = ""
    for key, value in found.items():
        if isinstance(value, dict):
            lines += "".join(f"     {key}.{name} = {item}\n" for name, item in value.items())
        else:
            lines += f"     {key} = {', '.join(value) if isinstance(value, list) else value}\n"
    return lines
