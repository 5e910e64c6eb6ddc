"""Keeps one tool server of an investigation where its job runs. Written by Rigor; needs Python 3.6 and nothing else.

It starts the server on a free port of the loopback, or speaks with it on its input and output, and stands before it on
a port of its own, which the first line of its output announces. There it answers only who knows the token. It hands out
what the server writes to its folder of artifacts, and ends when the server does, or when nobody has asked for long.
"""

import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from urllib.parse import quote, unquote

MOST_PORTS = 3
# For a server that is told to end. Whoever ends the job waits ten.
FAREWELL_SECONDS = 8
# What belongs to one connection and not to the message.
HOP_BY_HOP = {
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
}


def say(line):
    print("rigor: " + line, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_bytes(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def own_processes():
    """This group, and whatever else has the job in its environment."""
    mark = ("RIGOR_JOB=" + os.environ.get("RIGOR_JOB", "")).encode()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            if os.getpgid(int(name)) == os.getpgrp():
                yield name
                continue
        except OSError:
            continue
        if mark in read_bytes("/proc/%s/environ" % name).split(b"\0"):
            yield name


def listening(port):
    """Inodes of the sockets that listen on a port."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in read_bytes(table).decode("latin1").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def sockets_of(pid):
    folder = "/proc/%s/fd" % pid
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            match = re.match(r"socket:\[(\d+)\]$", os.readlink(folder + "/" + name))
        except OSError:
            continue
        if match:
            yield match.group(1)


def holder_of(port):
    """Who listens on a port, by the system's word: `nobody`, `ours` or `somebody-else`."""
    if not os.path.isdir("/proc/net"):
        return holder_by_lsof(port)
    sockets = listening(port)
    if not sockets:
        return "nobody"
    held = {inode for pid in own_processes() for inode in sockets_of(pid)}
    return "ours" if sockets <= held else "somebody-else"


def holder_by_lsof(port):
    command = ["lsof", "-nP", "-iTCP:%d" % port, "-sTCP:LISTEN", "-Fp"]
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    pids = [int(line[1:]) for line in answer.stdout.decode().splitlines() if line.startswith("p")]
    if not pids:
        return "nobody"
    return "ours" if all(os.getpgid(pid) == os.getpgrp() for pid in pids) else "somebody-else"


class Ended(Exception):
    """The server has ended."""


class Server:
    """The process of the tool server."""

    def __init__(self, plan, environment):
        self.plan = plan
        self.environment = environment
        self.process = None
        self.port = None
        self.is_proven = False
        self.tried = 0
        self.looking = threading.Lock()

    @property
    def speaks_http(self):
        return self.plan["port_env"] is not None

    def start(self):
        self.tried += 1
        self.port = free_port() if self.speaks_http else None
        mark, port = self.plan["port_mark"], str(self.port)
        environment = dict(self.environment)
        environment.update({name: value.replace(mark, port) for name, value in self.plan["environment"].items()})
        if self.speaks_http:
            environment[self.plan["port_env"]] = port
        pipe = None if self.speaks_http else subprocess.PIPE
        self.process = subprocess.Popen(
            [word.replace(mark, port) for word in self.plan["command"]],
            env=environment,
            stdin=pipe or subprocess.DEVNULL,
            stdout=pipe,
        )

    def why_not(self):
        """Why its port cannot be used yet; None where it is proven to be its own."""
        with self.looking:
            return None if self.is_proven else self.look()

    def look(self):
        holder = holder_of(self.port)
        if holder == "nobody":
            return "It does not listen on its port."
        if holder == "somebody-else":
            if self.tried == MOST_PORTS:
                return "Its port is held by another program."
            say("port %d was taken by another program; the server is started again on another one" % self.port)
            process = self.process
            self.start()
            process.kill()
            process.wait()
            return "It is started again on another port."
        self.is_proven = True
        return None


class Bridge:
    """Messages of a server that speaks on its input and output, for clients that each ask one thing at a time."""

    def __init__(self, process):
        self.process = process
        self.lock = threading.Lock()
        self.asked = 0
        self.answers = {}
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            try:
                message = json.loads(line.decode("utf8"))
            except ValueError:
                message = None
            if not isinstance(message, dict):
                say("not a message of the protocol: " + line.decode("utf8", "replace")[:1000].rstrip())
            elif "method" not in message:
                waiting = self.answers.pop(message.get("id"), None)
                if waiting is not None:
                    waiting["answer"] = message
                    waiting["done"].set()
            elif message.get("id") is not None:
                # Nobody can be asked here; a server that is told so goes on.
                error = {"code": -32601, "message": "This client answers no requests."}
                self.send({"jsonrpc": "2.0", "id": message["id"], "error": error})
        for waiting in list(self.answers.values()):
            waiting["done"].set()

    def send(self, message):
        with self.lock:
            self.process.stdin.write((json.dumps(message) + "\n").encode())
            self.process.stdin.flush()

    def ask(self, message):
        """The answer, or None where there will be none."""
        waiting = {"done": threading.Event(), "answer": None}
        with self.lock:
            self.asked += 1
            number = self.asked
            self.answers[number] = waiting
        self.send(dict(message, id=number))
        while not waiting["done"].wait(1):
            if self.process.poll() is not None:
                break
        if waiting["answer"] is None:
            return None
        return dict(waiting["answer"], id=message["id"])


class Keeper(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, plan, server):
        host = "" if plan["is_networked"] else "127.0.0.1"
        super().__init__((host, 0), Requests)
        self.plan = plan
        self.server = server
        self.bridge = None
        self.heard_at = time.monotonic()

    def server_bind(self):
        # The standard one asks for the full name of the host, which may take long.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            say("%s: %s" % (type(error).__name__, error))


class Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", kind="text/plain; charset=utf-8", headers=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def handle_one_request(self):
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(65537)
        if len(self.raw_requestline) > 65536 or not self.raw_requestline or not self.parse_request():
            return
        self.close_connection = True
        self.respond()
        self.wfile.flush()

    def respond(self):
        path, _, query = self.path.partition("?")
        token = self.server.plan["token"]
        if path == "/.rigor/identity":
            said = hmac.new(token.encode(), b"rigor tool server " + query.encode(), hashlib.sha256).hexdigest()
            return self.answer(200, said.encode())
        given = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, ("Bearer " + token).encode()):
            return self.answer(401)
        self.server.heard_at = time.monotonic()
        if path == "/.rigor/alive":
            return self.answer(200)
        if path == "/.rigor/artifacts":
            return self.answer(200, json.dumps(list_files(self.server.plan["artifacts"])).encode(), "application/json")
        if path.startswith("/.rigor/artifacts/"):
            return self.give(unquote(path[len("/.rigor/artifacts/"):]))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.bridge is not None:
            return self.bridged(path, body)
        return self.forward(body)

    def bridged(self, path, body):
        if path == "/health":
            return self.answer(200)
        if path != "/mcp" or self.command != "POST":
            return self.answer(405)
        try:
            message = json.loads(body.decode("utf8"))
        except ValueError:
            message = None
        if not isinstance(message, dict):
            return self.answer(400)
        if "method" not in message or message.get("id") is None:
            self.server.bridge.send(message)
            return self.answer(202)
        told = self.server.bridge.ask(message)
        if told is None:
            return self.answer(502, b"The tool server ended.")
        return self.answer(200, json.dumps(told).encode(), "application/json")

    def forward(self, body):
        why = self.server.server.why_not()
        if why is not None:
            return self.answer(503, why.encode(), headers=[("Retry-After", "1")])
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server.port)
        try:
            connection.putrequest(self.command, self.path, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
        except OSError as error:
            return self.answer(502, ("The tool server does not answer: %s" % error).encode())
        self.send_response(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for piece in iter(lambda: answer.read1(65536), b""):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        finally:
            connection.close()

    def give(self, path):
        folder = os.path.realpath(self.server.plan["artifacts"])
        file = os.path.realpath(os.path.join(folder, path))
        if not file.startswith(folder + os.sep) or not os.path.isfile(file):
            return self.answer(404)
        with open(file, "rb") as source:
            size = os.fstat(source.fileno()).st_size
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.send_header("Connection", "close")
            self.end_headers()
            left = size
            while left > 0:
                piece = source.read(min(left, 1 << 20))
                if not piece:
                    return None
                self.wfile.write(piece)
                left -= len(piece)


def list_files(folder):
    """Regular files below a folder, as far as their names are text. Links are not followed."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            file = os.path.join(parent, name)
            path = os.path.relpath(file, folder)
            try:
                status = os.lstat(file)
                quote(path)
            except (OSError, UnicodeEncodeError):
                continue
            if stat.S_ISREG(status.st_mode):
                found.append({"path": path, "size": status.st_size, "changed": str(status.st_mtime_ns)})
    return found


def taken(folder):
    """Bytes of the disk that a folder takes."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
            except OSError:
                continue
    return total


class Artifacts:
    """What the server has made. It is looked at from time to time whether that is too much: many files take their time."""

    def __init__(self, plan):
        self.folder = plan["artifacts"]
        self.most_bytes = plan["most_bytes"]
        self.look_at = 0

    def are_too_large(self):
        began = time.monotonic()
        if began < self.look_at:
            return False
        total = taken(self.folder)
        self.look_at = time.monotonic() + 20 * (time.monotonic() - began)
        if total > self.most_bytes:
            said = "its artifacts take %.3g GB, and may take %.3g GB (`size` of the role investigator): it is ended"
            say(said % (total / 1e9, self.most_bytes / 1e9))
        return total > self.most_bytes

    def keep_here(self):
        """What is too much is not brought to the machine of the agent."""
        if taken(self.folder) > self.most_bytes:
            os.rename(self.folder, self.folder + "-too-large")


def addresses(plan):
    """By which names others may reach this host, the likeliest first; who asks has the answer proven."""
    if not plan["is_networked"]:
        return ["127.0.0.1"]
    found = [socket.gethostname()]
    # No packet is sent: the system says which of its addresses it would use to reach the one that submitted the job.
    for target in (os.environ.get("SLURM_SUBMIT_HOST"), os.environ.get("PBS_O_HOST"), "192.0.2.1"):
        if target:
            try:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.connect((target, 9))
                    found.append(probe.getsockname()[0])
            except OSError:
                continue
    found.append("127.0.0.1")
    return list(dict.fromkeys(found))


def end(process):
    process.terminate()
    try:
        process.wait(timeout=FAREWELL_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main():
    # The warning before a time limit is for runs that write checkpoints.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    plan = json.loads(os.environ.pop("RIGOR_TOOL_PLAN"))
    previous = plan["previous_data"]
    if previous is not None and os.path.isdir(previous) and not os.path.isdir(plan["data"]):
        shutil.copytree(previous, plan["data"], symlinks=True)
    for folder in (plan["data"], plan["artifacts"]):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    server = Server(plan, dict(os.environ))
    artifacts = Artifacts(plan)
    keeper = Keeper(plan, server)

    def stop(*_):
        raise Ended()

    signal.signal(signal.SIGTERM, stop)
    try:
        about = {"addresses": addresses(plan), "port": keeper.server_port, "host": socket.gethostname()}
        print(plan["announce"] + " " + json.dumps(about), flush=True)
        try:
            server.start()
        except OSError as error:
            say("%s cannot be started: %s" % (plan["command"][0], error.strerror))
            return 127
        if not server.speaks_http:
            keeper.bridge = Bridge(server.process)
        threading.Thread(target=keeper.serve_forever, daemon=True).start()
        while True:
            try:
                status = server.process.wait(timeout=1)
                if server.process.poll() is not None:
                    return status if status >= 0 else 128 - status
            except subprocess.TimeoutExpired:
                pass
            if artifacts.are_too_large():
                end(server.process)
                return 76
            silence = time.monotonic() - keeper.heard_at
            if silence > plan["unattended_seconds"]:
                say("nobody has asked for %d s, so that the tool server is ended" % silence)
                end(server.process)
                return 75
    except Ended:
        if server.process is not None:
            end(server.process)
        return 143
    finally:
        artifacts.keep_here()


sys.exit(main())
