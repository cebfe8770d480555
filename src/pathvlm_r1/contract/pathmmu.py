"""PathMMU's official contract: the letter wanted directly, read by its own rules.

Source: Sun et al. 2024, PathMMU, arXiv:2401.16355, and its evaluation script.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from pathvlm_r1.contract.asking import Asking, guessed, lettered, plain
from pathvlm_r1.contract.parsed import MAX_SCORED_CHARACTERS, UNREAD, Parsed
from pathvlm_r1.data import Sample
from pathvlm_r1.data.errors import DatasetError

_STRIPPED = ",.!?;:'"
_MIN_WORDS = 5  # above which an option's text is looked for


@dataclass(frozen=True)
class PathMMUContract:
    """Contracts `pathmmu_official_v1` and `pathmmu_official_v1_with_miscounts`.

    "(A)" is looked for, else " A ", else, in more than five words, an option's text; the last occurrence wins.

    With miscounts: a completion without any of them answers a random option, here a fixed one of the question, and an
    option is cut at its first ")" as the released loader does. Questions that failed leave the released denominator;
    here they never do.
    """

    with_miscounts: bool = False
    asking: ClassVar[Asking] = Asking()

    @property
    def name(self) -> str:
        return "pathmmu_official_v1" + "_with_miscounts" * self.with_miscounts

    def prompt(self, sample: Sample) -> str:
        """The question and its options."""
        if sample.is_open:
            raise DatasetError(f"{sample.dataset} {sample.sample_id}: contract {self.name} asks no open questions")
        suffix = "Answer with the option's letter from the given choices directly."
        return f"{sample.question}\n{lettered(self._shown(sample), '({letter}) {text}')}\n\n{suffix}"

    def target(self, sample: Sample) -> str:
        """The letter."""
        return sample.answer

    def read(self, text: str, sample: Sample) -> Parsed:
        """The letter that occurs last by the first rule that finds any."""
        if len(text) > MAX_SCORED_CHARACTERS:
            return UNREAD
        answer = _last(text, self._shown(sample))
        is_bare = text.strip(" \n()" + _STRIPPED) in tuple(sample.letters)
        if answer is None and self.with_miscounts:
            return Parsed(guessed(sample), states_text=False, is_formatted=False, is_guessed=True)
        return Parsed(answer, states_text=False, is_formatted=is_bare)

    def _shown(self, sample: Sample) -> Sample:
        if not self.with_miscounts:
            return sample
        return replace(sample, options=tuple(option.partition(")")[0] for option in sample.options))


def _last(text: str, sample: Sample) -> str | None:
    padded = f" {text.strip(_STRIPPED)} "
    folded = plain(text)
    rules: list[Callable[[str], int]] = [
        lambda letter: padded.rfind(f"({letter})"),
        lambda letter: padded.rfind(f" {letter} "),
    ]
    if len(text.split()) > _MIN_WORDS:
        rules.append(lambda letter: folded.rfind(plain(sample.option(letter))))
    for place_of in rules:
        places = {letter: place_of(letter) for letter in sample.letters}
        if max(places.values()) >= 0:
            return max(places, key=lambda letter: places[letter])
    return None
