"""OmniMedVQA's official contract: the options as a Python list, and the option that is most like the whole output.

Source: Hu et al. 2024, OmniMedVQA, arXiv:2402.09181, and its evaluation script.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import ClassVar

from pathvlm_r1.contract.asking import Asking, answer_text, letter_of_text
from pathvlm_r1.contract.parsed import MAX_SCORED_CHARACTERS, UNREAD, Parsed
from pathvlm_r1.data import Sample
from pathvlm_r1.data.errors import DatasetError


@dataclass(frozen=True)
class OmniMedVQAContract:
    """Contracts `omnimedvqa_official_v1` and `omnimedvqa_official_v1_with_miscounts`.

    The answer is the option with the highest ratio of difflib to the raw output, of equal ones the last; reasoning in
    the output counts against it. A text with nothing in common with any option has no answer; with miscounts it has
    the last option, as the script gives it. Batches that raise leave the script's denominator; here they never do.
    """

    with_miscounts: bool = False
    asking: ClassVar[Asking] = Asking()

    @property
    def name(self) -> str:
        return "omnimedvqa_official_v1" + "_with_miscounts" * self.with_miscounts

    def prompt(self, sample: Sample) -> str:
        """The question and its options as a list."""
        if sample.is_open:
            raise DatasetError(f"{sample.dataset} {sample.sample_id}: contract {self.name} asks no open questions")
        return (
            f"{sample.question}Here are {len(sample.options)} candidate answers:{list(sample.options)} Only return "
            "what you think is the correct answer from the candidate answers, do not return any other irrelevant text!"
        )

    def target(self, sample: Sample) -> str:
        """The text of the option."""
        return answer_text(sample)

    def read(self, text: str, sample: Sample) -> Parsed:
        """The most similar option."""
        if len(text) > MAX_SCORED_CHARACTERS:
            return UNREAD
        letter, ratio = most_similar(text, dict(zip(sample.letters, sample.options, strict=True)))
        if ratio == 0:
            answer = letter if self.with_miscounts else None
            return Parsed(answer, states_text=False, is_formatted=False, is_guessed=self.with_miscounts)
        is_exact = letter_of_text(text, sample) == letter
        return Parsed(letter, states_text=is_exact, is_formatted=is_exact)


def most_similar(text: str, options: Mapping[str, str]) -> tuple[str, float]:
    """The letter of the option with the highest ratio of difflib, of equal ones the last, and that ratio."""
    ratios = {letter: SequenceMatcher(None, option, text).ratio() for letter, option in options.items()}
    letter = max(reversed(ratios), key=lambda one: ratios[one])
    return letter, ratios[letter]
