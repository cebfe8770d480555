"""Non-inferiority: whether a second arm is shown to lose no more than a margin, which "no difference" never shows."""

from __future__ import annotations

from dataclasses import dataclass

from pathvlm_r1.evaluation.statistics import Floats, as_finite, check_confidence, percentile_interval

TIE = 1e-12  # a resample this close to the margin is a loss of the margin, and an interval's end likewise


@dataclass(frozen=True)
class NonInferiority:
    """A test of "the second arm is worse than the first by the margin or more"."""

    margin: float  # above 0, in the units of the difference
    low: float  # lower end of the two-sided interval of the difference
    p_value: float  # one-sided
    is_shown: bool


def non_inferiority(resampled: Floats, *, margin: float, confidence: float = 0.95) -> NonInferiority:
    """Test, from resampled differences, that the second arm loses less than a margin that was fixed beforehand.

        p = (1 + #{d* <= -margin}) / (R + 1)

    It is shown where the lower end of the two-sided interval lies above -margin: at 95 % a test of one side at 2.5 %.

    Args:
        resampled: [R] second arm minus first, of images drawn anew, as `resampled_differences` gives them.
        margin: the loss that would still be accepted, above 0.
        confidence: of the two-sided interval.

    Raises:
        ValueError: no resamples, a margin that is not above 0, or a confidence outside (0, 1).

    Source: Piaggio et al. 2012, CONSORT for noninferiority and equivalence trials, doi:10.1001/jama.2012.87802.
    """
    check_confidence(confidence)
    means = as_finite(resampled, "resampled", "R")
    if not margin > 0:
        raise ValueError(f"margin is {margin}: expected above 0, the loss that would still be accepted")
    low = percentile_interval(means, confidence).low
    p_value = (1 + int((means <= -margin + TIE).sum())) / (len(means) + 1)
    return NonInferiority(margin, low, p_value, is_shown=low > -margin + TIE)
