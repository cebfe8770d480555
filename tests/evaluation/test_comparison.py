"""Laws and witnesses for the differences of two arms."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import contingency_tables

from pathvlm_r1.evaluation import (
    McNemar,
    cluster_bootstrap,
    hierarchical_interval,
    image_bootstrap_of_seed_mean,
    mcnemar,
    seed_differences,
)

PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)
IMAGES = ["a", "b", "b", "c", "d", "d", "d"]
ROUNDING = 1e-12


def ends(interval):
    return [interval.low, interval.high]


def seeded(seed=0):
    return np.random.default_rng(seed)


def arms(pairs):
    return np.array(pairs).T


@pytest.mark.medium
@settings(deadline=None)
@given(pairs=PAIRS)
def test_mcnemar_is_the_binomial_test_of_the_items_that_tell_the_arms_apart(pairs):
    result = mcnemar(*arms(pairs))
    assert result.both_right == pairs.count((True, True))
    assert result.both_wrong == pairs.count((False, False))
    assert result.only_first == pairs.count((True, False))
    assert result.only_second == pairs.count((False, True))
    apart = result.only_first + result.only_second
    witness = stats.binomtest(result.only_first, apart).pvalue if apart else 1.0
    assert result.p_value == pytest.approx(witness, rel=1e-9)


@settings(deadline=None)
@given(pairs=PAIRS)
def test_swapping_the_arms_swaps_the_counts_of_mcnemar_and_keeps_p(pairs):
    first, second = arms(pairs)
    there, back = mcnemar(first, second), mcnemar(second, first)
    assert back == McNemar(there.both_right, there.only_second, there.only_first, there.both_wrong, there.p_value)


def test_mcnemar_counts_every_way_in_which_coins_could_have_fallen():
    first, second = np.array([1, 0, 0, 0, 0, 0, 0, 1, 0]), np.array([0, 1, 1, 1, 1, 1, 1, 1, 0])
    as_lopsided = [coins for coins in itertools.product([0, 1], repeat=7) if min(sum(coins), 7 - sum(coins)) <= 1]
    assert mcnemar(first, second).p_value == pytest.approx(len(as_lopsided) / 2**7, rel=1e-12)


def test_the_chi_square_approximation_would_be_caught():
    first, second = np.array([1, 0, 0, 0, 0, 0, 0]), np.array([0, 1, 1, 1, 1, 1, 1])
    approximation = contingency_tables.mcnemar([[0, 1], [6, 0]], exact=False, correction=False).pvalue
    assert abs(mcnemar(first, second).p_value - approximation) > 0.05


@pytest.mark.parametrize(
    ("first", "second", "fault"),
    [
        ([], [], r"first is \[0\]: there is nothing"),
        ([1, 0], [1], "first has 2 items and second 1"),
        ([1, 0], [1, math.nan], "second has 1 of 2 entries that are not finite"),
        ([1, 0.5], [1, 0], r"right \(1\) or wrong \(0\)"),
        ([[1, 0]], [[1, 0]], r"first is \[1, 2\]: expected \[N\]"),
    ],
)
def test_mcnemar_refuses_what_is_not_two_arms_of_right_and_wrong(first, second, fault):
    with pytest.raises(ValueError, match=fault):
        mcnemar(np.array(first), np.array(second))


def of_one_seed(first, second, **options):
    """Two arms of one seed, compared as the report compares them."""
    return image_bootstrap_of_seed_mean((second - first)[np.newaxis], IMAGES, **options)


def test_with_one_seed_the_difference_is_the_image_bootstrap_of_the_differences():
    first, second = seeded(1).random((2, 7))
    result = of_one_seed(first, second, random=seeded(), replicates=500)
    assert result.difference == pytest.approx(second.mean() - first.mean(), abs=ROUNDING)
    witness = cluster_bootstrap(second - first, IMAGES, random=seeded(), replicates=500)
    np.testing.assert_allclose(ends(result.interval), ends(witness), atol=ROUNDING)


@pytest.mark.medium
@settings(deadline=None)
@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=7, max_size=7))
def test_swapping_the_arms_mirrors_the_difference_and_keeps_p(pairs):
    first, second = arms(pairs).astype(float)
    there = of_one_seed(first, second, random=seeded(), replicates=300)
    back = of_one_seed(second, first, random=seeded(), replicates=300)
    assert back.difference == -there.difference
    assert back.p_value == there.p_value
    np.testing.assert_allclose(ends(back.interval), [-there.interval.high, -there.interval.low], atol=ROUNDING)


def test_p_is_the_share_of_all_resamples_enumerated_that_reach_zero():
    differences = np.array([1.0, 0, 1, -1, 1, 0, 1])
    of_image = [[1.0], [0.0, 1.0], [-1.0], [1.0, 0.0, 1.0]]
    resamples = [np.mean(np.concatenate(drawn)) for drawn in itertools.product(of_image, repeat=4)]
    expected = 2 * np.mean([mean <= 0 for mean in resamples])
    actual = of_one_seed(np.zeros(7), differences, random=seeded(), replicates=40_000).p_value
    assert actual == pytest.approx(expected, abs=4 * 2 * math.sqrt(0.25 / 40_000))  # four standard errors


@pytest.mark.parametrize(("gain", "p_value"), [(0.0, 1.0), (0.1, 2 / 201), (-0.1, 2 / 201)])
def test_p_is_1_without_any_difference_and_never_0(gain, p_value):
    result = of_one_seed(np.ones(7), np.ones(7) + gain, random=seeded(), replicates=200)
    assert result.p_value == pytest.approx(p_value, rel=1e-12)


@pytest.mark.parametrize("unit", [1.0, 123456.789])
def test_differences_that_cancel_over_seeds_are_ties_despite_rounding(unit):
    cancelling = unit * np.array([[0.1, 0.7, 0.1, 0.7], [0.2, -0.9, 0.2, -0.9], [-0.3, 0.2, -0.3, 0.2]])
    assert cancelling.mean(axis=0).any()  # zero on paper, not in floats
    result = image_bootstrap_of_seed_mean(cancelling, list("abcd"), random=seeded(), replicates=200)
    assert result.p_value == 1.0


@pytest.mark.medium
@settings(deadline=None)
@given(scale=st.floats(1e-15, 1e6))
def test_p_does_not_depend_on_the_unit(scale):
    differences = np.array([1.0, 0, 1, -1, 1, 0, 1])
    results = [of_one_seed(np.zeros(7), unit * differences, random=seeded(), replicates=300) for unit in (1.0, scale)]
    assert results[0].p_value == results[1].p_value


def test_the_seed_mean_is_the_bootstrap_of_each_items_average_over_seeds():
    differences = seeded(2).normal(size=(5, 7))
    result = image_bootstrap_of_seed_mean(differences, IMAGES, random=seeded(), replicates=500)
    assert result.difference == pytest.approx(differences.mean(), abs=ROUNDING)
    assert result.method == "image_bootstrap_of_seed_mean"
    witness = cluster_bootstrap(differences.mean(axis=0), IMAGES, random=seeded(), replicates=500)
    np.testing.assert_allclose(ends(result.interval), ends(witness), atol=ROUNDING)


def test_the_seed_mean_ignores_the_order_of_seeds_and_their_repetition():
    differences = seeded(3).normal(size=(3, 7))
    once = image_bootstrap_of_seed_mean(differences, IMAGES, random=seeded(), replicates=300)
    for same in (differences[::-1], np.tile(differences, (4, 1))):
        again = image_bootstrap_of_seed_mean(same, IMAGES, random=seeded(), replicates=300)
        assert again.p_value == once.p_value
        np.testing.assert_allclose(ends(again.interval), ends(once.interval), atol=ROUNDING)


def test_seed_differences_average_to_the_difference():
    differences = seeded(4).normal(size=(5, 7))
    per_seed = seed_differences(differences)
    assert per_seed == pytest.approx([row.sum() / 7 for row in differences], abs=ROUNDING)
    pooled = image_bootstrap_of_seed_mean(differences, IMAGES, random=seeded(), replicates=2)
    assert pooled.difference == pytest.approx(sum(per_seed) / 5, abs=ROUNDING)


def enumerated(differences, of_image, shared):
    """Means of all resamples of two seeds and three images; images drawn once for both seeds, or anew for each."""
    seeds, images = list(itertools.product([0, 1], repeat=2)), list(itertools.product(of_image, repeat=3))

    def mean(seed, drawn):
        return np.mean([differences[seed, item] for image in drawn for item in image])

    if shared:
        return np.array([(mean(a, drawn) + mean(b, drawn)) / 2 for a, b in seeds for drawn in images])
    return np.array([(mean(a, one) + mean(b, two)) / 2 for a, b in seeds for one in images for two in images])


def misses(interval, resamples):
    """How far the interval's ends are from the 2.5 % and 97.5 % quantiles, in share of resamples."""
    low, high = (np.mean(resamples <= end + ROUNDING) for end in ends(interval))
    below_low, below_high = (np.mean(resamples < end - ROUNDING) for end in ends(interval))
    return max(below_low - 0.025, 0.025 - low, below_high - 0.975, 0.975 - high)


def test_the_hierarchical_interval_finds_the_quantiles_of_all_resamples_enumerated():
    differences = np.array([[0.3, 0.8, 0.6, -2.0], [0.5, 1.1, 0.2, -1.7]])
    of_image = [[0], [1, 2], [3]]
    interval = hierarchical_interval(differences, list("abbc"), random=seeded(), replicates=40_000)
    assert misses(interval, enumerated(differences, of_image, shared=True)) < 0.004  # four standard errors
    # images drawn anew for each seed would average out what the seeds have in common
    assert misses(interval, enumerated(differences, of_image, shared=False)) > 0.008


def test_seeds_that_agree_leave_the_hierarchical_interval_with_the_images_alone():
    row = seeded(5).normal(size=300)
    images = [f"image-{i // 2}" for i in range(300)]
    both = hierarchical_interval(np.tile(row, (3, 1)), images, random=seeded(), replicates=20_000)
    alone = cluster_bootstrap(row, images, random=seeded(1), replicates=20_000)
    # each end has a standard error of 2 % of the spread
    np.testing.assert_allclose(ends(both), ends(alone), atol=0.06 * (alone.high - alone.low) / 2)


def test_items_that_agree_leave_the_hierarchical_interval_with_the_seeds_alone():
    of_seed = seeded(6).normal(size=30)
    interval = hierarchical_interval(np.tile(of_seed[:, None], (1, 7)), IMAGES, random=seeded(), replicates=20_000)
    alone = cluster_bootstrap(of_seed, [f"seed-{s}" for s in range(30)], random=seeded(1), replicates=20_000)
    np.testing.assert_allclose(ends(interval), ends(alone), atol=0.06 * (alone.high - alone.low) / 2)


@pytest.mark.parametrize("of_seeds", [image_bootstrap_of_seed_mean, hierarchical_interval])
@pytest.mark.parametrize(
    ("differences", "clusters", "options", "fault"),
    [
        ([1.0, 0.0], ["a", "b"], {}, r"differences is \[2\]: expected \[S, N\]"),
        ([[], []], [], {}, r"differences is \[2, 0\]: there is nothing"),
        ([[1.0, math.nan], [1.0, 0.0]], ["a", "b"], {}, "differences has 1 of 4 entries that are not finite"),
        ([[1.0, 0.0], [1.0, 0.0]], ["a"], {}, "2 items but 1 clusters"),
        ([[1.0, 0.0], [1.0, 0.0]], ["a", "a"], {}, "all items are of cluster 'a'"),
        ([[1.0, 0.0], [1.0, 0.0]], ["a", "b"], {"replicates": 0}, "replicates is 0"),
        ([[1.0, 0.0], [1.0, 0.0]], ["a", "b"], {"confidence": 0.0}, "confidence is 0.0"),
    ],
)
def test_comparisons_over_seeds_refuse_what_has_no_interval(of_seeds, differences, clusters, options, fault):
    with pytest.raises(ValueError, match=fault):
        of_seeds(np.array(differences), clusters, random=seeded(), **options)


def test_the_hierarchical_interval_refuses_a_single_seed():
    with pytest.raises(ValueError, match="one seed"):
        hierarchical_interval(np.array([[1.0, 0.0]]), ["a", "b"], random=seeded())
