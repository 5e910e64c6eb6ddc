"""The server: what becomes of its jobs, from the queue to the history."""

import os
import time

import dependencies
from errors import BAD_STATE, PbsError
from job import INHERITED, PLACEHOLDER, Job
from mom import Mom
from resources import clock
from scheduler import Nodes
from store import Store

FREED_BY_REQUEUE = ("exec_host", "exec_vnode", "session_id", "jobdir", "stime", "obittime", "resources_used")


class Cluster(Store):
    def __init__(self, root: str, settings: dict):
        super().__init__(root, settings["server"])
        self.settings = settings
        self.mom = Mom(root, settings)
        self.nodes = Nodes(settings)

    # Starting

    def run_waiting(self) -> None:
        """One cycle of the scheduler: whatever fits is started, in order of submission."""
        used = self.nodes.used(list(self.jobs.values()))
        for job in list(self.jobs.values()):
            if job.members is not None and job.state in ("Q", "B"):
                while job.members.queued and self._start(job, used):
                    pass
            elif job.state == "Q":
                self._start(job, used)

    def _start(self, job: Job, used: dict) -> bool:
        held = self.nodes.place(job, used)
        if held is None:
            comment = self.nodes.never_fits(job) or "Not Running: Not enough free nodes available"
            if job.state == "Q" and job.attributes.get("comment") != comment:
                job.attributes["comment"] = comment
                self.touch(job)
            return False
        if job.members is not None:
            self._begin(job)
            job = self._create_member(job, job.members.queued.pop(0))
        attributes = job.attributes
        job.held = held
        job.change("R", 41)
        attributes["exec_host"] = self.nodes.exec_host(held)
        attributes["exec_vnode"] = self.nodes.exec_vnode(held)
        attributes["stime"] = attributes["mtime"]
        attributes["hashname"] = job.id
        attributes["run_count"] = attributes.get("run_count", 0) + 1
        attributes["run_version"] = attributes.get("run_version", 0) + 1
        attributes["comment"] = f"Job run at {minute(attributes['stime'])} on {attributes['exec_vnode']}"
        job.drop("Exit_status")
        self.touch(job)
        # A server that comes back must know of the job before it runs.
        self.save()
        self.mom.start(job)
        return True

    def _begin(self, parent: Job) -> None:
        if parent.state == "Q":
            parent.change("B", 70)
            parent.attributes["stime"] = int(time.time())
            parent.attributes["comment"] = f"Job Array Began at {minute(parent.attributes['stime'])}"
        self.touch(parent)

    def _create_member(self, parent: Job, index: int) -> Job:
        attributes = {name: parent.attributes[name] for name in INHERITED if name in parent.attributes}
        for name in ("Error_Path", "Output_Path"):
            attributes[name] = attributes[name].replace(PLACEHOLDER, str(index))
        attributes |= {"queue_rank": time.time_ns() // 1000, "array_id": parent.id, "array_index": index}
        member = Job(
            id=self.member_id(parent, index),
            attributes=attributes,
            script=parent.script,
            umask=parent.umask,
            walltime=parent.walltime,
            chunks=parent.chunks,
        )
        self.add(member)
        return member

    def session_started(self, job: Job) -> None:
        """Its shell runs: until then the job is said to run, but is only on its way."""
        started = self.mom.started(job)
        if job.state != "R" or job.attributes["substate"] != 41 or started is None:
            return
        job.attributes["session_id"] = started["session"]
        job.change("R", 42)
        self.touch(job)
        if job.terminated:
            self.mom.terminate(job)

    # Ending

    def obit(self, job: Job) -> None:
        """Takes over how the execution of a job has ended."""
        end = self.mom.ended(job)
        if end is None or job.state not in ("R", "S") or job.node_lost is not None:
            return
        self.session_started(job)
        attributes = job.attributes
        attributes["Exit_status"] = self._exit_status(job, end)
        attributes["resources_used"] = used(job, end)
        job.change("E", 50)
        attributes["obittime"] = attributes["mtime"]
        attributes["Stageout_status"] = 1 if self.mom.bring_home(job) else 0
        self.mom.clean(job)
        self.finish(job)

    def _exit_status(self, job: Job, end: dict) -> int:
        if end["reason"] == "walltime":
            return -29
        if job.terminated and self.settings["deleted_status"] == "zero":
            # Recorded: a job that was deleted while it ran has status 0. From the sources: so has one of whose session
            # something outlived the login shell, and else it has 271.
            return 0
        status = os.waitstatus_to_exitcode(end["status"])
        return status if status >= 0 else 256 - status

    def finish(self, job: Job, substate: int | None = None) -> None:
        """Moves a job to the history, or forgets it where none is kept. A substate that is given is not commented."""
        if substate is None:
            failed = job.attributes.get("Exit_status", 0) != 0
            substate = 91 if job.terminated else 93 if failed else 92
            job.say_end(substate)
        job.held = []
        job.change("F" if job.index is None else "X", substate)
        job.attributes["history_timestamp"] = job.attributes["mtime"]
        self.touch(job)
        dependencies.resolve(self, job)
        if job.without_history or not self.settings["history"]:
            self.forget(job)
        parent = self.parent(job)
        if parent is not None:
            self._member_ended(parent, job)

    def _member_ended(self, parent: Job, member: Job) -> None:
        # From the sources (update_sj_parent): the last member to end decides. Recorded: 0, although one had failed.
        status = member.attributes.get("Exit_status")
        if status is not None:
            parent.attributes["Exit_status"] = 0 if status == 0 else 1 if status > 0 else 2
        if "Stageout_status" in member.attributes:
            parent.attributes["Stageout_status"] = member.attributes["Stageout_status"]
        self.touch(parent)
        self.finish_array(parent)

    def finish_array(self, parent: Job) -> None:
        """Ends an array of which no member waits or runs."""
        members = self.members(parent)
        if parent.finished or parent.members.queued or any(member.state not in ("X", "F") for member in members):
            return
        bad = [member.attributes["substate"] for member in members if member.attributes["substate"] != 92]
        substate = 91 if parent.terminated else bad[0] if bad else 92
        if members:
            parent.attributes["obittime"] = int(time.time())
        parent.say_end(substate)
        self.finish(parent, substate)
        for member in members:
            member.change("F", member.attributes["substate"])
            self.touch(member)

    # What else can befall a job

    def requeue(self, job: Job, exit_status: int) -> None:
        """Takes a running job back into the queue. Its next execution is another run of the same job."""
        if job.state not in ("R", "S"):
            raise PbsError(BAD_STATE)
        self.mom.crash(job)
        self.mom.clean(job)
        parent = self.parent(job)
        if parent is not None:
            # From the sources: a requeued member is again a member that has not started.
            parent.members.queued = sorted([*parent.members.queued, job.index])
            self.forget(job)
            self.touch(parent)
            return
        job.held = []
        job.node_lost = None
        job.drop(*FREED_BY_REQUEUE)
        job.attributes["Exit_status"] = exit_status
        job.change("Q", 10)
        self.touch(job)

    def fail_node(self, name: str) -> None:
        self.nodes.down[name] = time.time()
        for job in list(self.jobs.values()):
            if any(chunk["node"] == name for chunk in job.held):
                job.node_lost = time.time()
                self.mom.crash(job)
                self.touch(job)

    def recover_node(self, name: str) -> None:
        self.nodes.down.pop(name, None)

    def drop_history(self, before: float) -> None:
        """Forgets jobs that have ended by then. Members go with their array."""
        for job in list(self.jobs.values()):
            if job.finished and job.index is None and job.attributes["history_timestamp"] <= before:
                for member in self.members(job) if job.members is not None else []:
                    self.forget(member)
                self.forget(job)

    def tick(self) -> None:
        """What happens with time."""
        now = time.time()
        self.drop_history(now - self.settings["history_seconds"])
        for job in list(self.jobs.values()):
            if job.state in ("R", "S"):
                self._look_after(job, now)

    def _look_after(self, job: Job, now: float) -> None:
        if job.node_lost is not None:
            # JOB_EXEC_RERUN_MS_FAIL
            if now - job.node_lost >= self.settings["node_fail_requeue"]:
                self._give_up(job, -20)
        elif self.mom.ended(job) is not None:
            self.obit(job)
        elif self.mom.is_lost(job):
            # JOB_EXEC_INITABT: pbs_mom came back without it.
            self._give_up(job, -4)
        else:
            self.session_started(job)

    def _give_up(self, job: Job, exit_status: int) -> None:
        if job.attributes["Rerunable"] == "True":
            self.requeue(job, exit_status)
            return
        # From the sources (T_MOM_DOWN): failed, and the comment does not say so.
        self.mom.clean(job)
        job.attributes["Exit_status"] = exit_status
        self.finish(job, 93)


def used(job: Job, end: dict) -> dict:
    """The attribute resources_used."""
    return {
        "cpupercent": 0,
        "cput": clock(end["cput"]),
        "mem": f"{end['mem']}kb",
        "ncpus": job.held[0]["ncpus"],
        "vmem": f"{end['mem']}kb",
        "walltime": clock(end["walltime"]),
    }


def minute(when: float) -> str:
    """`Sat Nov 21 at 08:24`: recorded."""
    return time.strftime("%a %b %d at %H:%M", time.localtime(when))
