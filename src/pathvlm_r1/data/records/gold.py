"""The right answer of a record: as a letter, a text, or both, it must fit one option and no other."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.records.faults import RecordFault, shortened
from pathvlm_r1.data.records.options import normalised
from pathvlm_r1.data.sample import LETTERS

YES_NO = ("yes", "no")  # the options of a closed question, always in this order

_LETTER = re.compile(r"\(?([A-Za-z])[).:]?\s*$")
_LETTER_AND_TEXT = re.compile(r"\(?([A-Za-z])\s*[).:]\s*(\S.*)$", re.DOTALL)


def gold_letter(gold: object, options: Sequence[str]) -> str:
    """The letter of the one option that a gold answer names.

    Read are "B", "b", "(B)" and "B.", an option's text, and a letter with its text, as in "B) Nested".

    Raises:
        RecordFault: it names none, or more than one, or its letter and its text disagree.
    """
    if gold is None or (isinstance(gold, str) and not gold.strip()):
        raise RecordFault(DefectKind.GOLD_MISSING, "there is no answer; mend the record, or leave it out")
    if isinstance(gold, bool) or not isinstance(gold, str | int | float):
        raise RecordFault(DefectKind.GOLD_NOT_AN_OPTION, f"the answer is {shortened(gold)}, a letter or text is needed")
    text = str(gold).strip()
    found = _by_text(text, options) | _by_letter(text, options)
    if len(found) == 1:
        return found.pop()
    if found:
        raise RecordFault(
            DefectKind.GOLD_AMBIGUOUS,
            f"the answer {shortened(text)} fits options {' and '.join(sorted(found))}; mend the record",
        )
    raise _no_option(text, options)


def _by_text(text: str, options: Sequence[str]) -> set[str]:
    return {
        letter
        for letter, option in zip(LETTERS, options, strict=False)
        if normalised(option) == normalised(text)
    }  # fmt: skip


def _by_letter(text: str, options: Sequence[str]) -> set[str]:
    """The option under a letter; a text behind the letter must be that option's own."""
    letters = LETTERS[: len(options)]
    bare, both = _LETTER.match(text), _LETTER_AND_TEXT.match(text)
    if bare is not None:
        return {bare[1].upper()} & set(letters)
    if both is None or both[1].upper() not in letters:
        return set()
    letter, written = both[1].upper(), both[2]
    if normalised(written) == normalised(options[letters.index(letter)]):
        return {letter}
    others = _by_text(written, options)
    if others:
        raise RecordFault(
            DefectKind.GOLD_CONTRADICTORY,
            f"the answer {shortened(text)} has the letter {letter} and the text of option {', '.join(sorted(others))}; "
            "mend the record",
        )
    return set()


def _no_option(text: str, options: Sequence[str]) -> RecordFault:
    letters = LETTERS[: len(options)]
    both = _LETTER_AND_TEXT.match(text)
    if both is not None and both[1].upper() in letters:
        return RecordFault(
            DefectKind.GOLD_CONTRADICTORY,
            f"the answer is {shortened(text)}, and option {both[1].upper()} is "
            f"{shortened(options[letters.index(both[1].upper())])}; mend the record",
        )
    return RecordFault(
        DefectKind.GOLD_NOT_AN_OPTION,
        f"the answer {shortened(text)} is none of {', '.join(letters)} and no option's text; mend the record",
    )


def closed_or_open(answer: str) -> tuple[tuple[str, ...], str]:
    """The options and the letter of a question that comes without options.

    An answer of yes or no makes it a closed one, any other is the reference text of an open one. So the form of the
    prompt tells a closed question, which its words ("is", "does") nearly always do too.
    """
    text = " ".join(answer.split())
    if normalised(text) in YES_NO:
        return YES_NO, LETTERS[YES_NO.index(normalised(text))]
    return (text,), LETTERS[0]
