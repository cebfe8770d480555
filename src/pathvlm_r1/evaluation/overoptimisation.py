"""Over-optimisation: how far the scores that a policy was trained on part from the true ones, by arm and over steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from pathvlm_r1.evaluation.collecting import BASE, arm_rank
from pathvlm_r1.evaluation.comparison import hierarchical_interval, seed_differences
from pathvlm_r1.evaluation.grouping import grouped
from pathvlm_r1.evaluation.rescoring import JudgedBin
from pathvlm_r1.evaluation.statistics import Floats, Interval, cluster_bootstrap, share_interval
from pathvlm_r1.tracking import TrackingError


@dataclass(frozen=True, kw_only=True)
class JudgedAnswer:
    """A question as one run answered it greedily after its training."""

    sample_id: str
    image_id: str
    accuracy: float  # 0 or 1
    true: float | None  # process score by the judge that stands for the truth; None without a verdict
    judged: float | None  # by the run's own judge; None too where the run has none, or one that costs money


@dataclass(frozen=True, kw_only=True)
class JudgedRun:
    """One finished run: its answers, and of a run that a judge has rewarded its training."""

    arm: str
    seed: int
    judge: str | None  # that rewarded it; None of a run without
    folder: str
    answers: Sequence[JudgedAnswer]
    bins: Sequence[JudgedBin]  # empty without a judge


@dataclass(frozen=True, kw_only=True)
class SeedMean:
    """A mean over seeds and questions."""

    value: float
    low: float | None  # 95 % interval, images resampled, conditional on these seeds; None of a single image
    high: float | None
    by_seed: Sequence[float]
    seeds_low: float | None  # 95 % interval over seeds and images; None with one seed
    seeds_high: float | None
    n: int  # questions that every seed has a number for


@dataclass(frozen=True, kw_only=True)
class ArmRow:
    """One arm on the questions; differences are to the arm that the true judge has rewarded, over common seeds."""

    arm: str
    judge: str | None
    seeds: Sequence[int]
    accuracy: SeedMean
    true: SeedMean | None
    judged: SeedMean | None
    gap: SeedMean | None  # judged less true
    accuracy_difference: SeedMean | None
    true_difference: SeedMean | None


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """Some steps of an arm's trainings, on average over its seeds."""

    first_step: int
    last_step: int
    accuracy: float
    judged: float | None
    true: float | None
    gap: float | None  # judged less true
    gap_by_seed: Sequence[float | None]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """An arm over its training."""

    arm: str
    judge: str
    seeds: Sequence[int]
    points: Sequence[CurvePoint]


@dataclass(frozen=True, kw_only=True)
class Overoptimisation:
    """What a study of judges has found."""

    true_judge: str
    rows: Sequence[ArmRow]
    curves: Sequence[Curve]


Value = Callable[[JudgedAnswer], float | None]


def _gap(answer: JudgedAnswer) -> float | None:
    return None if answer.judged is None or answer.true is None else answer.judged - answer.true


VALUES: Mapping[str, Value] = {
    "accuracy": lambda answer: answer.accuracy,
    "true": lambda answer: answer.true,
    "judged": lambda answer: answer.judged,
    "gap": _gap,
}


def overoptimisation(
    runs: Sequence[JudgedRun], *, true_judge: str, seed: int, replicates: int
) -> Overoptimisation:  # fmt: skip
    """Rows and curves of every arm; every bootstrap begins anew from the seed.

    Args:
        runs: one for each arm and seed.
        true_judge: name of the judge that stands for the truth; the arm that it has rewarded is compared with.
        seed: of the bootstrap.
        replicates: resamples of the images.

    Raises:
        TrackingError: seeds of one arm were trained for different steps.
    """
    ordered = sorted(runs, key=lambda run: (arm_rank(run.arm), run.seed))
    arms = grouped(ordered, lambda run: run.arm)
    compared = next((of_arm for of_arm in arms.values() if of_arm[0].judge == true_judge), [])
    rows = [_row(of_arm, compared, seed=seed, replicates=replicates) for of_arm in arms.values()]
    curves = [_curve(of_arm) for of_arm in arms.values() if of_arm[0].judge is not None]
    return Overoptimisation(true_judge=true_judge, rows=rows, curves=curves)


def _row(runs: Sequence[JudgedRun], compared: Sequence[JudgedRun], *, seed: int, replicates: int) -> ArmRow:
    means = {
        name: _mean([runs], value, is_share=name == "accuracy", seed=seed, replicates=replicates)
        for name, value in VALUES.items()
    }
    is_itself = bool(compared) and compared[0].arm == runs[0].arm
    has_seeds = runs[0].arm != BASE and not is_itself  # a base was trained with none
    common = sorted({run.seed for run in runs} & {run.seed for run in compared}) if has_seeds else []
    pair = [[run for run in side if run.seed in common] for side in (runs, compared)]
    differences = {
        name: _mean(pair, VALUES[name], is_share=False, seed=seed, replicates=replicates) if common else None
        for name in ("accuracy", "true")
    }
    accuracy = means["accuracy"]
    assert accuracy is not None  # noqa: S101  every answer has one
    return ArmRow(
        arm=runs[0].arm, judge=runs[0].judge, seeds=[run.seed for run in runs], accuracy=accuracy,
        true=means["true"], judged=means["judged"], gap=means["gap"],
        accuracy_difference=differences["accuracy"], true_difference=differences["true"],
    )  # fmt: skip


def _mean(
    sides: Sequence[Sequence[JudgedRun]], value: Value, *, is_share: bool, seed: int, replicates: int
) -> SeedMean | None:  # fmt: skip
    """Of one side's numbers, or of the first side's less the second's; None where no question has all numbers."""
    answers = [{answer.sample_id: answer for answer in run.answers} for side in sides for run in side]
    shared = [key for key in answers[0] if all(key in of and value(of[key]) is not None for of in answers)]
    if not shared:
        return None
    images = [answers[0][key].image_id for key in shared]
    table = np.array([[value(of[key]) for key in shared] for of in answers], dtype=np.float64)
    values = table if len(sides) == 1 else table[: len(sides[0])] - table[len(sides[0]) :]  # [S, N]
    inner, outer = _intervals(values, images, is_share=is_share, seed=seed, replicates=replicates)
    low, high = _ends(inner)
    seeds_low, seeds_high = _ends(outer)
    return SeedMean(
        value=float(values.mean()), low=low, high=high, by_seed=seed_differences(values), seeds_low=seeds_low,
        seeds_high=seeds_high, n=len(shared),
    )  # fmt: skip


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _intervals(
    values: Floats, images: Sequence[str], *, is_share: bool, seed: int, replicates: int
) -> tuple[Interval | None, Interval | None]:  # fmt: skip
    """With images resampled, and with seeds and images."""
    if len(set(images)) < 2:
        return None, None
    estimated = share_interval if is_share else cluster_bootstrap  # of shares that are all 0 or 1, Wilson's
    means = values.mean(axis=0)  # over the seeds, which answered the same questions
    inner = estimated(means, images, random=np.random.default_rng(seed), replicates=replicates)
    if len(values) < 2:
        return inner, None
    random = np.random.default_rng(seed)
    return inner, hierarchical_interval(values, images, random=random, replicates=replicates)


def _curve(runs: Sequence[JudgedRun]) -> Curve:
    places = {tuple((one.first_step, one.last_step) for one in run.bins): run.folder for run in runs}
    if len(places) > 1:
        raise TrackingError(
            f"arm {runs[0].arm}: {' and '.join(places.values())} have taken other steps; report on a folder whose "
            "runs of one arm are as long as each other"
        )
    return Curve(
        arm=runs[0].arm, judge=str(runs[0].judge), seeds=[run.seed for run in runs],
        points=[_point(of_seeds) for of_seeds in zip(*(run.bins for run in runs), strict=True)],
    )  # fmt: skip


def _point(bins: Sequence[JudgedBin]) -> CurvePoint:
    return CurvePoint(
        first_step=bins[0].first_step, last_step=bins[0].last_step, accuracy=fmean(one.accuracy for one in bins),
        judged=_over_seeds([one.process_logged for one in bins]), true=_over_seeds([one.process_asked for one in bins]),
        gap=_over_seeds([one.gap for one in bins]), gap_by_seed=[one.gap for one in bins],
    )  # fmt: skip


def _over_seeds(values: Sequence[float | None]) -> float | None:
    """The mean; None where a seed has no number: it would be of other seeds than its neighbours."""
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None
