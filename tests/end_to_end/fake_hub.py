"""A stand-in of the Hugging Face hub on this machine: one dataset, at one commit, which may be gated or break off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from served import served

HUB_ID, COMMIT = "owner/name", "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """What it has and what it was asked."""

    files: Mapping[str, bytes]
    token: str | None = None  # without it the dataset is gated
    broken: set[str] = field(default_factory=set)  # files that it breaks off half-way
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, range
    address: str = ""


class Handler(BaseHTTPRequestHandler):
    """Answers for the hub of its server."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Nothing on the screen."""

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = urlsplit(self.path).path
        self.server.hub.asked.append((self.command, path, self.headers.get("Range")))
        if self.server.hub.token is not None and self.headers.get("Authorization") != f"Bearer {self.server.hub.token}":
            self.send(403, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        elif path == f"/api/datasets/{HUB_ID}/revision/{COMMIT}":
            siblings = [{"rfilename": name} for name in self.server.hub.files]
            self.send(200, json.dumps({"id": HUB_ID, "sha": COMMIT, "siblings": siblings}).encode())
        elif path.startswith(f"/api/datasets/{HUB_ID}/tree/{COMMIT}"):
            self.send(
                200, json.dumps([entry(name, content) for name, content in self.server.hub.files.items()]).encode()
            )
        elif path.startswith(f"/datasets/{HUB_ID}/resolve/{COMMIT}/"):
            self.send_file(path.partition(f"{COMMIT}/")[2])
        else:
            code = "RepoNotFound" if HUB_ID not in path else "RevisionNotFound"
            self.send(404, b"{}", {"X-Error-Code": code})

    def send_file(self, name):
        content = self.server.hub.files[name]
        first = int(self.headers.get("Range", "bytes=0-").partition("=")[2].partition("-")[0])
        headers = {"ETag": f'"{digest(content)}"', "X-Repo-Commit": COMMIT}
        if name in self.server.hub.broken and self.command == "GET":
            self.server.hub.broken.discard(name)
            self.send(200, content, headers, sent=len(content) // 2)
            self.close_connection = True
        elif first:
            place = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
            self.send(206, content[first:], headers | place)
        else:
            self.send(200, content, headers)

    def send(self, status, content, headers=None, sent=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[:sent])


@contextmanager
def fake_hub(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve it while the block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub = hub
    with served(server) as hub.address:
        yield hub


def digest(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def entry(name: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(content), "oid": digest(content)}
