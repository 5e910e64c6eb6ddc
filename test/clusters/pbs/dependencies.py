"""`qsub -W depend=`: afterok, afternotok, afterany."""

import time

from errors import BAD_DEPENDENCY, PbsError
from job import Job

TYPES = {"afterok": "beforeok", "afternotok": "beforenotok", "afterany": "beforeany"}


def parse(text: str) -> list:
    """`afterok:7.vm:8,afterany:9` as pairs of type and id."""
    found = []
    for part in text.split(","):
        kind, *identifiers = part.split(":")
        if kind not in TYPES or not identifiers:
            raise PbsError(BAD_DEPENDENCY)
        found += [[kind, identifier] for identifier in identifiers]
    return found


def register(cluster, job: Job) -> None:
    """Holds the job until what it depends on has ended: recorded, with a hold of the system."""
    waiting = []
    for kind, identifier in job.dependencies:
        before, _ = cluster.find(identifier)
        if before.finished:
            if not fulfilled(kind, before):
                raise PbsError(BAD_DEPENDENCY)
            continue
        waiting.append([kind, before.id])
        other = f"{TYPES[kind]}:{job.id}@{cluster.name}"
        before.attributes["depend"] = ",".join([*filter(None, [before.attributes.get("depend")]), other])
        cluster.touch(before)
    job.dependencies = waiting
    if waiting:
        job.attributes["depend"] = ",".join(f"{kind}:{identifier}@{cluster.name}" for kind, identifier in waiting)
        job.attributes["Hold_Types"] = "s"
        job.drop("etime")
        job.change("H", 22)


def fulfilled(kind: str, ended: Job) -> bool:
    succeeded = ended.attributes.get("Exit_status") == 0 and not ended.terminated
    return kind == "afterany" or succeeded == (kind == "afterok")


def resolve(cluster, ended: Job) -> None:
    """Releases or deletes what waited for a job. Recorded: the deleted one is finished with substate 92 and no status."""
    for job in list(cluster.jobs.values()):
        kinds = [kind for kind, identifier in job.dependencies if identifier == ended.id]
        if not kinds:
            continue
        if all(fulfilled(kind, ended) for kind in kinds):
            job.dependencies = [pair for pair in job.dependencies if pair[1] != ended.id]
            if not job.dependencies and job.state == "H":
                job.attributes |= {"Hold_Types": "n", "etime": int(time.time())}
                job.change("Q", 10)
        else:
            job.dependencies = []
            cluster.finish(job, 92)
        cluster.touch(job)
