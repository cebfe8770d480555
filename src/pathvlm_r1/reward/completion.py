"""A completion with everything that scoring it needs, and what a reward term and a judge are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pathvlm_r1.data import Sample
from pathvlm_r1.reward.rubric import RubricEvents


class FinishReason(StrEnum):
    """Why sampling ended."""

    STOP = "stop"  # the model ended its turn
    LENGTH = "length"  # the limit of new tokens did


@dataclass(frozen=True)
class Completion:
    """One sampled answer, together with the sample that it answers: nothing is paired by position."""

    sample: Sample
    text: str
    finish_reason: FinishReason
    token_count: int


@dataclass(frozen=True)
class Score:
    """What one term says of one completion."""

    value: float | None  # None: no verdict, which is not a zero
    reason: str
    events: RubricEvents | None = None  # of a judged completion

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"value is {self.value}: a score is a finite number, or None where there is no verdict")


class RewardTerm(Protocol):
    """One aspect of a completion; knows nothing of groups, weights or tensors."""

    @property
    def name(self) -> str:
        """The term's key in configuration, tables and metrics."""
        ...

    def __call__(self, completion: Completion) -> Score:
        """The completion's score in this aspect."""
        ...


class Judge(Protocol):
    """Who decides the rubric's events."""

    def __call__(self, completion: Completion) -> RubricEvents | None:
        """The events of a completion's reasoning; None without a verdict."""
        ...
