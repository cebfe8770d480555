"""Intervals for one arm: Wilson's for a proportion of independent items, a bootstrap of images for a mean of items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from statsmodels.stats.proportion import proportion_confint

Floats = NDArray[np.float64]

DRAWS_AT_ONCE = 2**20  # cluster indices held in memory at a time: about 40 MB with what is gathered by them


@dataclass(frozen=True)
class Interval:
    """A confidence interval, in the units of the estimate."""

    low: float
    high: float


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for a proportion.

    It holds for independent items: with several questions per image, report `cluster_bootstrap` beside it.

    Args:
        successes: how many of the items are right.
        n: how many items there are.
        confidence: share of such intervals that hold the true proportion.

    Returns:
        The interval, within [0, 1]; it holds successes / n.

    Raises:
        ValueError: no items, successes outside 0 to n, or a confidence outside (0, 1).

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    if not n >= 1:
        raise ValueError(f"n is {n}: a proportion needs at least one item")
    if not 0 <= successes <= n:
        raise ValueError(f"successes is {successes}: of {n} items, 0 to {n} can be right")
    check_confidence(confidence)
    low, high = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    # at 0 and n successes the closed form misses 0 and 1 by rounding
    return Interval(low=min(float(low), successes / n), high=max(float(high), successes / n))


def cluster_bootstrap(
    values: Floats,
    clusters: Sequence[str],
    *,
    random: np.random.Generator,
    replicates: int = 10_000,
    confidence: float = 0.95,
) -> Interval:
    """Percentile interval for the mean over items when whole clusters are resampled.

        mean* = sum of values over the drawn clusters / number of items in the drawn clusters

    As many clusters are drawn, with replacement, as there are. Every item has the same weight, so that an image with
    more questions counts for more, as it does in the mean itself. The order of rows makes no difference.

    Args:
        values: [N] one number per item, finite.
        clusters: [N] the cluster of each item, for us its image id.
        random: source of the draws.
        replicates: number of resamples.
        confidence: share of such intervals that hold the true mean. Nominal: few clusters give less.

    Returns:
        The interval between the quantiles (1 - confidence) / 2 and (1 + confidence) / 2 of the resampled means.

    Raises:
        ValueError: no items, values that are not [N] or not finite, lengths that differ, or fewer than two clusters.

    Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, sections 3.8 and 5.3.
    """
    check_resampling(replicates, confidence)
    rows = as_finite(values, "values", "N")[np.newaxis]
    return percentile_interval(resampled_means(rows, clusters, np.ones((replicates, 1)), random), confidence)


def share_interval(
    shares: Floats, clusters: Sequence[str], *, random: np.random.Generator, replicates: int = 10_000
) -> Interval:
    """95 % interval for the mean of shares within [0, 1], which may all be 0 or all be 1.

    Wilson's where every item is 0 or 1 and a cluster of its own; also where all items are 0 or all are 1, with one
    observation per cluster: resampling would give an interval of width zero there. Else the bootstrap of clusters.
    One cluster says nothing of others: the interval is [0, 1].

    Args:
        shares: [N] one per item.
        clusters: [N] the cluster of each item, for us its image id.
        random: source of the draws.
        replicates: number of resamples.
    """
    distinct, total = len(set(clusters)), float(shares.sum())
    if distinct == len(shares) and np.isin(shares, (0, 1)).all():
        return wilson(round(total), distinct)
    if distinct < 2:
        return Interval(0.0, 1.0)
    if total in (0, len(shares)):
        return wilson(distinct if total else 0, distinct)
    return cluster_bootstrap(shares, clusters, random=random, replicates=replicates)


def resampled_means(
    values: Floats, clusters: Sequence[str], seed_weights: Floats, random: np.random.Generator
) -> Floats:
    """Means over seeds and items, with clusters drawn anew in each replicate and seeds weighted as told.

    All seeds of a replicate share its clusters, because they answered the same items.

    Args:
        values: [S, N] one number per seed and item.
        clusters: [N] the cluster of each item.
        seed_weights: [R, S] weights of the seeds in each replicate; each row sums to 1.
        random: source of the draws of clusters.

    Returns:
        [R] resampled means.

    Raises:
        ValueError: lengths that differ, or fewer than two clusters.
    """
    sums, counts = cluster_totals(values, clusters)
    means, start = np.empty(len(seed_weights)), 0
    for drawn in cluster_draws(len(counts), len(seed_weights), random):
        chunk = slice(start, start + len(drawn))
        seed_means = seed_weights[chunk] @ sums  # [r, K]
        # row by row, as one row fits into the processor's cache and all of them do not: a quarter of the time less
        totals = np.array([row.take(picks).sum() for row, picks in zip(seed_means, drawn, strict=True)])
        means[chunk] = totals / counts.take(drawn).sum(axis=1)
        start = chunk.stop
    return means


def percentile_interval(means: Floats, confidence: float) -> Interval:
    """The central interval that holds the given share of resampled means [R]."""
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(low=float(low), high=float(high))


def bootstrap_p_value(means: Floats, tie: float) -> float:
    """Two-sided p of "the difference is zero" from resampled differences.

        p = min(1, 2 min(1 + #{d* <= 0}, 1 + #{d* >= 0}) / (R + 1))

    The observed difference counts as one more resample on either side, so that p is never 0: at 10,000 replicates the
    smallest is 0.0002. p <= 0.05 says, up to that, that the 95 % percentile interval excludes zero.

    Args:
        means: [R] resampled differences.
        tie: a resample this close to zero is zero and counts on both sides.

    Returns:
        p in (0, 1].

    Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, section 4.2, for the + 1.
    """
    not_above, not_below = int(np.sum(means <= tie)), int(np.sum(means >= -tie))
    return min(1.0, 2 * (1 + min(not_above, not_below)) / (len(means) + 1))


def as_finite(values: ArrayLike, name: str, shape: str) -> Floats:
    """The values in float64, refused unless they have the shape's letters ("S, N"), at least one entry, and no NaN."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != len(shape.split(", ")):
        raise ValueError(f"{name} is {list(array.shape)}: expected [{shape}]")
    if array.size == 0:
        raise ValueError(f"{name} is {list(array.shape)}: there is nothing to take a mean of")
    faulty = int((~np.isfinite(array)).sum())
    if faulty:
        raise ValueError(f"{name} has {faulty} of {array.size} entries that are not finite: score or drop these items")
    return array


def check_resampling(replicates: int, confidence: float) -> None:
    """Refuse settings of a bootstrap that give no interval."""
    check_confidence(confidence)
    check_replicates(replicates)


def check_replicates(replicates: int) -> None:
    """Refuse a bootstrap that resamples nothing."""
    if replicates < 1:
        raise ValueError(f"replicates is {replicates}: a bootstrap needs at least 1, and 10,000 for steady 95 % ends")


def check_confidence(confidence: float) -> None:
    """Refuse a confidence that is not a share between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}: expected a share between 0 and 1, such as 0.95")


def cluster_totals(values: Floats, clusters: Sequence[str]) -> tuple[Floats, Floats]:
    """Sums of values within clusters [S, K], and the clusters' item counts [K], in the order of sorted names."""
    if len(clusters) != values.shape[-1]:
        raise ValueError(f"{values.shape[-1]} items but {len(clusters)} clusters: each item needs the id of its image")
    position = {name: index for index, name in enumerate(sorted(set(clusters)))}
    if len(position) < 2:
        raise ValueError(
            f"all items are of cluster {clusters[0]!r}: one cluster says nothing of the spread between them"
        )
    members = np.array([position[name] for name in clusters])
    sums = np.stack([np.bincount(members, weights=row, minlength=len(position)) for row in values]).astype(np.float64)
    return sums, np.bincount(members).astype(np.float64)


def cluster_draws(clusters: int, replicates: int, random: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Indices of drawn clusters, [r, K] at a time, R rows in all; how they are split does not change them."""
    rows = max(1, DRAWS_AT_ONCE // clusters)
    for start in range(0, replicates, rows):
        yield random.integers(clusters, size=(min(rows, replicates - start), clusters))
