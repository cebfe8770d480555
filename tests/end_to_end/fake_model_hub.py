"""A stand-in of the Hugging Face hub on this machine that takes models: as far as an upload of small files goes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from served import served

TOKEN, READ_ONLY, COMMIT = "hf_writer", "hf_reader", "0123456789abcdef0123456789abcdef01234567"


@dataclass
class ModelHub:
    """What it was told to make and to keep."""

    made: list[dict[str, object]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    address: str = ""


class Handler(BaseHTTPRequestHandler):
    """Answers for the hub of its server."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Nothing on the screen."""

    def do_GET(self):
        self.send(200, {"id": "me/name", "sha": COMMIT, "siblings": []})

    def do_POST(self):
        body = self.body()
        sender, path = self.headers.get("Authorization", "").removeprefix("Bearer "), urlsplit(self.path).path
        if sender != TOKEN:
            self.send(403 if sender == READ_ONLY else 401, {"error": "not allowed"})
        elif path == "/api/repos/create":
            self.server.hub.made.append(json.loads(body))
            self.send(200, {"url": f"{self.server.hub.address}/me/name"})
        elif path.endswith("/preupload/main"):
            asked = [{"path": one["path"], "uploadMode": "regular"} for one in json.loads(body)["files"]]
            self.send(200, {"files": [{**one, "shouldIgnore": False, "oid": None} for one in asked]})
        elif path.endswith("/commit/main"):
            self.keep([json.loads(line) for line in body.splitlines()])
            url = f"{self.server.hub.address}/me/name/commit/{COMMIT}"
            self.send(200, {"commitUrl": url, "commitOid": COMMIT, "pullRequestUrl": None})
        else:
            self.send(200, {"warnings": [], "errors": []})  # /api/validate-yaml

    def body(self):
        """All of it: the client sends large ones in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def keep(self, lines):
        for line in lines:
            if line["key"] == "file":
                assert line["value"]["encoding"] == "base64"
                self.server.hub.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])

    def send(self, status, answer):
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def model_hub() -> Iterator[ModelHub]:
    """Serve one while the block lasts."""
    hub, server = ModelHub(), ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub = hub
    with served(server) as hub.address:
        yield hub
