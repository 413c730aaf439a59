"""Programs that stay up while a test asks them, and a small HTTP client and server."""

import contextlib
import http.client
import http.server
import json
import socket
import subprocess
import threading
import time
import urllib.parse

from conftest import SYSFLOW, clean_environment


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path):
    """Status and body of a GET on loopback; JSON is decoded."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        is_json = "json" in (answer.getheader("content-type") or "")
        return answer.status, json.loads(body) if is_json else body
    finally:
        connection.close()


def eventually(what, condition, seconds=60):
    """Value of the condition once it is true; fails with `what` when that takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if value := condition():
                return value
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.1)


@contextlib.contextmanager
def program(command, log, **popen):
    """Runs a command until the end of the block; what it says goes to the file `log`."""
    with open(log, "wb") as out:
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **popen
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@contextlib.contextmanager
def sysflow(log, *arguments):
    with program([SYSFLOW, *arguments], log, env=clean_environment()) as process:
        yield process


class Posts:
    """A web server on loopback that keeps what is posted to it."""

    def __init__(self, answer=None):
        self.bodies, self.paths = [], []
        posts = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                posts.bodies.append(body)
                posts.paths.append(urllib.parse.urlsplit(self.path).path)
                status, text = answer(body) if answer else (200, "")
                self.send_response(status)
                self.send_header("content-length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def alerts(self):
        return [json.loads(body) for body in self.bodies]
