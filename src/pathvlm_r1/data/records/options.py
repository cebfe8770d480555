"""The options of a question, in every shape that records have them in."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.records.faults import RecordFault, shortened
from pathvlm_r1.data.sample import LETTERS

_LETTERED = re.compile(r"\(?([A-Za-z])\s*[).:]\s*(?=\S)")
_QUOTED = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*(?:,|$)""", re.DOTALL)


def normalised(text: str) -> str:
    """A text as it is compared: case, white space and a final full stop say nothing."""
    return " ".join(text.casefold().split()).rstrip(". ")


def parsed_options(value: object) -> tuple[str, ...]:
    """The texts of the options without letters; white space within one becomes single spaces.

    Read are lists of texts, with "A) ", "(A) ", "A. " or "A:" before each or before none; objects of letters; lists of
    `{letter, content}`; and any of these as JSON, or a list as Python writes it, in a text. Nothing is evaluated, and
    nothing is cut at a bracket within an option.

    Raises:
        RecordFault: fewer than two or more than nine, a shape without one reading, or two that are equal.
    """
    texts = _without_letters([_one(option) for option in _members(_decoded(value))])
    if len(texts) < 2:
        found = f"{len(texts)} option{'s' * (len(texts) != 1)}"
        raise RecordFault(DefectKind.OPTIONS_MISSING, f"{found}, and a choice needs at least 2; mend the record")
    if len(texts) > len(LETTERS):
        raise _unreadable(f"{len(texts)} options, and there are letters for {len(LETTERS)}")
    require_distinct(texts)
    return tuple(texts)


def require_distinct(options: Sequence[str]) -> None:
    """Refuse options of which two are equal to a reader.

    Raises:
        RecordFault: to be left out, as no answer to it can be scored.
    """
    seen: dict[str, str] = {}
    for letter, text in zip(LETTERS, options, strict=False):
        earlier = seen.setdefault(normalised(text), letter)
        if earlier != letter:
            raise RecordFault(
                DefectKind.OPTIONS_ALIKE, f"options {earlier} and {letter} are both {text!r}: not scored", "skip"
            )


def _unreadable(what: str) -> RecordFault:
    return RecordFault(DefectKind.OPTIONS_UNREADABLE, f"{what}; mend the record")


def _decoded(value: object) -> object:
    """A list or an object that was written into a text, read again."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return list(_python_list(value.strip()))


def _python_list(text: str) -> Iterator[str]:
    """The items of ['a', "b"], as Python writes a list of texts."""
    if not (text.startswith("[") and text.endswith("]")):
        raise _unreadable(f"options are the text {shortened(text)}, a list or an object of letters is expected")
    inside, place = text[1:-1].rstrip().removesuffix(","), 0
    while place < len(inside):
        item = _QUOTED.match(inside, place)
        if item is None:
            raise _unreadable(f"options are the text {shortened(text)}, which is no list of quoted texts")
        yield re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), item[1] or item[2] or "")
        place = item.end()


def _members(value: object) -> list[object]:
    """The options in their order, whatever holds them."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return _of_letters({str(letter).strip().upper(): option for letter, option in value.items()})
    if not isinstance(value, list | tuple):
        raise _unreadable(f"options are {shortened(value)}, a list or an object of letters is expected")
    if value and all(isinstance(option, Mapping) for option in value):
        return _of_letters({str(option.get("letter")).strip().upper(): option.get("content") for option in value})
    return list(value)


def _of_letters(options: Mapping[str, object]) -> list[object]:
    """Options by letter, from A on without a gap; a table has empty cells behind the last one."""
    present = {letter: option for letter, option in options.items() if not _is_empty(option)}
    if sorted(present) != list(LETTERS[: len(present)]) or any(len(letter) != 1 for letter in options):
        raise _unreadable(f"options have the letters {', '.join(sorted(present))}, from A on without a gap is expected")
    return [present[letter] for letter in sorted(present)]


def _is_empty(option: object) -> bool:
    return option is None or option == "" or (isinstance(option, float) and math.isnan(option))


def _one(option: object) -> str:
    if isinstance(option, bool) or not isinstance(option, str | int | float) or _is_empty(option):
        raise _unreadable(f"an option is {shortened(option)}, a text is needed")
    text = " ".join(str(option).split())
    if not text:
        raise _unreadable("an option is empty, a text is needed")
    return text


def _without_letters(texts: list[str]) -> list[str]:
    """Texts less the letters before them, where each has the one of its place.

    Where only a few have it, that is no enumeration but a text: "A. fumigatus" may be the first of four fungi.
    """
    marks = [_LETTERED.match(text) for text in texts]
    own = [
        mark is not None and mark[1].upper() == letter
        for mark, letter in zip(marks, LETTERS + " " * len(texts), strict=False)
    ]
    if texts and all(own):
        return [text[mark.end() :] for text, mark in zip(texts, marks, strict=True) if mark is not None]
    if sum(own) > len(own) / 2:
        missing = ", ".join(text for text, is_own in zip(texts, own, strict=True) if not is_own)
        raise _unreadable(f"most options begin with their letter, and not {shortened(missing)}")
    return texts
