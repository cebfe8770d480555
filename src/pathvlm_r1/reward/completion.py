"""A completion with everything that scoring it needs, and what a reward term and a judge are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from pathvlm_r1.contract import MAX_SCORED_CHARACTERS
from pathvlm_r1.data import Sample
from pathvlm_r1.reward.rubric import RubricEvents
from pathvlm_r1.reward.verdict import Verdict

LOOP_WORDS = 8  # a run of words ...
LOOP_REPEATS = 3  # ... that follows itself so often is a loop


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
    recorded: Mapping[str, Score] = field(default_factory=dict)  # term -> what it gave when this was sampled, if logged

    @property
    def is_capped(self) -> bool:
        """Whether the limit of new tokens cut it off."""
        return self.finish_reason is FinishReason.LENGTH

    @property
    def is_empty(self) -> bool:
        """Whether it has no text."""
        return not self.text.strip()

    @property
    def is_looping(self) -> bool:
        """Whether some run of up to `LOOP_WORDS` words stands `LOOP_REPEATS` times in a row."""
        return is_looping(self.text)


@dataclass(frozen=True)
class Score:
    """What one term says of one completion."""

    value: float | None  # None: no verdict, which is not a zero
    reason: str
    verdict: Verdict | None = None  # of a judged completion

    @property
    def events(self) -> RubricEvents | None:
        """What the judge decided; None without a judge or a verdict."""
        return None if self.verdict is None else self.verdict.events

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


@runtime_checkable
class BatchTerm(RewardTerm, Protocol):
    """A term that is quicker on many completions at once."""

    def score_all(self, completions: Sequence[Completion]) -> list[Score]:
        """One score for each, in order."""
        ...


class Judge(Protocol):
    """Who decides the rubric's events."""

    @property
    def name(self) -> str:
        """The judge's name in configuration and provenance."""
        ...

    def __call__(self, completions: Sequence[Completion]) -> list[Verdict]:
        """One verdict for each completion, in order; one without events where none can be had.

        Raises:
            JudgeError: it cannot go on at all.
        """
        ...


def unscored(text: str, value: float = 0.0) -> Score:
    """The score of a text over `MAX_SCORED_CHARACTERS`: the least that a term gives, with the reason."""
    return Score(value, f"{len(text)} characters: over {MAX_SCORED_CHARACTERS} are not scored")


def score_all(term: RewardTerm, completions: Sequence[Completion]) -> list[Score]:
    """The scores of many completions, in order; a term that takes them together is asked once."""
    if isinstance(term, BatchTerm):
        return term.score_all(completions)
    return [term(completion) for completion in completions]


def is_looping(text: str) -> bool:
    """Whether some run of up to `LOOP_WORDS` words stands `LOOP_REPEATS` times in a row."""
    words = text.split()
    return any(_repeats(words, size) for size in range(1, LOOP_WORDS + 1))


def _repeats(words: Sequence[str], size: int) -> bool:
    """Whether a run of `size` words follows itself often enough, in time linear in the words."""
    repeated = 0
    for word, earlier in zip(words[size:], words, strict=False):
        repeated = repeated + 1 if word == earlier else 0
        if repeated >= size * (LOOP_REPEATS - 1):
            return True
    return False
