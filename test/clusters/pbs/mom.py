"""Execution of jobs: starts a shepherd for each, signals it, and brings its output home."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
import uuid

import processes
from job import PLACEHOLDER, Job

SHELL = "/bin/bash"

# A shepherd that has not said within this many seconds that it runs never will.
START_LIMIT = 10.0


class Mom:
    def __init__(self, root: str, settings: dict):
        self.root = root
        self.settings = settings
        for folder in ("run", "scripts", "spool", "tmp", "undelivered"):
            os.makedirs(os.path.join(root, folder), exist_ok=True)
        # Every job carries it in its environment, so that what it leaves behind can be found.
        self.mark = settings["mark"]

    def start(self, job: Job) -> None:
        attributes = job.attributes
        scratch = os.path.join(self.root, "tmp", f"pbs.{job.id}")
        os.makedirs(scratch, exist_ok=True)
        spec = {
            "run": job.run,
            "script": job.script,
            "shell": SHELL,
            "home": self.settings["home"],
            "umask": job.umask,
            "walltime": job.walltime,
            "kill_delay": self.settings["kill_delay"],
            "stdout": self.stream(job, "OU"),
            "stderr": self.stream(job, "ER"),
            "environment": self._environment(job, scratch),
            "socket": os.path.join(self.root, "socket"),
            "started": self._file(job, "started"),
            "ended": self._file(job, "ended"),
        }
        with open(self._file(job, "spec"), "w", encoding="utf-8") as file:
            json.dump(spec, file)
        attributes["jobdir"] = self.settings["home"]
        subprocess.Popen(
            [sys.executable, "-BEsS", os.path.join(os.path.dirname(__file__), "shepherd.py"), self._file(job, "spec")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={"PBS_JOBCOOKIE": self.mark},
            cwd="/",
        )

    def started(self, job: Job) -> dict | None:
        return self._read(self._file(job, "started"))

    def ended(self, job: Job) -> dict | None:
        return self._read(self._file(job, "ended"))

    def is_lost(self, job: Job) -> bool:
        """True when its shepherd is gone and left no record, or was never started."""
        started = self.started(job)
        if started is not None:
            return not processes.alive(started["shepherd"]) and self.ended(job) is None
        spec = self._file(job, "spec")
        return not os.path.exists(spec) or time.time() - os.path.getmtime(spec) > START_LIMIT

    def signal(self, job: Job, number: int) -> None:
        started = self.started(job)
        if started is not None:
            processes.signal_session(started["session"], number)

    def terminate(self, job: Job) -> None:
        """TERM now, and KILL after the grace: its shepherd sees to both."""
        started = self.started(job)
        if started is not None:
            processes.send(started["shepherd"], signal.SIGUSR1)

    def crash(self, job: Job) -> None:
        """Ends it without a trace. A shepherd that is on its way is waited for: it would run the job."""
        deadline = time.time() + START_LIMIT
        while (started := self.started(job)) is None and not self.is_lost(job) and time.time() < deadline:
            time.sleep(0.005)
        if started is not None:
            processes.crash_tree(started["shepherd"])

    def clean(self, job: Job) -> None:
        for kind in ("spec", "started", "ended"):
            if os.path.exists(self._file(job, kind)):
                os.unlink(self._file(job, kind))
        shutil.rmtree(os.path.join(self.root, "tmp", f"pbs.{job.id}"), ignore_errors=True)

    def stream(self, job: Job, kind: str) -> str:
        """Where the job writes while it runs: in the spool, unless it asked to write directly (`-k d`)."""
        join = job.attributes["Join_Path"]
        if kind == "ER" and join == "oe":
            kind = "OU"
        elif kind == "OU" and join == "eo":
            kind = "ER"
        letter = "o" if kind == "OU" else "e"
        keep = job.attributes["Keep_Files"]
        if "d" in keep and letter in keep:
            return self._destination(job, kind)
        return os.path.join(self.root, "spool", f"{job.id}.{kind}")

    def bring_home(self, job: Job) -> bool:
        """Copies the output to where it was wanted. What cannot be copied stays in `undelivered`, and false comes back."""
        delivered = True
        for kind in ("OU", "ER"):
            spooled = os.path.join(self.root, "spool", f"{job.id}.{kind}")
            if not os.path.exists(spooled):
                continue
            try:
                shutil.copyfile(spooled, self._destination(job, kind))
                os.chmod(self._destination(job, kind), 0o666 & ~job.umask)
                os.unlink(spooled)
            except OSError:
                shutil.move(spooled, os.path.join(self.root, "undelivered", f"{job.id}.{kind}"))
                delivered = False
        return delivered

    def _destination(self, job: Job, kind: str) -> str:
        attributes = job.attributes
        letter = "o" if kind == "OU" else "e"
        if letter in attributes["Keep_Files"] and "d" not in attributes["Keep_Files"]:
            suffix = "" if job.index is None else f".{job.index}"
            return os.path.join(self.settings["home"], f"{attributes['Job_Name']}.{letter}{job.sequence}{suffix}")
        path = attributes["Output_Path" if kind == "OU" else "Error_Path"].partition(":")[2]
        path = path.replace(PLACEHOLDER, str(job.index))
        return os.path.join(path, f"{job.id}.{kind}") if os.path.isdir(path) else path

    def _environment(self, job: Job, scratch: str) -> dict:
        attributes = job.attributes
        user = pwd.getpwuid(os.getuid()).pw_name
        environment = {
            "HOME": self.settings["home"],
            "LOGNAME": user,
            "USER": user,
            "SHELL": SHELL,
            "PATH": self.settings["path"],
            **attributes["Variable_List"],
            "NCPUS": str(job.held[0]["ncpus"]),
            "OMP_NUM_THREADS": str(job.held[0]["ncpus"]),
            "TMPDIR": scratch,
            "PBS_ENVIRONMENT": "PBS_BATCH",
            "PBS_JOBCOOKIE": self.mark + uuid.uuid4().hex[:16],
            "PBS_JOBDIR": self.settings["home"],
            "PBS_JOBID": job.id,
            "PBS_JOBNAME": attributes["Job_Name"],
            "PBS_MOMPORT": "15003",
            "PBS_NODEFILE": self._node_file(job, scratch),
            "PBS_NODENUM": "0",
            "PBS_QUEUE": attributes["queue"],
            "PBS_TASKNUM": "1",
        }
        if job.index is not None:
            environment |= {"PBS_ARRAY_ID": attributes["array_id"], "PBS_ARRAY_INDEX": str(job.index)}
        if self.settings["gpu_binding"] and any(node["ngpus"] for node in self.settings["nodes"]):
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(str(gpu) for gpu in job.held[0]["gpus"])
        return environment

    @staticmethod
    def _node_file(job: Job, scratch: str) -> str:
        path = os.path.join(scratch, "nodes")
        with open(path, "w", encoding="utf-8") as file:
            for chunk in job.held:
                file.write(f"{chunk['node']}\n" * chunk["mpiprocs"])
        return path

    def _file(self, job: Job, kind: str) -> str:
        return os.path.join(self.root, "run", f"{job.run}.{kind}")

    @staticmethod
    def _read(path: str) -> dict | None:
        try:
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None
