"""Repeats of one measurement, over training seeds or stochastic decodes: mean, spread and Student's interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pathvlm_r1.evaluation.statistics import Interval, as_finite, check_confidence


@dataclass(frozen=True)
class Repeats:
    """What k repeats say of their mean."""

    n: int
    mean: float
    sd: float  # divides by n - 1
    interval: Interval


def mean_of_repeats(values: Sequence[float], confidence: float = 0.95) -> Repeats:
    """Mean, standard deviation and Student's t interval of repeats.

        mean -+ t(1 - (1 - confidence) / 2; k - 1) sd / sqrt(k)

    It speaks of further repeats on the same questions, of seeds where seeds differ and of decodes where decodes do, and
    not of new questions. Three repeats make it wide: t is 4.3 there. Equal values have an interval without a width.

    Args:
        values: [k] one number per seed or decode, finite.
        confidence: share of such intervals that hold the mean of all repeats there could be, if these are normal.

    Raises:
        ValueError: fewer than two values, one that is not finite, or a confidence outside (0, 1).

    Source: Student 1908, doi:10.1093/biomet/6.1.1.
    """
    check_confidence(confidence)
    repeats = as_finite(values, "values", "k")
    if len(repeats) < 2:
        raise ValueError("values has one repeat, which says nothing of the spread between repeats: leave this out")
    shifted = repeats - repeats[0]  # equal values: exactly 0, which their mean need not be
    mean, sd = float(repeats[0] + shifted.mean()), float(shifted.std(ddof=1))
    half = float(stats.t.ppf((1 + confidence) / 2, df=len(repeats) - 1)) * sd / float(np.sqrt(len(repeats)))
    return Repeats(len(repeats), mean, sd, Interval(mean - half, mean + half))
