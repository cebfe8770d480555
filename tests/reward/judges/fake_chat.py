"""A local chat-completions server that judges by a rule, counts what it is asked and paid, and fails as it is told."""

import base64
import hashlib
import io
import json
import socket
import struct
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread

from PIL import Image
from written_completions import phantom_samples

from pathvlm_r1.reward import Completion, FinishReason, RubricEvents
from pathvlm_r1.reward.judges import Asking, Budget, Client, Endpoint, OpenAIJudge, Prompt

MODEL, KEY = "judge-1", "secret-key-1"
NAMES = list(RubricEvents.__dataclass_fields__)
USAGE = {"prompt_tokens": 900, "completion_tokens": 150}
COST = (900 * 2.0 + 150 * 8.0) / 1_000_000  # USD at the prices below
TINY_PICTURE = type("TinyPicture", (), {"load": lambda _: Image.new("RGB", (40, 30), (200, 60, 90))})()
SAMPLE = replace(phantom_samples("ct", 1)[0], images=(TINY_PICTURE,))


def texts(count, start=0):
    """Completions that differ."""
    return [
        Completion(SAMPLE, f"<think>finding {number} is\n seen</think><answer>A</answer>", FinishReason.STOP, 9)
        for number in range(start, start + count)
    ]


def truth(text):
    """The events that the server decides for a completion."""
    bits = hashlib.sha256(text.encode()).digest()[0]
    return RubricEvents(**{name: bool(bits >> place & 1) for place, name in enumerate(NAMES)})


def judge_at(url, folder, **changes):
    """A judge of that server with short times and wide limits; `changes` are fields of any of its parts."""
    parts = {
        "asking": Asking(model=MODEL, prompt=Prompt.named("process_events_v1"), reference="context", max_side=28,
                         temperature=0.0, seed=42, max_tokens=200, max_tokens_key="max_tokens"),
        "endpoint": Endpoint(url=url, api_key=KEY, concurrency=16, spacing=0.0, timeout=1.0, attempts=4, backoff=0.01,
                             max_wait=2.0, breaker=1000),
        "budget": Budget(input_price=2.0, output_price=8.0, image_tokens=100, max_cost=100.0),
    }  # fmt: skip
    own = {"cache": Path(folder) / "judge.sqlite", "is_voiding": True, "max_missing_share": 1.0}
    for key, value in changes.items():
        part = next((part for part in parts if key in parts[part].__dataclass_fields__), None)
        if part is None:
            assert key in own
            own[key] = value
        else:
            parts[part] = replace(parts[part], **{key: value})
    return OpenAIJudge(asking=parts["asking"], client=Client(parts["endpoint"]), budget=parts["budget"], **own)


def content(text, **changes):
    """The content of an honest answer, with events changed or taken out (None)."""
    evidence = " ".join(text.split())[:20]
    found = {
        name: {"evidence": evidence if present else "", "present": present}
        for name, present in truth(text).to_dict().items()
    }
    return json.dumps({name: value for name, value in {**found, **changes}.items() if value is not None})


def answer(text, *, finish_reason="stop", refusal=None, model=MODEL, usage=USAGE, **message):
    """The body of a response."""
    said = {"role": "assistant", "content": content(text), "refusal": refusal, **message}
    choice = {"index": 0, "message": said, "finish_reason": finish_reason}
    return {"id": "x", "model": model, "system_fingerprint": "fp-7", "choices": [choice], "usage": usage}


INVALID = {
    "extra key": lambda text: answer(text, content=content(text, severity={"evidence": "", "present": True})),
    "missing key": lambda text: answer(text, content=content(text, definition_error=None)),
    "not a boolean": lambda text: answer(text, content=content(text, definition_error={"evidence": "", "present": 1})),
    "prose": lambda text: answer(text, content="All six are fine. " + content(text)),
    "refusal": lambda text: answer(text, content=None, refusal="I cannot help with that."),
    "cut": lambda text: answer(text, finish_reason="length"),
    "two choices": lambda text: answer(text) | {"choices": answer(text)["choices"] * 2},
}


@dataclass
class FakeChat:
    """The state behind the server.

    `script` says how the n-th request about a text (from 0) ends: None for an honest answer, the name of a fault, of an
    entry of `INVALID`, or a dictionary to answer with.
    """

    script: object = lambda text, number: None  # noqa: ARG005
    seconds: float = 0.0  # that an answer takes
    asked: Counter = field(default_factory=Counter)  # text -> requests
    paid: Counter = field(default_factory=Counter)  # text -> whole answers of the right model
    bodies: list = field(default_factory=list)
    headers: list = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    closing: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)


def read_request(body):
    """The completion's text and the picture, as any other reader of the documented body would find them."""
    assert (body["response_format"]["type"], body["response_format"]["json_schema"]["strict"]) == ("json_schema", True)
    picture, words = body["messages"][1]["content"]
    head, _, data = picture["image_url"]["url"].partition(";base64,")
    assert head == "data:image/png"
    lines = words["text"].split("\n")
    data_lines = lines[lines.index("BEGIN DATA") + 1 : lines.index("END DATA")]
    parts = {name: json.loads(value) for name, _, value in (line.partition(": ") for line in data_lines)}
    return parts, Image.open(io.BytesIO(base64.b64decode(data)))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def chat(self):
        return self.server.chat

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = read_request(body)[0]["completion"]
        with self.chat.lock:
            number = self.chat.asked[text]
            self.chat.asked[text] += 1
            self.chat.bodies.append(body)
            self.chat.headers.append(dict(self.headers))
            self.chat.at_once += 1
            self.chat.most_at_once = max(self.chat.most_at_once, self.chat.at_once)
        try:
            if self.path != "/v1/chat/completions":
                self.respond(404, {"error": "no such path"})
            elif self.headers["Authorization"] != f"Bearer {KEY}":
                self.respond(401, {"error": f"wrong key {self.headers['Authorization']}"})
            else:
                is_closing = self.chat.closing.wait(self.chat.seconds)
                self.act("reset" if is_closing else self.chat.script(text, number), text)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.chat.lock:
                self.chat.at_once -= 1

    def act(self, action, text):
        if isinstance(action, dict):
            self.respond(200, action)
        elif action is None or action in INVALID:
            with self.chat.lock:
                self.chat.paid[text] += 1
            self.respond(200, INVALID[action](text) if action else answer(text))
        elif action == "wrong model":
            self.respond(200, answer(text, model="judge-0"))
        elif action.startswith("429"):  # and the value of Retry-After
            self.respond(429, {"error": "slow down"}, {"Retry-After": action.partition(" ")[2]})
        elif action.isdecimal():
            self.respond(int(action), {"error": "told to"})
        else:
            self.close_connection = True
            getattr(self, action.replace(" ", "_"))(json.dumps(answer(text)).encode(), text)

    def respond(self, status, body, more=None):
        data = json.dumps(body).encode()
        self.head(status, len(data), more or {})
        self.wfile.write(data)

    def head(self, status, length, more):
        self.send_response(status)
        headers = {"Content-Type": "application/json", **more}
        for name, value in (headers if length is None else headers | {"Content-Length": str(length)}).items():
            self.send_header(name, value)
        self.end_headers()

    def hang(self, _data, _text):
        self.chat.closing.wait(20)

    def reset(self, _data, _text):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def truncated(self, data, _text):
        self.head(200, len(data), {})
        self.wfile.write(data[: len(data) // 2])

    def whole_but_unended(self, data, text):
        """All of the JSON, and then less than the header promised: it counts."""
        with self.chat.lock:
            self.chat.paid[text] += 1
        self.head(200, len(data) + 10, {})
        self.wfile.write(data)

    def without_length(self, data, text):
        with self.chat.lock:
            self.chat.paid[text] += 1
        self.head(200, None, {"Connection": "close"})
        self.wfile.write(data)

    def drip(self, data, _text):
        self.head(200, len(data), {})
        for byte in data:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.chat.closing.wait(0.05):
                return

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 256

    def handle_error(self, *_):
        """A client that went away is a part of the test."""


@contextmanager
def serving(chat, port=0):
    """Its address, while it answers; any free port unless one is given."""
    server = Server(("127.0.0.1", port), Handler)
    server.chat = chat
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        chat.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
