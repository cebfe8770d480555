"""The terms beside the method's own, each as a number from 0 to 1 for an attempt's text: what a penalty leaves of 1."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from exploit import Attempt
from truthful_encoder import TruthfulEncoder
from written_completions import CONTRACT, open_question

from pathvlm_r1.data import Sample
from pathvlm_r1.reward import (
    AnswerConsistency,
    Completion,
    FinishReason,
    ImageTextAlignment,
    LengthBand,
    Repetition,
    RewardTerm,
    TextSimilarity,
)

TOKEN = re.compile(r"\w+|[^\w\s]")  # near enough to a tokenizer's, and linear
LENGTH = LengthBand(min_tokens=24, max_tokens=384, falloff_tokens=24)  # as conf/reward/dual_length.yaml has them
REPETITION = Repetition(ngram_size=20)

FieldTerm = Callable[[Attempt, str], float | None]


def sampled(sample: Sample, text: str) -> Completion:
    """A text as a completion of so many tokens."""
    return Completion(sample, text, FinishReason.STOP, token_count=len(TOKEN.findall(text)))


def field_terms(samples: Sequence[Sample]) -> Mapping[str, FieldTerm]:
    """Column of the table -> what the term gives an attempt's text, None where it does not apply."""
    alignment = ImageTextAlignment(TruthfulEncoder(samples))
    return {
        "consistency": _of(AnswerConsistency(CONTRACT)),
        "alignment": _of(alignment),
        "length": _of(LENGTH, left_of=1.0),
        "repetition": _of(REPETITION, left_of=1.0),
        "text similarity": _similarity,
    }


def _of(term: RewardTerm, *, left_of: float = 0.0) -> FieldTerm:
    def scored(attempt: Attempt, text: str) -> float | None:
        value = term(sampled(attempt.sample, text)).value
        return None if value is None else left_of + value

    return scored


def _similarity(attempt: Attempt, text: str) -> float | None:
    """Of the same text for the same question without options."""
    asked = open_question(attempt.sample, attempt.sample.option(attempt.sample.answer))
    return TextSimilarity()(sampled(asked, text)).value
