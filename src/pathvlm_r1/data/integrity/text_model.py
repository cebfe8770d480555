"""A small model that reads questions and options and never a picture: a conditional logit over hashed words.

The score of an option is linear in its words, in pairs of a word of the question and one of the option, in the words
that both have, in its letter and in its relative length; a softmax over a question's options gives probabilities.

Source: McFadden 1974, Conditional logit analysis of qualitative choice behavior; Weinberger et al. 2009, Feature
hashing for large scale multitask learning, arXiv:0902.2206.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array

from pathvlm_r1.data.sample import Sample

DIMENSIONS = 2**15
_PENALTY = 0.01  # of the squared weights, for each question
_STEPS = 60
_WORD = re.compile(r"[^\W_]+")
_QUESTION_WORDS = 24  # of a question are paired with the options' at most

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Rows:
    """The options of several questions, one below the other."""

    features: csr_array  # [rows, DIMENSIONS]
    starts: NDArray[np.int64]  # [N] the first row of every question
    right: NDArray[np.int64]  # [N] the row of its answer

    def log_probs(self, weights: Floats) -> Floats:
        """[rows], normalised over the options of each question."""
        scores: Floats = self.features @ weights
        sizes = np.diff(np.append(self.starts, len(scores)))
        shifted = scores - np.repeat(np.maximum.reduceat(scores, self.starts), sizes)
        normaliser: Floats = np.repeat(np.log(np.add.reduceat(np.exp(shifted), self.starts)), sizes)
        log_probs: Floats = shifted - normaliser
        return log_probs


def text_model_choices(train: Sequence[Sample], test: Sequence[Sample]) -> list[str]:
    """The letter that a model learnt on train gives each test question; both have questions with options alone.

    The optimum is unique, as the loss is convex and penalised: nothing is drawn at random.
    """
    rows = _rows(train)

    def loss(weights: Floats) -> tuple[float, Floats]:
        log_probs = rows.log_probs(weights)
        residual = np.exp(log_probs)
        residual[rows.right] -= 1
        gradient = rows.features.T @ residual / len(train) + 2 * _PENALTY * weights
        return float(-log_probs[rows.right].mean() + _PENALTY * weights @ weights), gradient

    start = np.zeros(DIMENSIONS)
    weights = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x if train else start
    asked = _rows(test)
    log_probs = np.split(asked.log_probs(weights), asked.starts[1:])
    return [sample.letters[int(one.argmax())] for sample, one in zip(test, log_probs, strict=True)]


def _rows(samples: Sequence[Sample]) -> _Rows:
    columns: list[int] = []
    values: list[float] = []
    ends, starts, right = [0], [], []
    for sample in samples:
        starts.append(len(ends) - 1)
        right.append(len(ends) - 1 + sample.letters.index(sample.answer))
        for letter in sample.letters:
            for name, value in _features(sample, letter):
                columns.append(zlib.crc32(name.encode()) % DIMENSIONS)
                values.append(value)
            ends.append(len(columns))
    features = csr_array((values, columns, ends), shape=(len(ends) - 1, DIMENSIONS))
    return _Rows(features, np.array(starts, dtype=np.int64), np.array(right, dtype=np.int64))


def _features(sample: Sample, letter: str) -> Iterator[tuple[str, float]]:
    option = sample.option(letter)
    words, asked = _words(option), _words(sample.question)[:_QUESTION_WORDS]
    longest = max(len(other) for other in sample.options)
    yield f"letter {letter}", 1.0
    yield "length", len(option) / max(longest, 1)
    yield "longest", float(len(option) == longest)
    yield "shared", len(set(words) & set(asked)) / max(len(set(words)), 1)
    yield f"option {' '.join(words)}", 1.0
    yield f"type {sample.question_type} {' '.join(words)}", 1.0
    scale = 1 / max(len(words), 1) ** 0.5
    yield from ((f"word {word}", scale) for word in words)
    pairs = max(len(words) * len(asked), 1) ** 0.5
    yield from ((f"pair {one} {word}", 1 / pairs) for one in asked for word in words)


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]
