"""The test of a loss of no more than a margin, against the test of a mean and by its rate of false claims."""

import math

import numpy as np
import pytest
from statsmodels.stats.weightstats import DescrStatsW

from pathvlm_r1.evaluation import non_inferiority, paired_difference, resampled_differences

IMAGES = [f"image-{index}" for index in range(400)]


def resampled(differences, seed=0, replicates=10_000):
    random = np.random.default_rng(seed)
    return resampled_differences(
        differences[np.newaxis], IMAGES[: len(differences)], random=random, replicates=replicates
    )


@pytest.mark.parametrize("margin", [0.01, 0.03, 0.06])
def test_the_p_of_non_inferiority_is_that_of_a_z_test_against_the_margin(margin):
    differences = np.random.default_rng(1).choice([-1.0, 0.0, 1.0], p=[0.12, 0.78, 0.1], size=400)
    witness = DescrStatsW(differences).ztest_mean(value=-margin, alternative="larger")[1]
    found = non_inferiority(resampled(differences), margin=margin)
    # 10,000 resamples scatter by 0.005; the bootstrap knows the skewness, which the z test does not
    assert found.p_value == pytest.approx(witness, abs=0.025)


def test_it_is_shown_where_the_interval_lies_above_the_margin_and_p_says_the_same():
    draws, differences = resampled(np.random.default_rng(2).normal(0.0, 0.3, size=400)), np.zeros((1, 400))
    low = paired_difference(differences, draws).interval.low
    for margin in (-low * 0.9, -low * 1.1):
        found = non_inferiority(draws, margin=margin)
        assert found.low == low
        assert found.is_shown == (margin > -low) == (found.p_value <= 0.025)


def test_a_loss_of_exactly_the_margin_is_not_excluded():
    found = non_inferiority(np.full(999, -0.1 - 0.2), margin=0.3)  # -0.30000000000000004
    assert not found.is_shown
    assert found.p_value == 1.0
    assert non_inferiority(np.zeros(999), margin=0.3).p_value == 1 / 1000


def test_a_wider_margin_is_never_harder_to_keep():
    draws = resampled(np.random.default_rng(3).normal(-0.01, 0.3, size=400))
    p_values = [non_inferiority(draws, margin=margin).p_value for margin in (0.005, 0.01, 0.02, 0.05)]
    assert p_values == sorted(p_values, reverse=True)


@pytest.mark.parametrize(
    ("draws", "options", "fault"),
    [
        ([], {"margin": 0.1}, "there is nothing"),
        ([0.1], {"margin": 0.0}, "margin is 0.0"),
        ([0.1], {"margin": math.nan}, "margin is nan"),
        ([0.1], {"margin": 0.1, "confidence": 2.0}, "confidence is 2.0"),
        ([math.inf], {"margin": 0.1}, "not finite"),
    ],
)
def test_a_margin_or_resamples_that_say_nothing_are_refused(draws, options, fault):
    with pytest.raises(ValueError, match=fault):
        non_inferiority(np.array(draws), **options)
