"""The jobs that the server knows, kept in `jobs/`: one file a job, replaced by rename."""

import json
import os

from errors import INVALID_REQUEST, UNKNOWN_JOB, PbsError
from job import IDENTIFIER, Job, from_record


class Store:
    def __init__(self, root: str, server: str):
        self.root = root
        self.name = server
        self.jobs: dict = {}
        self._changed: set = set()
        os.makedirs(self._path(), exist_ok=True)
        loaded = [self._load(name) for name in os.listdir(self._path()) if name.endswith(".json")]
        for job in sorted(loaded, key=lambda job: (job.sequence, -1 if job.index is None else job.index)):
            self.jobs[job.id] = job

    def find(self, identifier: str) -> tuple:
        """The job that an identifier names, and the indices of the members that it selects: None for the whole."""
        match = IDENTIFIER.fullmatch(identifier)
        if match is None or match[3] not in (None, self.name):
            raise PbsError(UNKNOWN_JOB)
        sequence, selection = match[1], match[2]
        job = self.jobs.get(f"{sequence}{'' if selection is None else '[]'}.{self.name}")
        if job is None:
            raise PbsError(UNKNOWN_JOB)
        if not selection:
            return job, None
        indices = [index for index in selected(selection) if index in job.members.all]
        if not indices:
            raise PbsError(UNKNOWN_JOB)
        return job, indices

    def full_id(self, identifier: str) -> str:
        """As the commands print it: with the server's name."""
        match = IDENTIFIER.fullmatch(identifier)
        return identifier if match is None or match[3] else f"{identifier}.{self.name}"

    @staticmethod
    def member_id(parent: Job, index: int) -> str:
        return parent.id.replace("[]", f"[{index}]")

    def member(self, parent: Job, index: int) -> Job | None:
        """A member that has started, or None."""
        return self.jobs.get(self.member_id(parent, index))

    def members(self, parent: Job) -> list:
        """All members that have started."""
        found = (self.member(parent, index) for index in parent.members.all)
        return [member for member in found if member is not None]

    def parent(self, job: Job) -> Job | None:
        return self.jobs.get(job.attributes.get("array_id", ""))

    def add(self, job: Job) -> None:
        self.jobs[job.id] = job
        self.touch(job)

    def touch(self, job: Job) -> None:
        """The job has changed: it is written by the next `save`."""
        if job.id in self.jobs:
            self._changed.add(job.id)

    def forget(self, job: Job) -> None:
        self.jobs.pop(job.id, None)
        self._changed.discard(job.id)
        if os.path.exists(self._path(f"{job.id}.json")):
            os.unlink(self._path(f"{job.id}.json"))

    def save(self) -> None:
        for identifier in self._changed:
            _replace(self._path(f"{identifier}.json"), json.dumps(self.jobs[identifier].record()))
        self._changed.clear()

    def next_sequence(self) -> int:
        path = os.path.join(self.root, "sequence")
        number = 0
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                number = int(file.read())
        _replace(path, str(number + 1))
        return number

    def _load(self, name: str) -> Job:
        with open(self._path(name), encoding="utf-8") as file:
            return from_record(json.load(file))

    def _path(self, name: str = "") -> str:
        return os.path.join(self.root, "jobs", name)


def selected(selection: str) -> list:
    """`4`, `0-9:2` or `1,3-5` as indices."""
    indices: list = []
    for part in selection.split(","):
        bounds, _, step = part.partition(":")
        first, _, last = bounds.partition("-")
        if not first.isdigit() or (last and not last.isdigit()) or (step and not step.isdigit()):
            raise PbsError(INVALID_REQUEST)
        indices += range(int(first), int(last or first) + 1, int(step or 1))
    return indices


def _replace(path: str, text: str) -> None:
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(f"{path}.new", path)
