"""`qdel`: what becomes of jobs, members and arrays that are deleted. From the sources (req_delete.c)."""

import time

from cluster import Cluster, used
from errors import FINISHED, FINISHED_MEMBER, PbsError
from job import Job


class Deletion:
    """How a request deletes. `by` is user@host."""

    def __init__(self, cluster: Cluster, by: str, force: bool, without_history: bool):
        self.cluster = cluster
        self.by = by
        self.force = force
        self.without_history = without_history

    def delete(self, identifier: str) -> None:
        job, indices = self.cluster.find(identifier)
        if indices is not None:
            self._members(job, indices)
        elif job.members is not None:
            self._array(job)
        else:
            self._job(job)

    def _job(self, job: Job) -> None:
        cluster = self.cluster
        if job.finished:
            if not self.without_history:
                raise PbsError(FINISHED)
            cluster.forget(job)
            return
        job.terminated = True
        job.without_history = self.without_history
        cluster.touch(job)
        if job.state not in ("R", "S"):
            cluster.finish(job)
        elif self.force:
            # Recorded: 265 and no Stageout_status. The server does not wait for the node.
            cluster.mom.crash(job)
            cluster.mom.clean(job)
            walltime = time.time() - job.attributes["stime"]
            job.attributes |= {
                "Exit_status": 265,
                "obittime": int(time.time()),
                "resources_used": used(job, {"cput": 0, "mem": 0, "walltime": walltime}),
            }
            cluster.finish(job)
        else:
            # The comment says it while the job is still dying.
            job.say_end(91, self.by)
            cluster.mom.terminate(job)

    def _members(self, parent: Job, indices: list) -> None:
        """Members that wait leave no record of their own."""
        if len(indices) == 1 and self._is_over(parent, indices[0]):
            raise PbsError(FINISHED_MEMBER)
        for index in indices:
            member = self.cluster.member(parent, index)
            if index in parent.members.queued:
                parent.members.queued.remove(index)
                parent.members.deleted.append(index)
                self.cluster.touch(parent)
            elif member is not None and member.state not in ("X", "F"):
                self._job(member)
        self.cluster.finish_array(parent)

    def _array(self, parent: Job) -> None:
        if parent.finished:
            if not self.without_history:
                raise PbsError(FINISHED)
            for job in [*self.cluster.members(parent), parent]:
                self.cluster.forget(job)
            return
        parent.without_history = self.without_history
        # With running members, the array itself is not marked as deleted.
        parent.terminated = all(member.state == "X" for member in self.cluster.members(parent))
        self._members(parent, list(parent.members.all))

    def _is_over(self, parent: Job, index: int) -> bool:
        member = self.cluster.member(parent, index)
        return index not in parent.members.queued and (member is None or member.state in ("X", "F"))
