"""Student's interval over seeds or decodes, against scipy and published figures."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pathvlm_r1.evaluation import mean_of_repeats

REPEATS = st.lists(st.floats(-100, 100, allow_subnormal=False), min_size=2, max_size=12)


@given(values=REPEATS, confidence=st.floats(0.5, 0.999))
def test_the_interval_over_repeats_is_that_of_scipys_t_test(values, confidence):
    repeats = mean_of_repeats(values, confidence)
    assert (repeats.mean, repeats.sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)), rel=1e-9, abs=1e-9)
    if repeats.sd > 1e-6:
        witness = stats.ttest_1samp(values, 0.0).confidence_interval(confidence)
        assert (repeats.interval.low, repeats.interval.high) == pytest.approx(tuple(witness), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("mean", "sd", "low", "high"),
    [
        (49.31, 0.48, 48.71, 49.91),
        (52.65, 1.09, 51.30, 54.01),
        (58.72, 0.89, 57.61, 59.83),
        (61.16, 1.05, 59.85, 62.47),
    ],
)
def test_the_published_intervals_of_five_decodes_follow_from_their_means_and_spreads(mean, sd, low, high):
    """Figures of the method's authors, accuracy in percent over five sampled decodes."""
    shape = np.array([-2, -1, 0, 1, 2]) / math.sqrt(2.5)  # mean 0, standard deviation 1
    interval = mean_of_repeats(list(mean + sd * shape)).interval
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.011)  # they are rounded to 0.01


def test_a_normal_interval_of_three_repeats_would_be_caught():
    repeats = mean_of_repeats([0.1, 0.2, 0.3])
    assert repeats.interval.high - repeats.mean == pytest.approx(4.302653 * 0.1 / math.sqrt(3), rel=1e-6)
    assert repeats.interval.high - repeats.mean > 2 * 1.96 * 0.1 / math.sqrt(3)


@given(values=REPEATS, shift=st.floats(-10, 10))
def test_the_interval_over_repeats_moves_with_them_and_ignores_their_order(values, shift):
    there, moved = mean_of_repeats(values), mean_of_repeats([value + shift for value in reversed(values)])
    assert moved.interval.low == pytest.approx(there.interval.low + shift, abs=1e-8)
    assert moved.sd == pytest.approx(there.sd, abs=1e-9)


@pytest.mark.parametrize("value", [0.1, 0.7, 1 / 3])
def test_equal_repeats_have_exactly_no_spread(value):
    repeats = mean_of_repeats([value] * 7)
    assert (repeats.mean, repeats.sd) == (value, 0.0)
    assert (repeats.interval.low, repeats.interval.high) == (value, value)


@pytest.mark.parametrize(
    ("values", "confidence", "fault"),
    [
        ([], 0.95, "there is nothing"),
        ([0.5], 0.95, "one repeat"),
        ([0.5, math.nan], 0.95, "1 of 2 entries that are not finite"),
        ([0.5, 0.6], 1.0, "confidence is 1.0"),
    ],
)
def test_repeats_that_have_no_interval_are_refused(values, confidence, fault):
    with pytest.raises(ValueError, match=fault):
        mean_of_repeats(values, confidence)
