"""VLMEvalKit's contract for Qwen2.5-VL (commit e8e78f05): multiple choice, and short answers for PathVQA.

Its decoding, temperature 0.01 with top-k 1, is greedy. Where its rules find nothing it asks gpt-4o-mini, and of short
answers a language model is the judge: neither is reproduced. Unread is wrong, and a short answer is right only where it
is the reference's text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from pathvlm_r1.contract.asking import Asking, answer_text, guessed, is_yes_no, letter_of_text, lettered
from pathvlm_r1.contract.parsed import MAX_SCORED_CHARACTERS, UNREAD, Parsed
from pathvlm_r1.data import Sample

_PUNCTUATION = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_LAST_TOKENS = 5
_ANSWER_IS = re.compile(r"answer\s+is\s+\**([A-D])(?!\w)")


@dataclass(frozen=True)
class VLMEvalKitContract:
    """Contracts `vlmevalkit_v1` and `vlmevalkit_v1_with_miscounts`.

    Without punctuation, the only option letter among the tokens, near their end; else "answer is X"; else the only
    option whose text stands in a short output. Think tags are no tokens of their own: it reads nothing in
    `<answer>B</answer>`.

    With miscounts: what is still unread answers a random option, here a fixed one of the question, as its judge's third
    failure does.
    """

    with_miscounts: bool = False
    asking: ClassVar[Asking] = Asking(
        system="", min_pixels=1_280 * 28 * 28, max_pixels=16_384 * 28 * 28, max_completion_tokens=2_048
    )

    @property
    def name(self) -> str:
        return "vlmevalkit_v1" + "_with_miscounts" * self.with_miscounts

    def prompt(self, sample: Sample) -> str:
        """Options with letters, or the question alone."""
        if _is_short(sample):
            return f"{sample.question}\nPlease directly provide a short answer to the question. "
        options = lettered(sample, "{letter}. {text}")
        suffix = "Please select the correct answer from the options above. \n"
        return f"Question: {sample.question}\nOptions:\n{options}\n{suffix}"

    def target(self, sample: Sample) -> str:
        """The letter, or the text."""
        return answer_text(sample) if _is_short(sample) else sample.answer

    def read(self, text: str, sample: Sample) -> Parsed:
        """By letter, then by text."""
        if len(text) > MAX_SCORED_CHARACTERS:
            return UNREAD
        if _is_short(sample):
            answer = letter_of_text(text, sample)
            return Parsed(answer, states_text=answer is not None, is_formatted=answer is not None)
        answer = _by_letter(text, sample) or _by_text(text, sample)
        if answer is None and self.with_miscounts:
            return Parsed(guessed(sample), states_text=False, is_formatted=False, is_guessed=True)
        return Parsed(answer, states_text=False, is_formatted=text.translate(_PUNCTUATION).strip() == answer)


def _is_short(sample: Sample) -> bool:
    return sample.is_open or is_yes_no(sample)


def _by_letter(text: str, sample: Sample) -> str | None:
    tokens = text.translate(_PUNCTUATION).split()
    found = set(tokens) & set(sample.letters)
    if len(found) == 1:
        letter = found.pop()
        if tokens.index(letter) > len(tokens) - _LAST_TOKENS:
            return letter
    stated = _ANSWER_IS.search(text)
    return stated[1] if stated and stated[1] in sample.letters else None


def _by_text(text: str, sample: Sample) -> str | None:
    if len(text) > 2 * sum(map(len, sample.options)):
        return None
    found = [letter for letter in sample.letters if sample.option(letter).lower() in text.lower()]
    return found[0] if len(found) == 1 else None
