"""The quality of answers: what a language model graded, per question and in the mean."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pathvlm_r1.evaluation.statistics import Interval, share_interval


@dataclass(frozen=True, kw_only=True)
class GradedAnswer:
    """A completion with its grades."""

    sample_id: str
    image_id: str
    dataset: str
    contract: str
    completion: str
    completion_tokens: int
    is_correct: bool
    grades: dict[str, float] | None  # quality -> from 0 to 1; None: the judge gave none
    reason: str
    model: str  # of the judge, as asked for
    prompt: str  # version
    is_rewarder: bool  # it rewarded the training of these weights
    cost_usd: float


@dataclass(frozen=True, kw_only=True)
class QualityRow:
    """How one arm was graded on one dataset."""

    stage: str  # the arm
    dataset: str
    split: str
    seed: int
    n: int  # answers
    graded: int  # of which the judge gave grades
    accuracy: float
    grades: dict[str, float]  # means over the graded
    intervals: dict[str, tuple[float, float]]  # 95 %
    mean_completion_tokens: float
    judge: str  # model and prompt
    is_rewarder: bool
    cost_usd: float


def quality_row(
    answers: Sequence[GradedAnswer], *, arm: str, split: str, seed: int, random: np.random.Generator, replicates: int
) -> QualityRow:
    """One row; raises ValueError without answers."""
    if not answers:
        raise ValueError(f"{arm} has no graded answers on {split}")
    graded = [(answer.image_id, answer.grades) for answer in answers if answer.grades is not None]
    images = [image for image, _ in graded]
    names = list(graded[0][1]) if graded else []
    values = {name: np.array([grades[name] for _, grades in graded]) for name in names}
    intervals = {name: share_interval(of, images, random=random, replicates=replicates) for name, of in values.items()}
    first = answers[0]
    return QualityRow(
        stage=arm, dataset=first.dataset, split=split, seed=seed, n=len(answers), graded=len(graded),
        accuracy=float(np.mean([answer.is_correct for answer in answers])),
        grades={name: float(of.mean()) for name, of in values.items()},
        intervals={name: _ends(interval) for name, interval in intervals.items()},
        mean_completion_tokens=float(np.mean([answer.completion_tokens for answer in answers])),
        judge=f"{first.model} {first.prompt}", is_rewarder=first.is_rewarder,
        cost_usd=sum(answer.cost_usd for answer in answers),
    )  # fmt: skip


def write_graded(path: Path, answers: Iterable[GradedAnswer]) -> None:
    """JSON Lines."""
    path.write_text("".join(json.dumps(asdict(answer), ensure_ascii=False) + "\n" for answer in answers), "utf-8")


def read_graded(path: Path) -> list[GradedAnswer]:
    """What `write_graded` wrote.

    Raises:
        ValueError: a line that is not a graded answer; names file and line.
    """
    answers = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")[:-1], start=1):
        try:
            answers.append(GradedAnswer(**json.loads(line)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}:{number}: not a graded answer ({error}); evaluate the run again") from error
    return answers


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high
