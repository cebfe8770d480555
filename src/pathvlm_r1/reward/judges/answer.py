"""A chat model's answer, read strictly: six events with their evidence, or no verdict and the reason; never a guess."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pathvlm_r1.reward.rubric import EVENTS, RubricEvents

SCHEMA_VERSION = "process_events_v1"
MAX_EVIDENCE = 512  # characters of one passage
ASKED_EVIDENCE = 160  # likewise, as the prompts ask for
_UNSEEN = frozenset({"Cc", "Cf", "Cs"})  # controls, zero-width and turning characters, lone surrogates


class _Finding(BaseModel):
    """One event, its evidence first: a model decides better after it has looked."""

    model_config = ConfigDict(strict=True, extra="forbid", title="event")

    evidence: str = Field(max_length=MAX_EVIDENCE)
    present: bool


_FINDINGS = TypeAdapter(dict[str, _Finding])


def _schema(evidence: dict[str, Any]) -> dict[str, Any]:
    """JSON Schema as strict servers take it: no references, no titles."""
    event = {
        "type": "object",
        "properties": {"evidence": evidence, "present": {"type": "boolean"}},
        "required": ["evidence", "present"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": dict.fromkeys(EVENTS, event),
        "required": list(EVENTS),
        "additionalProperties": False,
    }


SCHEMA = _schema({"type": "string"})  # strict servers take no lengths
BOUNDED_SCHEMA = _schema({"type": "string", "maxLength": ASKED_EVIDENCE})  # so that no answer goes on for ever


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class Answer(BaseModel):
    """What a server answered; other keys are not read."""

    model: str
    choices: list[_Choice]
    usage: _Usage | None = None
    system_fingerprint: str | None = None

    @classmethod
    def of(cls, body: str | bytes) -> Answer:
        """An answer from a response's body.

        Raises:
            ValueError: it is not whole JSON, or no chat completion.
        """
        return cls.model_validate_json(body)


@dataclass(frozen=True)
class Reading:
    """What an answer says of a completion."""

    events: RubricEvents | None
    reason: str
    unfound: tuple[str, ...] = ()  # events called present whose evidence does not stand in the completion


def read(answer: Answer, text: str, *, is_voiding: bool) -> Reading:
    """Read an answer about a completion.

    Args:
        answer: as the server gave it.
        text: of the completion; white space counts as one space and what cannot be seen as nothing, all else must stand
            in it as quoted.
        is_voiding: an event whose evidence does not stand in the text is not present.
    """
    if fault := fault_of(answer):
        return Reading(None, fault)
    content = answer.choices[0].message.content or ""
    try:
        found = _FINDINGS.validate_python(json.loads(content, object_pairs_hook=once))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        return Reading(None, f"not of schema {SCHEMA_VERSION}: {place}: {first['msg']}")
    except (ValueError, RecursionError) as error:
        return Reading(None, f"no JSON: {error}")
    if found.keys() != set(EVENTS):
        return Reading(None, f"not of schema {SCHEMA_VERSION}: its events are {', '.join(found)[:200]}")
    plain = _plain(text)
    present = {name: found[name].present for name in EVENTS}
    unfound = tuple(name for name in EVENTS if present[name] and not _stands(found[name].evidence, plain))
    if is_voiding:
        present |= dict.fromkeys(unfound, False)
    return Reading(RubricEvents(**present), _in_words(unfound, is_voiding=is_voiding), unfound)


def fault_of(answer: Answer) -> str | None:
    """Why an answer is none, before its content is looked at."""
    if len(answer.choices) != 1:
        return f"{len(answer.choices)} choices, one was asked for"
    (choice,) = answer.choices
    if choice.message.refusal:
        return f"refused: {choice.message.refusal[:200]}"
    if choice.finish_reason != "stop":
        return f"ended by {choice.finish_reason}, not by stop"
    return None if choice.message.content else "no content"


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a key that stands twice would hide one of its values."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice")
    return made


def _stands(evidence: str, plain: str) -> bool:
    quoted = _plain(evidence)
    return bool(quoted) and quoted in plain


def _plain(text: str) -> str:
    """With single spaces, and without characters that nobody sees: one within a wrong claim would void its error."""
    return " ".join("".join(c for c in text if c.isspace() or unicodedata.category(c) not in _UNSEEN).split())


def _in_words(unfound: tuple[str, ...], *, is_voiding: bool) -> str:
    if not unfound:
        return "judged, all evidence found"
    return f"judged, evidence not found and {'voided' if is_voiding else 'counted'}: {', '.join(unfound)}"
