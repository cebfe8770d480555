"""What can be answered without looking: the accuracy of rules that read the text alone.

Training prints it before it begins: an accuracy means little where this one is close to it. Option texts alone reach
99 % on some public sets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from pathvlm_r1.data.records import normalised
from pathvlm_r1.data.sample import Sample


@dataclass(frozen=True)
class TextOnlyFloor:
    """Accuracies on the test questions, each between 0 and 1."""

    option_text: float  # the option whose text was most often right in train for this question type
    majority_letter: float  # the letter that was most often right in train for this question type
    chance: float  # a letter drawn at random
    questions: int


def text_only_floor(train: Sequence[Sample], test: Sequence[Sample]) -> TextOnlyFloor:
    """The accuracy on test of two rules learnt on train; a tie counts as what drawing among the tied gives.

    Args:
        train: questions to learn from; none at all leaves chance.
        test: questions to answer, at least one.

    Raises:
        ValueError: no test question.
    """
    if not test:
        raise ValueError("test is empty: an accuracy needs at least one question")
    return TextOnlyFloor(
        option_text=_accuracy(train, test, lambda sample, letter: normalised(sample.option(letter))),
        majority_letter=_accuracy(train, test, lambda _, letter: letter),
        chance=sum(1 / len(sample.options) for sample in test) / len(test),
        questions=len(test),
    )


def _accuracy(train: Sequence[Sample], test: Sequence[Sample], feature: Callable[[Sample, str], Hashable]) -> float:
    """Expected accuracy of choosing the letter whose feature was most often that of the right letter."""
    times_right = Counter((sample.question_type, feature(sample, sample.answer)) for sample in train)
    expected = 0.0
    for sample in test:
        votes = {letter: times_right[sample.question_type, feature(sample, letter)] for letter in sample.letters}
        chosen = [letter for letter, count in votes.items() if count == max(votes.values())]
        expected += (sample.answer in chosen) / len(chosen)
    return expected / len(test)
