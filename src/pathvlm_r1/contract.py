"""A contract: the prompt of a question and the parser of its answers, versioned together.

SFT, GRPO and evaluation ask and read through the same object, so that a reward and a score can never disagree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pathvlm_r1.data import LETTERS, Sample

MAX_SCORED_CHARACTERS = 64_000  # a longer text is not scored: its answer is None

_SUFFIX = (
    "First write your reasoning between <think> and </think>, "
    "then the letter of the right option between <answer> and </answer>."
)
_OPEN_SUFFIX = (
    "First write your reasoning between <think> and </think>, "
    "then the answer in a few words between <answer> and </answer>."
)
_TAG = re.compile(r"</?(?:think|answer)>")
_ORDERED_TAGS = ["<think>", "</think>", "<answer>", "</answer>"]
_DELIMITERS = " \t\r\n.:;,)(]["
_FINAL_LETTER = re.compile(r"(?:^|[\s(])([A-Z])[).:\s]*$")
_LONE_LETTER = re.compile(r"(?<!\w)(?<!\w-)[A-Z](?!\w|-\w)")  # the B of "A/B", '"B": ..' and "B- or", not of "B-cell"
_LETTER_AND_TEXT = re.compile(r"^\(?([A-Za-z])(?:[).:\]]\s*|\s+)(.+)$", re.DOTALL)


@dataclass(frozen=True)
class Parsed:
    """What a completion answers, and whether it kept the form that it was asked for."""

    answer: str | None  # an option letter; None when there is none, or more than one
    states_text: bool  # the answer block holds the letter together with that option's text
    is_formatted: bool  # the four tags, once each, in order, with nothing before or after


@dataclass(frozen=True)
class Contract:
    """Contract `think_answer_v1`: reasoning in think tags, then one option letter in answer tags.

    The answer to an open question is a text; the reference's own text is its letter, and nothing else is.
    """

    name: str = "think_answer_v1"

    def prompt(self, sample: Sample) -> str:
        """The user's turn, without the image."""
        if sample.is_open:
            return f"{sample.question}\n{_OPEN_SUFFIX}"
        options = "\n".join(f"{letter}) {text}" for letter, text in zip(sample.letters, sample.options, strict=True))
        return f"{sample.question}\nOptions:\n{options}\n{_SUFFIX}"

    def target(self, sample: Sample) -> str:
        """The reference completion that SFT learns."""
        answer = sample.option(sample.answer) if sample.is_open else sample.answer
        return f"<think>{sample.rationale}</think><answer>{answer}</answer>"

    def parse(self, text: str, options: Sequence[str]) -> Parsed:
        """Read any string, in time linear in its length.

        One answer block with nothing but an option letter (white space and delimiters aside), or with a letter and that
        option's text, gives the letter. Without any tag, a single option letter at the end does. All else gives None.
        Of a single option, which is an open question's answer, only the text gives the letter.

        Args:
            text: a completion as sampled.
            options: the texts of the options, in the order of their letters.
        """
        if len(text) > MAX_SCORED_CHARACTERS:
            return Parsed(answer=None, states_text=False, is_formatted=False)
        tags = _TAG.findall(text)
        is_formatted = tags == _ORDERED_TAGS and _is_framed(text)
        if not tags:
            return Parsed(_final_letter(text, options), states_text=False, is_formatted=False)
        readings = [_read_block(block, options) for block in text.split("<answer>")[1:]]
        letters = {letter for letter, _ in readings}
        answer = letters.pop() if len(letters) == 1 else None
        return Parsed(answer, answer is not None and all(states for _, states in readings), is_formatted)


def _is_framed(text: str) -> bool:
    stripped = text.strip()
    between = stripped.partition("</think>")[2].partition("<answer>")[0]
    return stripped.startswith("<think>") and stripped.endswith("</answer>") and not between.strip()


def _read_block(opened: str, options: Sequence[str]) -> tuple[str | None, bool]:
    """The letter of the answer block that a text begins with, and whether the option's text stands beside it."""
    letters = LETTERS[: len(options)]
    block, end, _ = opened.partition("</answer>")
    if not end:
        return None, False
    if len(options) == 1:
        return (letters, True) if _normal(block) == _normal(options[0]) else (None, False)
    bare = block.strip(_DELIMITERS)
    if len(bare) == 1:
        return (bare.upper(), False) if bare.isascii() and bare.upper() in letters else (None, False)
    match = _LETTER_AND_TEXT.match(block.strip())
    if match is None or match[1].upper() not in letters:
        return None, False
    letter = match[1].upper()
    is_its_text = _normal(match[2]) == _normal(options[letters.index(letter)])
    return (letter, True) if is_its_text else (None, False)


def _final_letter(text: str, options: Sequence[str]) -> str | None:
    """The letter that ends an untagged text, if no other option letter stands alone in it."""
    tail = _FINAL_LETTER.search(text[-16:])
    if len(options) == 1 or tail is None or tail[1] not in LETTERS[: len(options)]:
        return None
    lone = set(_LONE_LETTER.findall(text)) & set(LETTERS[: len(options)])
    return tail[1] if lone == {tail[1]} else None


def _normal(text: str) -> str:
    return " ".join(text.split()).strip(" .").casefold()
