"""The numbers of two runs on the same questions: difference, interval, McNemar, flips, and what may be claimed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from pathvlm_r1.evaluation.comparison import McNemar, mcnemar, paired_difference, resampled_differences
from pathvlm_r1.evaluation.comparison_claims import Evidence, claim
from pathvlm_r1.evaluation.detectable import (
    clustered_standard_error,
    design_effect,
    detectable_difference,
    detectable_mean_difference,
)
from pathvlm_r1.evaluation.flips import Flips, flips
from pathvlm_r1.evaluation.multiplicity import holm
from pathvlm_r1.evaluation.non_inferiority import NonInferiority, non_inferiority
from pathvlm_r1.evaluation.predictions import Prediction
from pathvlm_r1.evaluation.run_pairs import PairedRuns
from pathvlm_r1.evaluation.statistics import Floats, Interval, wilson


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings:
    """How sure a comparison must be."""

    confidence: float  # of every interval
    power: float  # with which the detectable difference is found
    margin: float  # the loss that is still "not worse"
    seed: int  # of every bootstrap, which begins anew from it
    replicates: int


@dataclass(frozen=True, kw_only=True)
class MetricDifference:
    """Run b minus run a in one metric."""

    metric: str
    n: int  # questions
    images: int
    a: float
    b: float
    difference: float
    low: float
    high: float
    confidence: float  # of that interval
    p: float  # two-sided, of the bootstrap of images
    mcnemar: McNemar | None  # None of a graded metric, and of several decodes
    design_effect: float
    detectable: float | None  # None: the set is too small for any
    non_inferiority: NonInferiority
    p_holm: float  # of the larger p, over the metrics and datasets that are compared
    family: int  # how many these are
    claim: str


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """Two runs on one dataset."""

    dataset: str
    only_a: int
    only_b: int
    contracts: tuple[tuple[str, ...], tuple[str, ...]]
    decodes: tuple[int, int]
    mismatches: dict[str, int]  # contract, prompt or picture -> questions that differ in it
    metrics: tuple[MetricDifference, ...]
    flips: tuple[Flips, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


Value = Callable[[Prediction], float | None]
METRICS: dict[str, Value] = {"accuracy": lambda p: float(p.is_correct), "process": lambda p: p.process}


def compare_runs(paired: Sequence[PairedRuns], settings: ComparisonSettings) -> list[RunComparison]:
    """Compare two runs on every dataset that both answered; the table of all metrics and datasets is one family."""
    measured = [(runs, [_measured(name, runs, settings) for name in METRICS]) for runs in paired]
    table = [metric for _, metrics in measured for metric in metrics if metric is not None]
    adjusted = iter(holm([decisive_p(metric) for metric in table]))
    return [
        RunComparison(
            dataset=runs.dataset, only_a=runs.only_a, only_b=runs.only_b, contracts=runs.contracts,
            decodes=runs.decodes, mismatches={str(kind): count for kind, count in runs.mismatches.items()},
            metrics=tuple(_claimed(m, next(adjusted), len(table), settings) for m in metrics if m is not None),
            flips=flips(runs) if runs.decodes == (1, 1) else (),
        )
        for runs, metrics in measured
    ]  # fmt: skip


def decisive_p(metric: MetricDifference) -> float:
    """The larger of both tests: the bootstrap sees the images, McNemar is exact where few items tell the runs apart."""
    return metric.p if metric.mcnemar is None else max(metric.p, metric.mcnemar.p_value)


def _measured(name: str, runs: PairedRuns, settings: ComparisonSettings) -> MetricDifference | None:
    """Without what depends on the other rows of the table; None with numbers on fewer than two pictures."""
    value = METRICS[name]
    scored = [
        (first, second, pair.first.image_id)
        for pair in runs.pairs
        if (first := _mean(pair.a, value)) is not None and (second := _mean(pair.b, value)) is not None
    ]
    images = [image for _, _, image in scored]
    if len(set(images)) < 2:
        return None  # one picture says nothing of others
    before, after = (np.array([row[side] for row in scored], dtype=np.float64) for side in (0, 1))
    is_binary = name == "accuracy" and runs.decodes == (1, 1)
    test = mcnemar(before.astype(bool), after.astype(bool)) if is_binary else None
    return _difference(name, (before, after), images, test, settings)


def _difference(
    name: str, arms: tuple[Floats, Floats], images: Sequence[str], test: McNemar | None, settings: ComparisonSettings
) -> MetricDifference:
    before, after = arms
    differences = after - before
    random = np.random.default_rng(settings.seed)
    drawn = resampled_differences(differences[np.newaxis], images, random=random, replicates=settings.replicates)
    found = paired_difference(differences[np.newaxis], drawn, settings.confidence)
    kept = non_inferiority(drawn, margin=settings.margin, confidence=settings.confidence)
    interval = found.interval
    if np.ptp(differences) == 0:
        interval, kept = _of_equal_differences(float(differences[0]), len(set(images)), settings)
    limits = {"power": settings.power, "confidence": settings.confidence}
    effect = design_effect(differences, images)
    if test is None:
        detectable: float | None = detectable_mean_difference(clustered_standard_error(differences, images), **limits)
    else:
        discordance = (test.only_first + test.only_second) / len(images)
        detectable = detectable_difference(discordance, len(images), design_effect=effect, **limits)
    return MetricDifference(
        metric=name, n=len(images), images=len(set(images)), a=float(before.mean()), b=float(after.mean()),
        difference=found.difference, low=interval.low, high=interval.high, confidence=settings.confidence,
        p=found.p_value, mcnemar=test, design_effect=effect, detectable=detectable,
        non_inferiority=kept, p_holm=1.0, family=1, claim="",
    )  # fmt: skip


def _of_equal_differences(value: float, images: int, settings: ComparisonSettings) -> tuple[Interval, NonInferiority]:
    """Resamples of equal differences are all alike: Wilson's interval of as many images that all agree has a width.

    The p of non-inferiority is the probability that none of these images shows a loss which a share of `margin` has.
    """
    half = 1 - wilson(images, images, settings.confidence).low
    interval = Interval(max(-1.0, value - half), min(1.0, value + half))
    p_value = 1.0 if value <= -settings.margin else (1 - settings.margin) ** images
    is_shown = interval.low > -settings.margin
    return interval, NonInferiority(settings.margin, interval.low, p_value, is_shown)


def _claimed(metric: MetricDifference, p_holm: float, family: int, settings: ComparisonSettings) -> MetricDifference:
    evidence = Evidence(
        metric=metric.metric, difference=metric.difference, low=metric.low, high=metric.high, p=metric.p,
        mcnemar_p=None if metric.mcnemar is None else metric.mcnemar.p_value, p_holm=p_holm, family=family,
        detectable=metric.detectable, is_not_worse=metric.non_inferiority.is_shown, margin=settings.margin,
        confidence=settings.confidence, power=settings.power,
    )  # fmt: skip
    return replace(metric, p_holm=p_holm, family=family, claim=claim(evidence))


def _mean(decodes: Sequence[Prediction], value: Value) -> float | None:
    """Over the decodes of a question; None where one of them has no number."""
    numbers = [value(prediction) for prediction in decodes]
    known = [number for number in numbers if number is not None]
    return float(np.mean(known)) if len(known) == len(numbers) else None
