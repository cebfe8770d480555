"""The sentences that reference rationales are made of, written and read by one grammar.

    The image shows glands, uniform nuclei and loose stroma.               what is seen
    By definition adenoma means glands, uniform nuclei and loose stroma.   a cited fact (criterion)
    Here adenosis is excluded by loose stroma.                             an eliminated option, with its reason
    This is adenoma.                                                       the conclusion

These can be denied: "does not show", "shows no", "does not mean", "is not excluded by". A sentence of any other form is
free text: it earns nothing and breaks nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

LIST_SEPARATOR = re.compile(r", | and ")

_DENIED_VERBS = {" does not show ": " shows ", " does not mean ": " means ", " is not excluded by ": " is excluded by "}


class Style(StrEnum):
    """How much of its reasoning a reference rationale writes down; real corpora mix all three."""

    TERSE = "terse"  # the conclusion alone
    PARTIAL = "partial"  # findings and conclusion
    COMPLETE = "complete"  # findings, criterion, elimination, conclusion


@dataclass(frozen=True)
class Argument:
    """Everything that a complete rationale says, before it is put into words."""

    seen: tuple[str, ...]
    cited: tuple[tuple[str, str], ...]  # (subject, definition)
    excluded: tuple[tuple[str, str], ...]  # (option, reason)
    conclusion: str


@dataclass(frozen=True)
class Reading:
    """The claims of a rationale in order of appearance, lower case; repetitions are kept once."""

    seen: tuple[str, ...]  # phrases said to be shown by the image
    cited: tuple[tuple[str, str], ...]  # (subject, definition as stated)
    excluded: tuple[tuple[str, str], ...]  # (option, the phrase given as reason)
    concluded: tuple[str, ...]  # options concluded


def write(argument: Argument, style: Style) -> str:
    """The argument as text in one style."""
    sentences: list[str] = []
    if style is not Style.TERSE:
        sentences.append(shows(argument.seen))
    if style is Style.COMPLETE:
        sentences += [means(subject, definition) for subject, definition in argument.cited]
        sentences += [excludes(option, reason) for option, reason in argument.excluded]
    return " ".join([*sentences, concludes(argument.conclusion)])


def shows(phrases: Sequence[str]) -> str:
    """The sentence that states findings."""
    return f"The image shows {join(phrases)}."


def means(subject: str, definition: str) -> str:
    """The sentence that cites a fact."""
    return f"By definition {subject} means {definition}."


def excludes(option: str, reason: str) -> str:
    """The sentence that eliminates an option."""
    return f"Here {option} is excluded by {reason}."


def concludes(option: str) -> str:
    """The sentence that names the conclusion."""
    return f"This is {option}."


def join(phrases: Sequence[str]) -> str:
    """An English enumeration: `a`, `a and b`, `a, b and c`."""
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def read(text: str) -> Reading:
    """Every claim of a text, whoever wrote it; total and linear in its length."""
    seen: dict[str, None] = {}
    cited: dict[tuple[str, str], None] = {}
    excluded: dict[tuple[str, str], None] = {}
    concluded: dict[str, None] = {}
    for sentence in " ".join(text.lower().split()).split("."):
        clause = sentence.strip().removeprefix("by definition ").removeprefix("here ")
        subject_means, _, definition = clause.partition(" means ")
        subject_excluded, _, reason = clause.partition(" is excluded by ")
        if clause.startswith("the image shows "):
            seen.update(dict.fromkeys(LIST_SEPARATOR.split(clause.removeprefix("the image shows "))))
        elif clause.startswith("this is "):
            concluded[clause.removeprefix("this is ")] = None
        elif definition:
            cited[subject_means, definition] = None
        elif reason:
            excluded[subject_excluded, reason] = None
    return Reading(tuple(seen), tuple(cited), tuple(excluded), tuple(concluded))


def read_denials(text: str) -> Reading:
    """What a text denies, by its verb or by a finding's `no`, as if it were claimed; linear in its length."""
    sentences = []
    for sentence in " ".join(text.lower().split()).split("."):
        denied = sentence
        for verb, positive in _DENIED_VERBS.items():
            denied = denied.replace(verb, positive)
        if denied != sentence:
            sentences.append(denied)
    by_verb = read(".".join(sentences))
    by_no = (phrase.removeprefix("no ") for phrase in read(text).seen if phrase.startswith("no "))
    return Reading((*by_verb.seen, *by_no), by_verb.cited, by_verb.excluded, by_verb.concluded)
