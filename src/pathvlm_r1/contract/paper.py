"""The paper's contract for PathMMU: reasoning and answer in tags, read by its revised parser.

The authors describe their suffix and do not quote it, so its words here are ours. Pixels, length and the order of the
parser's rules are theirs. Their SFT asked without a suffix, which think_answer_v1 does not repeat.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from pathvlm_r1.contract.asking import Asking, answer_text, letter_of_text, lettered
from pathvlm_r1.contract.parsed import MAX_SCORED_CHARACTERS, UNREAD, Parsed
from pathvlm_r1.contract.tags import is_framed, last_answer
from pathvlm_r1.data import Sample

_SUFFIX = "Output the thinking process in <think> </think> tags and then the final answer in <answer> </answer> tags."
_FIELD = re.compile(r"""["']?\b(?:answer|option|choice)\b["']?\s*[:=]\s*["'(]{0,2}([A-I])(?!\w)""", re.IGNORECASE)
_PHRASE = re.compile(r"\b(?:answer|option|choice)\s+is\s*:?\s*\(?([A-I])(?!\w)")
_LEADING = re.compile(r"\s*\(?([A-I])(?:[).:,]|\s*$)")
_LONE = re.compile(r"\s*\(?([A-I])[).:\s]*")
_DELIMITED = re.compile(r"(?<!\w)\(?([A-I])[).:]")


@dataclass(frozen=True)
class PaperContract:
    """Contract `paper_think_answer_v2`.

    Of the last answer block, or the text without one: a value of an answer, option or choice field; a phrase with the
    letter; a leading letter; a letter alone in the last line; the only letter with a delimiter; else the option that
    the text is. Two different letters with delimiters are an enumeration and no answer.
    """

    name: str = "paper_think_answer_v2"
    asking: ClassVar[Asking] = Asking(min_pixels=3_136, max_pixels=65_536, max_completion_tokens=1_024)

    def prompt(self, sample: Sample) -> str:
        """The question with options as PathMMU letters them."""
        options = "" if sample.is_open else f"\n{lettered(sample, '{letter}) {text}')}"
        return f"{sample.question}{options}\n{_SUFFIX}"

    def target(self, sample: Sample) -> str:
        """The rationale and the letter."""
        answer = answer_text(sample) if sample.is_open else sample.answer
        return f"<think>{sample.rationale}</think><answer>{answer}</answer>"

    def read(self, text: str, sample: Sample) -> Parsed:
        """The letter, or None."""
        if len(text) > MAX_SCORED_CHARACTERS:
            return UNREAD
        block = last_answer(text)
        letter = None if sample.is_open else _letter(block)
        answer = letter if letter is not None and letter in sample.letters else letter_of_text(block, sample)
        return Parsed(answer, states_text=False, is_formatted=is_framed(text))


def _letter(block: str) -> str | None:
    delimited = set(_DELIMITED.findall(block))
    if len(delimited) > 1:
        return None
    for rule in (_FIELD, _PHRASE):
        if found := rule.search(block):
            return found[1].upper()
    if found := _LEADING.match(block):
        return found[1]
    if found := _LONE.fullmatch(block.rstrip().rpartition("\n")[2]):
        return found[1]
    return delimited.pop() if delimited else None
