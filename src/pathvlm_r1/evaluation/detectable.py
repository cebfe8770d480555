"""What a set of questions can tell at all: standard error, design effect and the smallest difference it detects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from pathvlm_r1.evaluation.statistics import Floats, as_finite, check_confidence, cluster_totals


def clustered_standard_error(values: Floats, clusters: Sequence[str]) -> float:
    """Standard error of the mean over items that come in clusters, linearised.

        SE^2 = K / (K - 1)  sum over clusters of (sum of values - mean * items)^2 / N^2

    Args:
        values: [N] one number per item, finite.
        clusters: [N] the cluster of each item, for us its image id.

    Raises:
        ValueError: as `cluster_bootstrap`.

    Source: Cochran 1977, Sampling Techniques, 3rd edition, section 9A.
    """
    rows = as_finite(values, "values", "N")
    sums, counts = cluster_totals(rows[np.newaxis], clusters)
    residuals = sums[0] - rows.mean() * counts
    return float(np.sqrt(len(counts) / (len(counts) - 1) * np.sum(residuals**2))) / len(rows)


def design_effect(values: Floats, clusters: Sequence[str]) -> float:
    """By how much clusters inflate the variance of a mean: N items say as much as N / design effect independent ones.

    It is 1 where every item has a cluster of its own, and where all values are equal.

    Args:
        values: [N] one number per item, finite.
        clusters: [N] the cluster of each item.

    Raises:
        ValueError: as `cluster_bootstrap`.
    """
    rows = as_finite(values, "values", "N")
    clustered = clustered_standard_error(rows, clusters)
    independent = float(rows.std(ddof=1)) / float(np.sqrt(len(rows)))
    return 1.0 if np.ptp(rows) == 0 else (clustered / independent) ** 2


def detectable_difference(
    discordance: float, items: int, *, design_effect: float = 1.0, power: float = 0.8, confidence: float = 0.95
) -> float | None:
    """The smallest difference in accuracy that two arms on the same items are told apart by, with the stated power.

        n = (z_a sqrt(psi) + z_b sqrt(psi - delta^2))^2 / delta^2,   n = items / design_effect

    solved for delta, where psi is the share of items that one arm alone gets right. A difference is never larger than
    psi: where the observed psi is too rare to hold one that can be seen, delta is that of psi = delta, all one way.

    Args:
        discordance: psi, as observed, in [0, 1].
        items: N, that both arms answered.
        design_effect: of the differences over images.
        power: with which a difference of this size is found.
        confidence: of the two-sided interval that must exclude 0.

    Returns:
        delta in (0, 1]; None where not even a difference of 1 would be found.

    Raises:
        ValueError: an argument outside its range.

    Source: Connor 1987, doi:10.2307/2531961.
    """
    if not 0 <= discordance <= 1:
        raise ValueError(f"discordance is {discordance}: expected a share of the items")
    if items < 1 or not design_effect > 0:
        raise ValueError(f"{items} items at a design effect of {design_effect}: expected at least 1, and above 0")
    to_exclude, to_find = _quantiles(power, confidence)
    n = items / design_effect
    inside = n + to_find**2 - to_exclude**2
    if inside < 0:
        return None
    root = float((np.sqrt(n) * to_exclude + to_find * np.sqrt(inside)) / (n + to_find**2))
    delta = max(float(np.sqrt(discordance)) * root, root**2)
    return delta if delta <= 1 else None


def detectable_mean_difference(standard_error: float, *, power: float = 0.8, confidence: float = 0.95) -> float:
    """The same of graded scores: (z_a + z_b) SE.

    Args:
        standard_error: of the mean difference, 0 or more.
        power: with which a difference of this size is found.
        confidence: of the two-sided interval that must exclude 0.

    Raises:
        ValueError: an argument outside its range.
    """
    if not standard_error >= 0:
        raise ValueError(f"standard_error is {standard_error}: expected 0 or more")
    return sum(_quantiles(power, confidence)) * standard_error


def _quantiles(power: float, confidence: float) -> tuple[float, float]:
    """Normal quantiles z_a and z_b."""
    check_confidence(confidence)
    if not 0.5 <= power < 1:
        raise ValueError(f"power is {power}: expected from 0.5 to below 1, such as 0.8")
    return float(stats.norm.ppf((1 + confidence) / 2)), float(stats.norm.ppf(power))
