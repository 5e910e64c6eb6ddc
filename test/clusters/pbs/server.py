"""The server of a stand-in for OpenPBS 23.06: `server.py DIRECTORY`.

Answers the commands in `DIRECTORY/bin` over `DIRECTORY/socket`, one request a connection. Jobs really run, each under a
shepherd of its own that outlives this process: what ended while the server was down is found when it comes back.
Comments in these files say what was recorded from a real server, and what is only from its sources.
"""

import asyncio
import json
import os
import sys
import time
import traceback

import processes
from cluster import Cluster
from controls import control
from errors import BAD_STATE, CommandError, PbsError
from pbsnodes import pbsnodes
from qselect import qselect
from qstat import qstat
from qsub import NeedsInput, qsub

TICK_SECONDS = 0.1
VERSION = "pbs_version = 23.06.06\n"
# Requests are lines, and an environment may be large.
LINE_LIMIT = 256 * 2**20


class Server:
    def __init__(self, directory: str):
        with open(os.path.join(directory, "settings.json"), encoding="utf-8") as file:
            settings = json.load(file)
        settings["started"] = time.time()
        self.cluster = Cluster(directory, settings)
        self.path = os.path.join(directory, "socket")
        self.scheduling = True

    async def run(self) -> None:
        self.settle()
        if os.path.exists(self.path):
            os.unlink(self.path)
        await asyncio.start_unix_server(self.answer, self.path, limit=LINE_LIMIT)
        print("ready", flush=True)
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.settle()

    def settle(self) -> None:
        """Lets what is due happen, starts what can be started, and keeps it."""
        self.cluster.tick()
        if self.scheduling:
            self.cluster.run_waiting()
        self.cluster.save()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if line:
                writer.write(json.dumps(self.reply_to(line)).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def reply_to(self, line: bytes) -> dict:
        try:
            answer = self.handle(json.loads(line))
            self.settle()
            return answer
        except Exception:  # A fault of the stand-in must not look like an answer of PBS, nor end the server.
            return {**reply("", traceback.format_exc(), 98), "error": traceback.format_exc()}

    def handle(self, request: dict) -> dict:
        if "event" in request:
            return self.hear(request)
        if "control" in request:
            return self.steer(request)
        return self.execute(request)

    def execute(self, request: dict) -> dict:
        """One call of a command."""
        command = request["command"]
        try:
            if request["arguments"] == ["--version"]:
                return reply(VERSION)
            if command == "qsub":
                return reply(self.submit(request))
            handler = {"qstat": qstat, "qselect": qselect, "pbsnodes": pbsnodes}.get(command, control)
            return reply(*handler(self.cluster, request))
        except CommandError as error:
            return reply("", error.text, error.exit)
        except NeedsInput:
            return {"needs_input": True}

    def submit(self, request: dict) -> str:
        try:
            return qsub(self.cluster, request)
        except PbsError as error:
            raise CommandError(f"qsub: {error.text}\n", error.exit) from error

    def hear(self, request: dict) -> dict:
        """A shepherd tells that its job has started or ended."""
        for job in list(self.cluster.jobs.values()):
            if job.state in ("R", "S") and job.run == request["run"]:
                self.cluster.session_started(job)
                if request["event"] == "ended":
                    self.cluster.obit(job)
        return {}

    def steer(self, request: dict) -> dict:
        """What tests ask for, and no user of PBS can."""
        cluster = self.cluster
        about = request.get("about", "")
        try:
            if request["control"] == "fail_node":
                cluster.fail_node(about)
            elif request["control"] == "recover_node":
                cluster.recover_node(about)
            elif request["control"] == "drop_history":
                cluster.drop_history(time.time())
            elif request["control"] == "scheduling":
                self.scheduling = about == "True"
            elif request["control"] == "requeue":
                self.requeue(about)
            else:
                return {"error": f"{request['control']} is no control."}
        except PbsError as error:
            return {"error": f"{error.text} {about}"}
        return {}

    def requeue(self, identifier: str) -> None:
        job, indices = self.cluster.find(identifier)
        if indices is not None:
            job = self.cluster.member(job, indices[0])
        if job is None:
            raise PbsError(BAD_STATE)
        # JOB_EXEC_RERUN
        self.cluster.requeue(job, -11)


def reply(stdout: str = "", stderr: str = "", exit_status: int = 0) -> dict:
    return {"stdout": stdout, "stderr": stderr, "exit": exit_status}


def end(directory: str) -> None:
    """Kills the server and everything that its jobs have left."""
    with open(os.path.join(directory, "settings.json"), encoding="utf-8") as file:
        mark = json.load(file)["mark"]
    processes.kill_marked(f"PBS_JOBCOOKIE={mark}".encode())


if __name__ == "__main__":
    if sys.argv[1] == "--end":
        end(sys.argv[2])
    else:
        asyncio.run(Server(sys.argv[1]).run())
