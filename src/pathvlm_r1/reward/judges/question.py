"""What a chat model is asked about a completion: a versioned prompt, the pictures, and the text as escaped data."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

from PIL import Image

from pathvlm_r1.data import Sample
from pathvlm_r1.reward.completion import Completion
from pathvlm_r1.reward.judges.answer import SCHEMA, SCHEMA_VERSION

Reference = Literal["hidden", "shown", "context"]

BEGIN, END = "BEGIN DATA", "END DATA"
# Characters that would end a line, hide or turn text around: JSON leaves most of them as they are.
_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_FOLDER = files("pathvlm_r1.reward.judges") / "prompts"
PROMPTS = tuple(sorted(entry.name.removesuffix(".md") for entry in _FOLDER.iterdir()))  # versions


@dataclass(frozen=True)
class Prompt:
    """A prompt of the package, by its version; a file is never changed once it has judged anything."""

    version: str
    sections: dict[str, str] = field(repr=False)  # system, and a sentence for every way of showing the reference answer

    @classmethod
    def named(cls, version: str) -> Prompt:
        """The prompt of this version.

        Raises:
            FileNotFoundError: there is none.
        """
        parts = ("\n" + (_FOLDER / f"{version}.md").read_text(encoding="utf-8")).split("\n# ")[1:]
        return cls(version, {name: text.strip() for name, _, text in (part.partition("\n") for part in parts)})


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One of a sample's pictures as it is sent, and what identifies it."""

    data_url: str
    digest: str  # SHA-256 of the pixels before downscaling: no encoder's version moves it

    @classmethod
    def of(cls, picture: Image.Image, max_side: int) -> Picture:
        """PNG of at most `max_side` pixels a side."""
        whole = picture.convert("RGB")
        digest = hashlib.sha256(f"{whole.size}".encode() + whole.tobytes()).hexdigest()
        whole.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        whole.save(buffer, "PNG")
        return cls(data_url=f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}", digest=digest)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request: its key, its body, and the completion that the answer is about."""

    key: str  # SHA-256 of everything that the answer depends on
    body: dict[str, Any]
    completion: Completion

    @property
    def pictures(self) -> int:
        """How many the body has."""
        return sum(part["type"] == "image_url" for part in self.body["messages"][-1]["content"])

    @property
    def text_bytes(self) -> int:
        """Bytes of the body without the pictures: no tokeniser makes more tokens of it."""
        return len(self.logged)

    @property
    def logged(self) -> str:
        """The body as JSON, with the hash of each picture in its place."""
        return json.dumps(self.body | {"messages": [_without_pictures(message) for message in self.body["messages"]]})


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How a completion becomes a request; all of it decides the answer and is part of the key."""

    model: str
    prompt: Prompt
    reference: Reference
    max_side: int  # of the picture, in pixels
    temperature: float | None  # None, here and below: not sent
    seed: int | None
    max_tokens: int
    max_tokens_key: str  # how the server calls it
    judge: str = "openai"  # that asks
    identity: str | None = None  # of a model in this process: what its name does not say
    repeat: int = 0  # how often the same was asked before; not sent, but an answer of its own
    schema_version: str = SCHEMA_VERSION  # of the answer's form; a judge of events has that of events
    schema: dict[str, Any] = field(default_factory=lambda: SCHEMA)

    def questions(self, completions: Iterable[Completion]) -> list[Question]:
        """The requests about completions; a sample's pictures are drawn once."""
        pictures: dict[int, Picture] = {}
        asked = []
        for completion in completions:
            images = completion.sample.images
            new = {id(image): image for image in images if id(image) not in pictures}
            pictures |= {key: Picture.of(image.load(), self.max_side) for key, image in new.items()}
            asked.append(self.question(completion, [pictures[id(image)] for image in images]))
        return asked

    def question(self, completion: Completion, pictures: Sequence[Picture]) -> Question:
        """The request about one completion, with the pictures of its sample in their order."""
        messages = [
            {"role": "system", "content": self.prompt.sections["system"]},
            {
                "role": "user",
                "content": [
                    *({"type": "image_url", "image_url": {"url": picture.data_url}} for picture in pictures),
                    {"type": "text", "text": self._text(completion)},
                ],
            },
        ]
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": self.schema_version, "strict": True, "schema": self.schema},
            },
            self.max_tokens_key: self.max_tokens,
        }
        body |= {} if self.temperature is None else {"temperature": self.temperature}
        body |= {} if self.seed is None else {"seed": self.seed}
        decisive: dict[str, Any] = {
            "judge": self.judge, "model": self.model, "prompt": [self.prompt.version, self.prompt.sections["system"]],
            "schema": [self.schema_version, self.schema], "text": self._text(completion),
            "picture": "+".join(picture.digest for picture in pictures),
            "settings": [self.max_side, self.temperature, self.seed, self.max_tokens],
        }  # fmt: skip
        decisive |= {} if self.identity is None else {"identity": self.identity}
        decisive |= {"repeat": self.repeat} if self.repeat else {}
        key = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
        return Question(key=key, body=body, completion=completion)

    def _text(self, completion: Completion) -> str:
        """The user's words: one line of JSON for each part, so that no part can end the data."""
        sample = completion.sample
        parts: dict[str, Any] = {"question": sample.question}
        if not sample.is_open:  # the only option of an open question is its reference answer
            parts["options"] = dict(zip(sample.letters, sample.options, strict=True))
        if self.reference != "hidden":
            parts["reference_answer"] = _answer(sample)
        parts["completion"] = completion.text
        lines = [f"{name}: {_line(value)}" for name, value in parts.items()]
        return "\n".join([self.prompt.sections[self.reference], BEGIN, *lines, END])


def _answer(sample: Sample) -> str:
    text = sample.option(sample.answer)
    return text if sample.is_open else f"{sample.answer}) {text}"


def _line(value: object) -> str:
    """JSON in one line, whatever the text holds."""
    written = json.dumps(value, ensure_ascii=False)
    return "".join(json.dumps(c)[1:-1] if unicodedata.category(c) in _ESCAPED else c for c in written)


def _without_pictures(message: dict[str, Any]) -> dict[str, Any]:
    if isinstance(message["content"], str):
        return message
    parts = [
        {"type": "image_url", "sha256": hashlib.sha256(part["image_url"]["url"].encode()).hexdigest()}
        if part["type"] == "image_url"
        else part
        for part in message["content"]
    ]
    return message | {"content": parts}
