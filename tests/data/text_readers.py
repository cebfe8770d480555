"""Readers that answer without looking: rules of thumb and a linear model over words."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pathvlm_r1.data import Sample
from pathvlm_r1.data.text_floor import text_only_floor

NEWTON_STEPS = 6
RIDGE = 3.0


def accuracies(train: Sequence[Sample], test: Sequence[Sample]) -> dict[str, float]:
    """The share of test questions that each reader answers; a tie counts as what drawing among the tied gives."""
    floor = text_only_floor(train, test)
    letter = Counter(sample.answer for sample in train).most_common(1)[0][0]
    return {
        "majority letter": sum(sample.answer == letter for sample in test) / len(test),
        "majority letter of its type": floor.majority_letter,
        "longest option": _best(test, lambda sample: [len(option) for option in sample.options]),
        "shortest option": _best(test, lambda sample: [-len(option) for option in sample.options]),
        "option most often right": floor.option_text,
        "linear model": _best(test, linear_model(train)),
    }


def chance_bounds(questions: int, level: float = 0.999) -> tuple[float, float]:
    """Where the accuracy of a reader lies that draws one of four letters, with this probability."""
    low, high = stats.binom.interval(level, questions, 1 / 4)
    return low / questions, high / questions


def linear_model(train: Sequence[Sample]) -> Callable[[Sample], NDArray[np.float64]]:
    """Logistic regression over the words of (question, option, letter) pairs: one score per option."""
    known = {word: i for i, word in enumerate(sorted({word for s in train for pair in _pairs(s) for word in pair}))}

    def rows(samples: Sequence[Sample]) -> NDArray[np.float64]:
        pairs = [pair for sample in samples for pair in _pairs(sample)]
        table = np.zeros((len(pairs), len(known)))
        for row, pair in zip(table, pairs, strict=True):
            row[[known[word] for word in pair if word in known]] = 1
        return table

    table = rows(train)
    is_right = np.array([letter == sample.answer for sample in train for letter in sample.letters], dtype=float)
    weights, bias = np.zeros(len(known)), np.log(1 / 3)
    for _ in range(NEWTON_STEPS):
        share = 1 / (1 + np.exp(-(table @ weights + bias)))
        curvature = (table * (share * (1 - share))[:, None]).T @ table + RIDGE * np.eye(len(known))
        weights = weights - np.linalg.solve(curvature, table.T @ (share - is_right) + RIDGE * weights)
    return lambda sample: rows([sample]) @ weights


def _best(test: Sequence[Sample], scores: Callable[[Sample], Sequence[float] | NDArray[np.float64]]) -> float:
    """Expected accuracy of choosing the option with the highest score."""
    expected = 0.0
    for sample in test:
        of_letter = dict(zip(sample.letters, scores(sample), strict=True))
        chosen = [letter for letter, score in of_letter.items() if score == max(of_letter.values())]
        expected += (sample.answer in chosen) / len(chosen)
    return expected / len(test)


def _pairs(sample: Sample) -> Iterator[set[str]]:
    """Per option: its words, whole text, letter and length, each by itself and together with the question's words."""
    asked = set(sample.question.split())
    for letter, option in zip(sample.letters, sample.options, strict=True):
        own = {*option.split(), f"= {option}", f"letter {letter}", f"{len(option.split())} words"}
        yield own | {f"{sample.question_type}: {word}" for word in own} | asked
