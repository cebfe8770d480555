"""Sensitivity of every class, and balanced accuracy, where all questions of a type have the same options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pathvlm_r1.data import LETTERS
from pathvlm_r1.evaluation.grouping import grouped
from pathvlm_r1.evaluation.markdown_cells import accuracy_cell, label, markdown_table
from pathvlm_r1.evaluation.predictions import Prediction
from pathvlm_r1.evaluation.statistics import Interval, cluster_bootstrap, share_interval

CLASSES_LEGEND = (
    "Where all questions of a type have the same options, these are classes: the share of each class's questions that "
    "are answered right (sensitivity), and their mean over the classes (balanced accuracy), in which no frequent class "
    "outweighs a rare one. On average over the seeds, with 95 % intervals."
)
_ALL = "balanced accuracy"


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """Of an arm, the sensitivity for one class, or the balanced accuracy of a type of question."""

    stage: str
    dataset: str
    split: str
    question_type: str
    label: str | None  # the class; None: all, with equal weights
    n: int  # questions
    accuracy: float
    ci_low: float  # 95 % interval, conditional on these seeds
    ci_high: float


def class_rows(
    predictions: Sequence[Prediction], *, stage: str, dataset: str, split: str, seed: int, replicates: int
) -> list[ClassRow]:
    """The classes of every type that has any, and then their mean.

    Args:
        predictions: of all seeds of an arm on one split.
        stage: the arm.
        dataset: where they stand.
        split: likewise.
        seed: of every bootstrap of images, so that no class depends on the others.
        replicates: of each.
    """
    found = []
    for question_type, of_type in sorted(grouped(predictions, lambda p: p.question_type).items()):
        by_class = grouped(of_type, _right_option) if _are_classes(of_type) else {}
        if len(by_class) < 2:
            continue
        shares = {name: len(of_class) / len(of_type) for name, of_class in by_class.items()}
        weights = np.array([1 / len(by_class) / shares[_right_option(p)] for p in of_type])
        parts = [(name, of_class, np.ones(len(of_class))) for name, of_class in sorted(by_class.items())]
        for name, of_part, weight in (*parts, (None, of_type, weights)):
            accuracy, interval = _mean(of_part, weight, seed=seed, replicates=replicates)
            found.append(
                ClassRow(
                    stage=stage, dataset=dataset, split=split, question_type=question_type, label=name,
                    n=len({p.sample_id for p in of_part}), accuracy=accuracy, ci_low=interval.low,
                    ci_high=interval.high,
                )
            )  # fmt: skip
    return found


def classes_table(rows: Sequence[ClassRow]) -> str:
    """The rows in Markdown, arms beside each other."""
    arms = list(dict.fromkeys(row.stage for row in rows))
    cells = []
    for (dataset, split, question_type, name), same in grouped(
        rows, lambda row: (row.dataset, row.split, row.question_type, row.label)
    ).items():
        of_arm = {row.stage: accuracy_cell(row) for row in same}
        shown = f"**{_ALL}**" if name is None else name
        cells.append(
            [label((dataset, split)), question_type, shown, str(same[0].n), *(of_arm.get(arm, "-") for arm in arms)]
        )
    return markdown_table(["dataset", "question type", "class", "n", *arms], cells)


def _are_classes(of_type: Sequence[Prediction]) -> bool:
    options = {None if p.options is None else tuple(sorted(p.options)) for p in of_type}
    return len(options) == 1 and None not in options


def _right_option(prediction: Prediction) -> str:
    return (prediction.options or [])[LETTERS.index(prediction.reference)]


def _mean(
    predictions: Sequence[Prediction], weights: np.ndarray, *, seed: int, replicates: int
) -> tuple[float, Interval]:
    """The weighted share of right answers; the bootstrap keeps the weights that the classes have in the whole."""
    correct = np.array([float(p.is_correct) for p in predictions])
    images, random = [p.image_id for p in predictions], np.random.default_rng(seed)
    if (weights == 1).all() or correct.all() or not correct.any():
        return float(correct.mean()), share_interval(correct, images, random=random, replicates=replicates)
    values = weights * correct
    if len(set(images)) < 2:
        return float(values.mean()), Interval(0.0, 1.0)
    interval = cluster_bootstrap(values, images, random=random, replicates=replicates)
    return float(values.mean()), Interval(max(0.0, interval.low), min(1.0, interval.high))
