"""A small tool server for machines that have nothing but Python: measures a parabola. `FAULT` says what goes wrong."""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

measured = 0


def measure(x):
    global measured
    if os.environ.get("FAULT") == "dies":
        print("CUDA out of memory", file=sys.stderr, flush=True)
        os._exit(3)
    measured += 1
    with open(os.path.join(os.environ["RIGOR_TOOL_DATA"], "measured.txt"), "a") as file:
        file.write("%s\n" % x)
    with open(os.path.join(os.environ["RIGOR_ARTIFACTS"], "curve.csv"), "w") as file:
        file.write("x,y\n%s,%s\n" % (x, x * x))
    if os.environ.get("FAULT") == "large":
        with open(os.path.join(os.environ["RIGOR_ARTIFACTS"], "dump.bin"), "wb") as file:
            file.write(b"x" * 10_000_000)
    cards = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return "value %s, measurement %d on %s with cards '%s'" % (x * x, measured, os.uname().nodename, cards)


def answer(message):
    method, said = message.get("method"), {}
    if method == "initialize":
        said = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}}}
        said["serverInfo"] = {"name": "measure", "version": "1"}
    elif method == "tools/list":
        schema = {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}
        said = {"tools": [{"name": "measure", "description": "The value at x.", "inputSchema": schema}]}
    elif method == "tools/call":
        said = {"content": [{"type": "text", "text": measure(message["params"]["arguments"]["x"])}]}
    return {"jsonrpc": "2.0", "id": message["id"], "result": said}


class Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        ok = self.path == "/health" and os.environ.get("FAULT") != "never"
        self.reply(200 if ok else 503)

    def do_DELETE(self):
        self.reply(405)

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in message:
            return self.reply(202)
        return self.reply(200, json.dumps(answer(message)).encode())


if "--stdio" in sys.argv:
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            print(json.dumps(answer(message)), flush=True)
else:
    port = int(sys.argv[1])
    server = HTTPServer(("127.0.0.1", port), Requests)
    print("listens on %d" % port, flush=True)
    threading.Thread(target=server.serve_forever).start()
