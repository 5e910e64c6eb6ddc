"""Which waiting job runs where."""

from job import Job
from resources import CONSUMED, kilobytes


class Nodes:
    """The nodes of the complex, and which of them is down since when."""

    def __init__(self, settings: dict):
        self.names = [node["name"] for node in settings["nodes"]]
        self.capacity = {
            node["name"]: {"ncpus": node["ncpus"], "ngpus": node["ngpus"], "mem": kilobytes(node["mem"], "mem")}
            for node in settings["nodes"]
        }
        # A custom resource binds only where the scheduler was told of it: recorded, a job that asked for 9 GPUs of 2 ran.
        self.bound = [name for name in CONSUMED if name in settings["scheduled"]]
        self.down: dict = {}

    def used(self, jobs: list) -> dict:
        """What jobs hold of each node: amounts, the numbers of GPUs and of slots."""
        used = {name: {**dict.fromkeys(CONSUMED, 0), "gpus": set(), "slots": set()} for name in self.names}
        for job in jobs:
            for chunk in job.held:
                node = used[chunk["node"]]
                for name in CONSUMED:
                    node[name] += chunk[name]
                node["gpus"] |= set(chunk["gpus"])
                node["slots"].add(chunk["slot"])
        return used

    def place(self, job: Job, used: dict) -> list | None:
        """What the job would hold, or None when there is no room now."""
        held: list = []
        for chunk in job.chunks:
            place = next((name for name in self.names if name not in self.down and self._fits(name, chunk, used)), None)
            if place is None:
                for taken in held:
                    self._take(taken, used, -1)
                return None
            part = self._part(place, chunk, used)
            self._take(part, used, 1)
            held.append(part)
        return held

    def never_fits(self, job: Job) -> str | None:
        """Why no node can ever run it: from the sources."""
        for name in self.bound:
            for chunk in job.chunks:
                most = max(node[name] for node in self.capacity.values())
                wanted = chunk.get(name, 0)
                if wanted > most:
                    return f"Can Never Run: Insufficient amount of resource: {name} (R: {wanted} A: {most} T: {most})"
        return None

    def _fits(self, node: str, chunk: dict, used: dict) -> bool:
        return all(
            used[node][name] + chunk.get(name, 0) <= self.capacity[node][name] for name in {"ncpus", *self.bound}
        )

    def _part(self, node: str, chunk: dict, used: dict) -> dict:
        free = [gpu for gpu in range(self.capacity[node]["ngpus"]) if gpu not in used[node]["gpus"]]
        slot = next(number for number in range(10**6) if number not in used[node]["slots"])
        return {
            "node": node,
            "slot": slot,
            "ncpus": chunk["ncpus"],
            "ngpus": chunk.get("ngpus", 0),
            "mem": chunk.get("mem", 0),
            "mpiprocs": chunk.get("mpiprocs", 1),
            "gpus": free[: chunk.get("ngpus", 0)],
        }

    @staticmethod
    def _take(part: dict, used: dict, sign: int) -> None:
        node = used[part["node"]]
        for name in CONSUMED:
            node[name] += sign * part[name]
        node["gpus"] = node["gpus"] | set(part["gpus"]) if sign > 0 else node["gpus"] - set(part["gpus"])
        node["slots"] = node["slots"] | {part["slot"]} if sign > 0 else node["slots"] - {part["slot"]}

    def exec_host(self, held: list) -> str:
        return "+".join(
            f"{part['node']}/{part['slot']}" + (f"*{part['ncpus']}" if part["ncpus"] > 1 else "") for part in held
        )

    def exec_vnode(self, held: list) -> str:
        return "+".join(self._vnode(part) for part in held)

    def _vnode(self, part: dict) -> str:
        amounts = {"ncpus": part["ncpus"]}
        amounts |= {name: part[name] for name in self.bound if name != "ncpus" and part[name] > 0}
        shown = [f"{name}={value}kb" if name == "mem" else f"{name}={value}" for name, value in amounts.items()]
        return f"({part['node']}:{':'.join(shown)})"
