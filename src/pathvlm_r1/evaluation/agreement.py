"""How far a judge agrees with what is true, event by event, and with itself when it is asked again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from pathvlm_r1.evaluation.readiness import Estimate
from pathvlm_r1.evaluation.statistics import (
    Floats,
    Interval,
    check_resampling,
    cluster_bootstrap,
    cluster_draws,
    cluster_totals,
    percentile_interval,
    share_interval,
)

Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class EventAgreement:
    """One event by the judge and in truth: the four counts, and what follows from them with 95 % intervals."""

    event: str
    both: int  # completions of which it is said and true
    only_judged: int
    only_true: int
    neither: int
    precision: Estimate | None  # share of what is said that is true; None where nothing is said
    recall: Estimate | None  # share of what is true that is said; None where nothing is true
    kappa: Estimate | None  # Cohen's; None where judge and truth say the same one thing of every completion


@dataclass(frozen=True, kw_only=True)
class ScoreAgreement:
    """The process scores that follow from the judge's events and from the true ones."""

    judged: float  # mean
    true: float
    bias: Estimate  # judged less true
    spearman: float | None  # None where either is constant


@dataclass(frozen=True, kw_only=True)
class Stability:
    """The same completions judged several times."""

    compared: int  # completions that have a verdict every time
    unchanged: float | None  # share of these whose six events are the same every time; None without any
    spearman: Sequence[float | None]  # of the process scores, for each pair of times
    mean_spearman: float | None  # over the pairs that have one


def event_agreement(
    event: str, judged: Bools, true: Bools, images: Sequence[str], *, seed: int, replicates: int
) -> EventAgreement:  # fmt: skip
    """Hold one event's verdicts against the truth.

    Precision and recall are shares, with `share_interval`'s; kappa's interval is `kappa_interval`'s. Every interval
    begins anew from the seed.

    Args:
        event: its name.
        judged: [N] said present.
        true: [N] present.
        images: [N] of the completions, which are resampled.
        seed: of the bootstrap.
        replicates: resamples.
    """
    counts = _counts(judged, true).sum(axis=1)
    return EventAgreement(
        event=event, both=int(counts[0]), only_judged=int(counts[1]), only_true=int(counts[2]), neither=int(counts[3]),
        precision=_share(true, judged, images, seed=seed, replicates=replicates),
        recall=_share(judged, true, images, seed=seed, replicates=replicates),
        kappa=_kappa(judged, true, images, seed=seed, replicates=replicates),
    )  # fmt: skip


def cohens_kappa(counts: Floats) -> Floats:
    """Agreement beyond chance of two that each say yes or no.

        kappa = 2 (a d - b c) / ((a + b) (b + d) + (a + c) (c + d))

    which is (observed - expected) / (1 - expected) with both in terms of the counts.

    Args:
        counts: [4, ...] a both yes, b only the first, c only the second, d neither.

    Returns:
        [...] in [-1, 1]; NaN where both say the same one thing of everything, which no chance could miss.

    Source: Cohen 1960, doi:10.1177/001316446002000104.
    """
    a, b, c, d = counts
    denominator = (a + b) * (b + d) + (a + c) * (c + d)
    with np.errstate(invalid="ignore"):
        kappa: Floats = np.where(
            denominator > 0, 2 * (a * d - b * c) / np.where(denominator > 0, denominator, 1), np.nan
        )
    return kappa


def kappa_interval(
    judged: Bools, true: Bools, images: Sequence[str], *, random: np.random.Generator, replicates: int
) -> Interval | None:  # fmt: skip
    """95 % percentile interval of Cohen's kappa when images are resampled, over the resamples that have one.

    It has no width where no disagreement was seen, which does not say that there is none. None with fewer than two
    images, or where no resample has a kappa.
    """
    if len(set(images)) < 2:
        return None
    check_resampling(replicates, 0.95)
    sums, _ = cluster_totals(_counts(judged, true), images)  # [4, K]
    drawn = cluster_draws(sums.shape[1], replicates, random)
    kappas = np.concatenate([cohens_kappa(sums[:, chosen].sum(axis=-1)) for chosen in drawn])
    known = kappas[~np.isnan(kappas)]
    return percentile_interval(known, 0.95) if known.size else None


def score_agreement(
    judged: Floats, true: Floats, images: Sequence[str], *, seed: int, replicates: int
) -> ScoreAgreement | None:  # fmt: skip
    """Hold process scores [N] of the judge against those of the truth; None without any."""
    if not judged.size:
        return None
    gap = judged - true
    low = high = None
    if len(set(images)) > 1:
        interval = cluster_bootstrap(gap, images, random=np.random.default_rng(seed), replicates=replicates)
        low, high = interval.low, interval.high
    return ScoreAgreement(
        judged=float(judged.mean()), true=float(true.mean()), bias=Estimate(float(gap.mean()), low, high),
        spearman=spearman(judged, true),
    )  # fmt: skip


def stability(events: NDArray[np.bool_], scores: Floats) -> Stability:
    """Hold the times that a judge was asked against each other.

    Args:
        events: [T, N, 6] of each time; whatever where there is no verdict.
        scores: [T, N] process scores, NaN without a verdict.
    """
    is_whole = ~np.isnan(scores).any(axis=0)
    same = (events[:, is_whole] == events[:1, is_whole]).all(axis=(0, 2))
    pairs = [spearman(*_known(scores[a], scores[b])) for a, b in combinations(range(len(scores)), 2)]
    known = [one for one in pairs if one is not None]
    return Stability(
        compared=int(is_whole.sum()), unchanged=float(same.mean()) if same.size else None, spearman=pairs,
        mean_spearman=sum(known) / len(known) if known else None,
    )  # fmt: skip


def spearman(left: Floats, right: Floats) -> float | None:
    """The correlation of ranks; None with fewer than two numbers, or where either side is constant."""
    if left.size < 2 or left.min() == left.max() or right.min() == right.max():
        return None
    return float(spearmanr(left, right).statistic)


def _counts(judged: Bools, true: Bools) -> Floats:
    """[4, N] of each completion, in the order of `EventAgreement`."""
    return np.stack([judged & true, judged & ~true, ~judged & true, ~judged & ~true]).astype(np.float64)


def _share(of: Bools, among: Bools, images: Sequence[str], *, seed: int, replicates: int) -> Estimate | None:
    if not among.any():
        return None
    values = of[among].astype(np.float64)
    clusters = [image for image, is_among in zip(images, among, strict=True) if is_among]
    interval = share_interval(values, clusters, random=np.random.default_rng(seed), replicates=replicates)
    return Estimate(float(values.mean()), interval.low, interval.high)


def _kappa(judged: Bools, true: Bools, images: Sequence[str], *, seed: int, replicates: int) -> Estimate | None:
    value = float(cohens_kappa(_counts(judged, true).sum(axis=1)))
    if math.isnan(value):
        return None
    interval = kappa_interval(judged, true, images, random=np.random.default_rng(seed), replicates=replicates)
    return Estimate(value, *((None, None) if interval is None else (interval.low, interval.high)))


def _known(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    both = ~(np.isnan(left) | np.isnan(right))
    return left[both], right[both]
