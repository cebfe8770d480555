"""Options that stand within the text of a question: "Which? A) x B) y"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.records.faults import RecordFault
from pathvlm_r1.data.sample import LETTERS

_HEADING = re.compile(r"(?:^|(?<=\s))(?:answer\s+)?(?:options|choices)\s*:?\s*$", re.IGNORECASE)
# Ways of enumerating, tried in this order: on lines of their own, where letters within a line are its text; in a line,
# where "A." and "A:" stand in many a sentence and are not enough.
_ENUMERATIONS = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^[ \t]*\(([A-I])\)[ \t]*(?=\S)", r"^[ \t]*([A-I])\)[ \t]*(?=\S)", r"^[ \t]*([A-I])[.:][ \t]*(?=\S)",
        r"(?:^|(?<=\s)|(?<=[,;?]))\(([A-I])\)[ \t]*(?=\S)", r"(?:^|(?<=\s)|(?<=[,;?]))([A-I])\)[ \t]*(?=\S)",
    )
)  # fmt: skip


@dataclass(frozen=True)
class LetteredQuestion:
    """A text taken apart."""

    question: str  # what stands before the options, less a heading such as "Options:"
    options: tuple[str, ...]  # without letters; none where the text has no list
    rest: str = ""  # what stands on lines behind the options: an instruction, as a rule


def lettered_question(text: str) -> LetteredQuestion:
    """Take the options out of a question's text.

    Raises:
        RecordFault: a letter of the list stands there twice or out of order, so that no option's end is certain.
    """
    for enumeration in _ENUMERATIONS:
        marks = list(enumeration.finditer(text))
        letters = "".join(mark[1] for mark in marks)
        first = letters.rfind("AB")
        if first < 0:
            continue
        marks, letters = marks[first:], letters[first:]
        if letters != LETTERS[: len(letters)]:
            raise RecordFault(
                DefectKind.OPTIONS_UNREADABLE,
                f"the text enumerates {', '.join(letters)}: it cannot be told where an option ends; mend the record",
            )
        return _taken_apart(text, marks)
    return LetteredQuestion(text.strip(), ())


def _taken_apart(text: str, marks: list[re.Match[str]]) -> LetteredQuestion:
    ends = [mark.start() for mark in marks[1:]]
    last, _, rest = text[marks[-1].end() :].partition("\n")
    parts = [*(text[mark.end() : end] for mark, end in zip(marks[:-1], ends, strict=True)), last]
    question = _HEADING.sub("", text[: marks[0].start()].rstrip()).rstrip()
    return LetteredQuestion(question, tuple(" ".join(part.split()).rstrip(",;") for part in parts), rest.strip())
