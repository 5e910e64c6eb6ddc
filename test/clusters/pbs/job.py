"""A job as the server keeps it, and how it is shown."""

import re
import time
from dataclasses import asdict, dataclass, field

# In the order in which qstat prints them: recorded.
ATTRIBUTES = (
    "Job_Name Job_Owner resources_used job_state queue server Account_Name Checkpoint ctime depend Error_Path exec_host "
    "exec_vnode Hold_Types Join_Path Keep_Files Mail_Points mtime Output_Path Priority qtime Rerunable Resource_List "
    "schedselect stime obittime session_id jobdir substate Variable_List euser egroup hashname queue_rank queue_type "
    "comment etime run_count Stageout_status Exit_status Submit_arguments array array_state_count "
    "array_indices_submitted array_indices_remaining array_id array_index history_timestamp project run_version "
    "Submit_Host"
).split()
TIMES = {"ctime", "mtime", "qtime", "stime", "obittime", "etime"}

# What a member takes from its array when it starts: recorded, and attrs_to_copy in the sources.
INHERITED = (
    "Job_Name Job_Owner queue server Account_Name ctime Error_Path Join_Path Keep_Files Mail_Points Output_Path Priority "
    "qtime Rerunable Resource_List schedselect Variable_List euser egroup queue_type etime project Submit_Host"
).split()

PLACEHOLDER = "^array_index^"
IDENTIFIER = re.compile(r"(\d+)(?:\[([\d,:-]*)\])?(?:\.([^@]+))?(?:@.+)?")


@dataclass
class Members:
    """The members of an array. Those that have started are jobs of their own."""

    start: int
    end: int
    step: int
    queued: list
    # Deleted before they started: nothing of their own is kept.
    deleted: list = field(default_factory=list)

    @property
    def all(self) -> range:
        return range(self.start, self.end + 1, self.step)


@dataclass
class Job:
    id: str
    attributes: dict
    # The server's copy of the script.
    script: str
    umask: int = 0o077
    walltime: int | None = None
    # What to place: amounts for each chunk; and what it holds of which node.
    chunks: list = field(default_factory=list)
    held: list = field(default_factory=list)
    dependencies: list = field(default_factory=list)
    members: Members | None = None
    terminated: bool = False
    without_history: bool = False
    # When the node was last heard of, for a job on a node that is down.
    node_lost: float | None = None

    @property
    def state(self) -> str:
        return self.attributes["job_state"]

    @property
    def finished(self) -> bool:
        return self.state == "F"

    @property
    def sequence(self) -> int:
        return int(self.id.split(".")[0].split("[")[0])

    @property
    def index(self) -> int | None:
        return self.attributes.get("array_index")

    @property
    def run(self) -> str:
        """Names one execution of the job: another one follows after a requeue."""
        name = self.id.split(".")[0].replace("[", "_").replace("]", "")
        return f"{name}.{self.attributes.get('run_version', 0)}"

    def change(self, state: str, substate: int) -> None:
        self.attributes["job_state"] = state
        self.attributes["substate"] = substate
        self.attributes["mtime"] = int(time.time())

    def drop(self, *names: str) -> None:
        for name in names:
            self.attributes.pop(name, None)

    def say_end(self, substate: int, by: str | None = None) -> None:
        """Adds how it ended to the comment, where there is one: from the sources (update_job_finish_comment)."""
        comment = self.attributes.get("comment")
        if comment is None:
            return
        if substate == 91:
            if "terminated" not in comment:
                self.attributes["comment"] = f"{comment} and terminated" + (f" by {by}" if by else "")
        elif self.attributes.get("Exit_status") == -29:
            self.attributes["comment"] = f"{comment} and exceeded resource walltime"
        else:
            self.attributes["comment"] = f"{comment} and {'failed' if substate == 93 else 'finished'}"

    def record(self) -> dict:
        return asdict(self)


def from_record(record: dict) -> Job:
    members = record.pop("members")
    return Job(**record, members=Members(**members) if members else None)


def ordered(attributes: dict) -> dict:
    """Attributes as qstat prints them: in order, and times as text."""
    shown = {name: attributes[name] for name in ATTRIBUTES if name in attributes}
    return {name: time.ctime(value) if name in TIMES else value for name, value in shown.items()}


def ranges(indices: list, step: int) -> str:
    """`0-3`, `0-2,5` or, for none, `-`."""
    if not indices:
        return "-"
    runs: list = []
    for index in indices:
        if runs and index == runs[-1][1] + step:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    suffix = f":{step}" if step > 1 else ""
    return ",".join(str(first) if first == last else f"{first}-{last}{suffix}" for first, last in runs)
