"""From predictions to the rows of a result table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pathvlm_r1.contract import THINK_ANSWER
from pathvlm_r1.evaluation.predictions import Prediction
from pathvlm_r1.evaluation.statistics import Interval, share_interval
from pathvlm_r1.reward import is_looping


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """How one arm did on one dataset."""

    stage: str  # the arm
    dataset: str
    split: str
    seed: int
    n: int  # predictions
    accuracy: float
    ci_low: float  # 95 % interval of the accuracy
    ci_high: float
    format_rate: float
    process_score: float | None  # mean over the predictions with a verdict
    mean_completion_tokens: float
    cap_hits: int
    contract: str = THINK_ANSWER  # here and below: what older versions did not write
    cap: int | None = None  # tokens, the most that a completion might have had
    empty: int | None = None  # completions without a text
    looping: int | None = None  # completions with a run of words three times in a row
    unread: int | None = None  # completions in which the contract found no answer
    guessed: int | None = None  # of which a contract with miscounts chose the answer

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Accuracy:
    """The share of right answers, with its 95 % interval."""

    mean: float
    interval: Interval


def result_row(
    predictions: Sequence[Prediction], *, arm: str, split: str, seed: int, random: np.random.Generator, replicates: int
) -> ResultRow:
    """One row; raises ValueError without predictions."""
    if not predictions:
        raise ValueError(f"{arm} has no predictions on {split}")
    correct = np.array([float(p.is_correct) for p in predictions])
    interval = accuracy_interval(predictions, random=random, replicates=replicates)
    process = [p.process for p in predictions if p.process is not None]
    return ResultRow(
        stage=arm, dataset=predictions[0].dataset, split=split, seed=seed, n=len(predictions),
        accuracy=float(correct.mean()), ci_low=interval.low, ci_high=interval.high,
        format_rate=float(np.mean([p.is_formatted for p in predictions])),
        process_score=float(np.mean(process)) if process else None,
        mean_completion_tokens=float(np.mean([p.completion_tokens for p in predictions])),
        cap_hits=sum(p.is_capped for p in predictions),
        contract=predictions[0].contract,
        cap=max((p.cap for p in predictions if p.cap is not None), default=None),
        empty=sum(not p.completion.strip() for p in predictions),
        looping=sum(is_looping(p.completion) for p in predictions),
        unread=sum(p.answer is None for p in predictions),
        guessed=sum(p.is_guessed for p in predictions),
    )  # fmt: skip


def accuracy_interval(predictions: Sequence[Prediction], *, random: np.random.Generator, replicates: int) -> Interval:
    """That of a share: Wilson's where every prediction has a picture of its own, else images are resampled."""
    correct = np.array([float(p.is_correct) for p in predictions])
    return share_interval(correct, [p.image_id for p in predictions], random=random, replicates=replicates)


def accuracy_by_type(predictions: Sequence[Prediction], *, seed: int, replicates: int) -> dict[str, Accuracy]:
    """Accuracy per question type; every bootstrap begins anew from `seed`, so that no type depends on the others."""
    found = {}
    for name in sorted({p.question_type for p in predictions}):
        of_type = [p for p in predictions if p.question_type == name]
        interval = accuracy_interval(of_type, random=np.random.default_rng(seed), replicates=replicates)
        found[name] = Accuracy(float(np.mean([p.is_correct for p in of_type])), interval)
    return found


def letter_accuracy(predictions: Sequence[Prediction]) -> float | None:
    """Accuracy by option log-probabilities; None where they were not asked for."""
    known = [p.likeliest_letter == p.reference for p in predictions if p.likeliest_letter is not None]
    return float(np.mean(known)) if known else None
