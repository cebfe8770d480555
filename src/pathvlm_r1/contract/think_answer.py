"""The contract of this project: reasoning in think tags, then one option letter in answer tags.

SFT, GRPO and evaluation ask and read through the same object, so that a reward and a score can never disagree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pathvlm_r1.contract.asking import Asking, lettered, plain
from pathvlm_r1.contract.parsed import MAX_SCORED_CHARACTERS, UNREAD, Parsed
from pathvlm_r1.contract.tags import is_framed
from pathvlm_r1.data import LETTERS, Sample

SUFFIX = (
    "First write your reasoning between <think> and </think>, "
    "then the letter of the right option between <answer> and </answer>."
)
OPEN_SUFFIX = (
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
class Contract:
    """Contract `think_answer_v1`: reasoning in think tags, then one option letter in answer tags.

    The answer to an open question is a text; the reference's own text is its letter, and nothing else is.
    """

    name: str = "think_answer_v1"
    asking: ClassVar[Asking] = Asking()

    def prompt(self, sample: Sample) -> str:
        """The user's turn, without the image."""
        if sample.is_open:
            return f"{sample.question}\n{OPEN_SUFFIX}"
        return f"{sample.question}\nOptions:\n{lettered(sample, '{letter}) {text}')}\n{SUFFIX}"

    def target(self, sample: Sample) -> str:
        """The reference completion that SFT learns."""
        answer = sample.option(sample.answer) if sample.is_open else sample.answer
        return f"<think>{sample.rationale}</think><answer>{answer}</answer>"

    def read(self, text: str, sample: Sample) -> Parsed:
        """`parse` with the options of a sample."""
        return self.parse(text, sample.options)

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
            return UNREAD
        tags = _TAG.findall(text)
        is_formatted = tags == _ORDERED_TAGS and is_framed(text)
        if not tags:
            return Parsed(_final_letter(text, options), states_text=False, is_formatted=False)
        readings = [_read_block(block, options) for block in text.split("<answer>")[1:]]
        letters = {letter for letter, _ in readings}
        answer = letters.pop() if len(letters) == 1 else None
        return Parsed(answer, answer is not None and all(states for _, states in readings), is_formatted)


def _read_block(opened: str, options: Sequence[str]) -> tuple[str | None, bool]:
    """The letter of the answer block that a text begins with, and whether the option's text stands beside it."""
    letters = LETTERS[: len(options)]
    block, end, _ = opened.partition("</answer>")
    if not end:
        return None, False
    if len(options) == 1:
        return (letters, True) if plain(block) == plain(options[0]) else (None, False)
    bare = block.strip(_DELIMITERS)
    if len(bare) == 1:
        return (bare.upper(), False) if bare.isascii() and bare.upper() in letters else (None, False)
    match = _LETTER_AND_TEXT.match(block.strip())
    if match is None or match[1].upper() not in letters:
        return None, False
    letter = match[1].upper()
    is_its_text = plain(match[2]) == plain(options[letters.index(letter)])
    return (letter, True) if is_its_text else (None, False)


def _final_letter(text: str, options: Sequence[str]) -> str | None:
    """The letter that ends an untagged text, if no other option letter stands alone in it."""
    tail = _FINAL_LETTER.search(text[-16:])
    if len(options) == 1 or tail is None or tail[1] not in LETTERS[: len(options)]:
        return None
    lone = set(_LONE_LETTER.findall(text)) & set(LETTERS[: len(options)])
    return tail[1] if lone == {tail[1]} else None
