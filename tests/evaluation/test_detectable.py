"""Standard errors by cluster, design effects, and the smallest difference that a set detects."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pathvlm_r1.evaluation import (
    clustered_standard_error,
    design_effect,
    detectable_difference,
    detectable_mean_difference,
)

SHARES = st.floats(0, 1)


def items_in_clusters(seed=0, clusters=60):
    random = np.random.default_rng(seed)
    members = np.repeat(np.arange(clusters), random.integers(1, 5, size=clusters))
    values = random.normal(size=clusters)[members] + random.normal(size=members.size)
    return values, [f"image-{member}" for member in members]


def needed(psi, delta, power=0.8, confidence=0.95):
    """Connor's number of pairs, as it is published."""
    to_exclude, to_find = stats.norm.ppf((1 + confidence) / 2), stats.norm.ppf(power)
    return (to_exclude * math.sqrt(psi) + to_find * math.sqrt(psi - delta**2)) ** 2 / delta**2


@pytest.mark.parametrize("seed", range(4))
def test_the_clustered_error_is_that_of_a_regression_on_a_constant(seed):
    values, images = items_in_clusters(seed)
    groups = np.unique(images, return_inverse=True)[1]
    witness = sm.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": groups})
    assert clustered_standard_error(values, images) == pytest.approx(float(witness.bse[0]), rel=1e-10)


def test_with_one_item_per_cluster_the_error_is_the_plain_one_and_the_design_effect_1():
    values = np.random.default_rng(1).normal(size=50)
    images = [f"image-{index}" for index in range(50)]
    assert clustered_standard_error(values, images) == pytest.approx(stats.sem(values), rel=1e-12)
    assert design_effect(values, images) == pytest.approx(1, rel=1e-12)


def test_copies_of_an_item_within_its_cluster_say_nothing_new():
    values = np.random.default_rng(2).normal(size=400)
    images = [f"image-{index}" for index in range(400)]
    copied = design_effect(np.tile(values, 3), images * 3)
    assert copied == pytest.approx(3, rel=0.01)  # (3 N - 1) / (N - 1)
    assert clustered_standard_error(np.tile(values, 3), images * 3) == pytest.approx(stats.sem(values), rel=1e-9)


def test_equal_values_have_no_design_effect_of_their_own():
    assert design_effect(np.full(4, 0.1), list("aabb")) == 1.0


@pytest.mark.parametrize(("psi", "delta", "pairs"), [(0.5, 0.4, 23), (0.45, 0.15, 155)])
def test_published_numbers_of_pairs_detect_their_difference_and_one_pair_less_does_not(psi, delta, pairs):
    """Worked examples of two calculators for Connor's formula, at 5 % and 80 % power."""
    assert math.ceil(needed(psi, delta)) == pairs
    assert detectable_difference(psi, pairs) <= delta < detectable_difference(psi, pairs - 1)


@given(psi=st.floats(0.05, 1), delta=st.floats(0.01, 0.9), power=st.floats(0.5, 0.99), confidence=st.floats(0.8, 0.99))
def test_it_is_the_inverse_of_the_number_of_pairs(psi, delta, power, confidence):
    delta = min(delta, 0.99 * psi)
    pairs = math.ceil(needed(psi, delta, power, confidence))
    effect = pairs / needed(psi, delta, power, confidence)
    found = detectable_difference(psi, pairs, design_effect=effect, power=power, confidence=confidence)
    assert found == pytest.approx(delta, rel=1e-9)


@given(psi=SHARES, items=st.integers(5, 10_000))
def test_no_difference_is_detectable_that_the_discordance_could_not_hold(psi, items):
    """Where flips are rarer than the difference, the difference itself is the discordance, all flips one way."""
    delta = detectable_difference(psi, items)
    assert needed(max(psi, delta), delta) == pytest.approx(items, rel=1e-9)


@settings(max_examples=50)
@given(psi=SHARES, items=st.integers(5, 10_000), effect=st.floats(1, 3))
def test_more_items_detect_less_and_clusters_more(psi, items, effect):
    delta = detectable_difference(psi, items)
    assert detectable_difference(psi, 4 * items) < delta
    clustered = detectable_difference(psi, items, design_effect=effect)
    assert clustered is None or clustered >= delta


def test_a_handful_of_items_detects_nothing():
    assert detectable_difference(0.2, 3) is None
    assert detectable_difference(1.0, 4) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("psi", "items"), [(0.25, 300), (0.1, 999), (0.4, 100)])
def test_a_difference_of_this_size_is_found_with_the_stated_power(psi, items):
    delta = detectable_difference(psi, items)
    psi = max(psi, delta)
    draws = np.random.default_rng(3).multinomial(items, [(psi + delta) / 2, (psi - delta) / 2, 1 - psi], size=20_000)
    fixed, broken = draws[:, 0], draws[:, 1]
    found = np.abs(fixed - broken) > 1.959964 * np.sqrt(fixed + broken)  # McNemar's score test
    assert found.mean() == pytest.approx(0.8, abs=0.03)  # the formula is a normal approximation
    halved = np.random.default_rng(4).multinomial(
        items, [(psi + delta / 2) / 2, (psi - delta / 2) / 2, 1 - psi], 20_000
    )
    weaker = np.abs(halved[:, 0] - halved[:, 1]) > 1.959964 * np.sqrt(halved[:, 0] + halved[:, 1])
    assert weaker.mean() < 0.45


def test_without_any_flip_it_is_what_the_exact_test_finds_when_all_go_one_way():
    delta = detectable_difference(0.0, 200)
    six_of_one_kind = stats.binom.sf(5, 200, delta)  # fewer have p above 0.05
    assert six_of_one_kind == pytest.approx(0.8, abs=0.05)


def test_of_graded_scores_it_is_the_difference_that_a_z_test_finds():
    delta = detectable_mean_difference(0.01, power=0.9, confidence=0.99)
    assert stats.norm.sf(stats.norm.ppf(0.995) - delta / 0.01) == pytest.approx(0.9, rel=1e-9)
    assert detectable_mean_difference(0.0) == 0.0


@pytest.mark.parametrize(
    ("arguments", "options", "fault"),
    [
        ((1.2, 10), {}, "discordance is 1.2"),
        ((0.2, 0), {}, "0 items"),
        ((0.2, 10), {"design_effect": 0.0}, "design effect of 0.0"),
        ((0.2, 10), {"power": 1.0}, "power is 1.0"),
        ((0.2, 10), {"confidence": 0.0}, "confidence is 0.0"),
    ],
)
def test_designs_that_there_are_not_are_refused(arguments, options, fault):
    with pytest.raises(ValueError, match=fault):
        detectable_difference(*arguments, **options)


def test_an_error_below_zero_is_refused():
    with pytest.raises(ValueError, match="standard_error is -1"):
        detectable_mean_difference(-1)
