"""Groups of completions written as words: one letter per completion."""

from __future__ import annotations

from collections.abc import Sequence

from written_completions import CONTRACT, phantom_samples

from pathvlm_r1.data import Sample
from pathvlm_r1.reward import (
    Completion,
    FinishReason,
    Format,
    Missing,
    OutcomeAccuracy,
    RewardTable,
    SignalCounts,
    WeightedTerm,
    signal_counts,
    total_reward,
)

SAMPLES = phantom_samples("histology", 40)
ACCURACY = WeightedTerm(OutcomeAccuracy(CONTRACT, letter_and_text=False), 1.0)
FORMAT = WeightedTerm(Format(CONTRACT), 1.0)


def graded(kind: str, sample: Sample) -> Completion:
    """r and w: right and wrong, in the contract's form; b: the bare right letter; c: cut off; e: empty; l: a loop."""
    wrong = next(letter for letter in sample.letters if letter != sample.answer)
    text = {
        "r": f"<think>so</think><answer>{sample.answer}</answer>",
        "w": f"<think>so</think><answer>{wrong}</answer>",
        "b": sample.answer,
        "c": "<think>the nuclei are",
        "e": " \n",
        "l": "the nuclei are large " * 3,
    }[kind]
    return Completion(sample, text, FinishReason.LENGTH if kind == "c" else FinishReason.STOP, len(text))


def groups_of(*words: str, samples: Sequence[Sample] = SAMPLES) -> list[list[Completion]]:
    """A group for every word."""
    return [[graded(kind, sample) for kind in word] for word, sample in zip(words, samples, strict=False)]


def rewarded(groups: Sequence[Sequence[Completion]], *terms: WeightedTerm) -> RewardTable:
    """By accuracy and format, unless other terms are given."""
    return total_reward(groups, terms or (ACCURACY, FORMAT), Missing.GROUP_MEAN)


def counts_of(*words: str, terms: Sequence[WeightedTerm] = (ACCURACY, FORMAT)) -> SignalCounts:
    """What is counted in such groups."""
    groups = groups_of(*words)
    return signal_counts(groups, rewarded(groups, *terms), CONTRACT)
