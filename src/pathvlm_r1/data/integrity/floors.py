"""What a set's questions give away without a picture, and what a score on it can therefore mean.

Every rule that learns does so on other images than it is tried on: folds of whole groups of questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chisquare

from pathvlm_r1.data.integrity.text_model import text_model_choices
from pathvlm_r1.data.sample import Sample
from pathvlm_r1.data.text_floor import text_only_floor

SOLVED = 0.9  # a floor from here on leaves too little room to tell pictures from text
_SURE = 3.0  # standard errors above chance from where on a rule knows something


@dataclass(frozen=True)
class Floors:
    """Accuracies without pictures on the questions that have options, and how its answers are spread."""

    questions: int  # with options
    groups: int  # of questions that share an image
    open_questions: int
    chance: float
    majority_letter: float  # by question type
    option_prior: float  # the option whose text is right most often elsewhere, by question type
    text_model: float
    longest_option: float
    shortest_option: float
    letters: dict[str, int]  # how often each is right
    letters_p: float  # of letters as unequal as these, were all of a question's as likely (chi-square)

    @property
    def rules(self) -> dict[str, float]:
        """The accuracy of every rule."""
        return {
            "majority letter": self.majority_letter, "option prior": self.option_prior, "text model": self.text_model,
            "longest option": self.longest_option, "shortest option": self.shortest_option,
        }  # fmt: skip

    @property
    def best(self) -> tuple[str, float]:
        """The rule that comes furthest, and how far."""
        return max(self.rules.items(), key=lambda one: one[1])

    @property
    def standard_error(self) -> float:
        """Of an accuracy at chance, as if a group were one question: never too small."""
        return float(np.sqrt(self.chance * (1 - self.chance) / self.groups))

    @property
    def sentence(self) -> str:
        """What a score on this set can mean."""
        name, value = self.best
        if value < self.chance + _SURE * self.standard_error:
            return f"the text gives nothing away (best rule: {name}, {value:.3f}; chance {self.chance:.3f})"
        if value >= SOLVED:
            return (
                f"{name} alone scores {value:.3f}: a score here says nothing about looking at pictures; compare with "
                "blank and shuffled pictures, or ask the questions with other options"
            )
        return (
            f"{name} alone scores {value:.3f} (chance {self.chance:.3f}): only what exceeds that can come from the "
            "pictures"
        )


def floors(samples: Sequence[Sample], groups: Sequence[Hashable], *, folds: int, seed: int) -> Floors | None:
    """The floors of a set; None where fewer than two groups have questions with options.

    Args:
        samples: its questions.
        groups: of every question what it shares with others, its image at least; no fold parts a group.
        folds: how many; each is tried with what the others taught.
        seed: of the division into folds.
    """
    closed = [(sample, group) for sample, group in zip(samples, groups, strict=True) if not sample.is_open]
    distinct = list(dict.fromkeys(group for _, group in closed))
    if len(distinct) < 2:
        return None
    count = min(folds, len(distinct))
    order = np.random.default_rng(seed).permutation(len(distinct))
    fold_of = {distinct[index]: place % count for place, index in enumerate(order)}
    learnt = _learnt([(sample, fold_of[group]) for sample, group in closed], count)
    asked = [sample for sample, _ in closed]
    letters = Counter(sample.answer for sample in asked)
    return Floors(
        questions=len(asked), groups=len(distinct), open_questions=len(samples) - len(asked),
        chance=sum(1 / len(sample.options) for sample in asked) / len(asked), **learnt,
        longest_option=_by_length(asked, max), shortest_option=_by_length(asked, min),
        letters=dict(sorted(letters.items())), letters_p=_letters_p(asked),
    )  # fmt: skip


def _learnt(folded: Sequence[tuple[Sample, int]], count: int) -> dict[str, float]:
    """Accuracies of the rules that learn, over all folds."""
    right = dict.fromkeys(("option_prior", "majority_letter", "text_model"), 0.0)
    for fold in range(count):
        train = [sample for sample, place in folded if place != fold]
        test = [sample for sample, place in folded if place == fold]
        floor = text_only_floor(train, test)
        choices = text_model_choices(train, test)
        right["option_prior"] += floor.option_text * len(test)
        right["majority_letter"] += floor.majority_letter * len(test)
        right["text_model"] += sum(sample.answer == letter for sample, letter in zip(test, choices, strict=True))
    return {name: value / len(folded) for name, value in right.items()}


def _by_length(samples: Sequence[Sample], choose: Callable[[Iterable[int]], int]) -> float:
    """Expected accuracy of choosing among the options of the largest, or smallest, length."""
    expected = 0.0
    for sample in samples:
        lengths = {letter: len(sample.option(letter)) for letter in sample.letters}
        chosen = [letter for letter, length in lengths.items() if length == choose(lengths.values())]
        expected += (sample.answer in chosen) / len(chosen)
    return expected / len(samples)


def _letters_p(samples: Sequence[Sample]) -> float:
    """Of a chi-square test that every letter of a question is as likely to be right."""
    letters = sorted({letter for sample in samples for letter in sample.letters})
    found = Counter(sample.answer for sample in samples)
    expected = {letter: sum(1 / len(s.options) for s in samples if letter in s.letters) for letter in letters}
    observed = [found[letter] for letter in letters]
    return float(chisquare(observed, [expected[letter] for letter in letters]).pvalue)
