"""Laws and witnesses for the intervals of one arm."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pathvlm_r1.evaluation import Interval, cluster_bootstrap, share_interval, statistics, wilson

ITEMS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.floats(-10, 10, allow_subnormal=False)), min_size=2, max_size=20
).filter(lambda items: len({image for image, _ in items}) > 1)
ROUNDING = 1e-12


def bootstrap(values, clusters, seed=0, **options):
    return cluster_bootstrap(np.array(values, float), clusters, random=np.random.default_rng(seed), **options)


def ends(interval):
    return [interval.low, interval.high]


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (3, 10), (161, 250), (999, 1000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_is_the_closed_form(successes, n, confidence):
    z, p = NormalDist().inv_cdf((1 + confidence) / 2), successes / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    np.testing.assert_allclose(ends(wilson(successes, n, confidence)), [centre - half, centre + half], atol=ROUNDING)


@pytest.mark.medium
def test_wilson_is_the_interval_of_scipy():
    for n in (1, 7, 60, 300):
        for successes in range(n + 1):
            witness = stats.binomtest(successes, n).proportion_ci(method="wilson")
            np.testing.assert_allclose(ends(wilson(successes, n)), [witness.low, witness.high], atol=ROUNDING)


@settings(deadline=None)
@given(n=st.integers(1, 5000), share=st.floats(0, 1), confidence=st.floats(0.01, 0.999))
def test_wilson_holds_the_proportion_and_stays_within_0_and_1(n, share, confidence):
    successes = round(share * n)
    interval = wilson(successes, n, confidence)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1


@settings(deadline=None)
@given(n=st.integers(1, 5000), share=st.floats(0, 1))
def test_wilson_of_the_failures_mirrors_that_of_the_successes(n, share):
    right, wrong = wilson(round(share * n), n), wilson(n - round(share * n), n)
    np.testing.assert_allclose(ends(wrong), [1 - right.high, 1 - right.low], atol=ROUNDING)


@pytest.mark.parametrize(
    ("successes", "n", "confidence", "fault"),
    [
        (0, 0, 0.95, "n is 0"),
        (0, -3, 0.95, "n is -3"),
        (math.nan, 4, 0.95, "successes is nan"),
        (-1, 4, 0.95, "successes is -1"),
        (5, 4, 0.95, "successes is 5"),
        (2, 4, 0.0, "confidence is 0.0"),
        (2, 4, 95, "confidence is 95"),
        (2, 4, math.nan, "confidence is nan"),
    ],
)
def test_wilson_refuses_what_is_no_proportion(successes, n, confidence, fault):
    with pytest.raises(ValueError, match=fault):
        wilson(successes, n, confidence)


@pytest.mark.medium
@settings(deadline=None)
@given(items=ITEMS, seed=st.integers(0, 2**32))
def test_the_bootstrap_interval_holds_the_mean(items, seed):
    images, values = zip(*items, strict=True)
    interval = bootstrap(values, images, seed, replicates=400)
    assert interval.low - ROUNDING <= np.mean(values) <= interval.high + ROUNDING  # equal values miss it by rounding


@pytest.mark.medium
@pytest.mark.parametrize("images", [["a", "b", "c", "d"], ["a", "b", "b", "c", "c", "c", "d"]])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_the_bootstrap_finds_the_quantiles_of_all_resamples_enumerated(images, confidence):
    values = np.random.default_rng(1).normal(size=len(images))
    of_image = {image: [v for v, i in zip(values, images, strict=True) if i == image] for image in sorted(set(images))}
    resamples = np.array([np.mean(np.concatenate(drawn)) for drawn in itertools.product(of_image.values(), repeat=4)])
    interval = bootstrap(values, images, replicates=40_000, confidence=confidence)
    allowed = 0.01  # four standard errors of a share at 40,000 replicates, at most
    for end, share in [(interval.low, (1 - confidence) / 2), (interval.high, (1 + confidence) / 2)]:
        assert np.mean(resamples < end - ROUNDING) - allowed <= share <= np.mean(resamples <= end + ROUNDING) + allowed


@pytest.mark.medium
def test_with_one_item_per_image_it_is_the_plain_bootstrap_of_scipy():
    values = np.random.default_rng(2).exponential(size=80)
    actual = bootstrap(values, [f"image-{i}" for i in range(80)], replicates=40_000)
    witness = stats.bootstrap((values,), np.mean, n_resamples=40_000, method="percentile", rng=3).confidence_interval
    # each end has a standard error of about 0.0015 at a spread of 0.11; four of their differences
    np.testing.assert_allclose(ends(actual), [witness.low, witness.high], atol=0.01)


def test_with_many_images_it_is_the_normal_interval_of_the_ratio_estimator():
    random = np.random.default_rng(4)
    counts = random.integers(1, 6, size=2000)
    images = np.repeat([f"image-{i:04}" for i in range(2000)], counts).tolist()
    values = np.repeat(random.normal(size=2000), counts) + random.normal(size=counts.sum())
    sums = np.array([chunk.sum() for chunk in np.split(values, np.cumsum(counts)[:-1])])
    half = 1.959964 * np.sqrt(((sums - values.mean() * counts) ** 2).sum()) / counts.sum()  # linearised
    # quantiles of 10,000 replicates scatter by 2 % of the half width, the skewness of the ratio adds as much
    np.testing.assert_allclose(
        ends(bootstrap(values, images)), [values.mean() - half, values.mean() + half], atol=0.08 * half
    )


@pytest.mark.medium
@settings(deadline=None)
@given(items=ITEMS, copies=st.integers(2, 4))
def test_repeating_every_item_within_its_image_changes_nothing(items, copies):
    images, values = zip(*items, strict=True)
    repeated = bootstrap(values * copies, images * copies, replicates=200)
    np.testing.assert_allclose(ends(repeated), ends(bootstrap(values, images, replicates=200)), atol=1e-11)


def test_four_copies_of_every_image_halve_the_interval():
    values, images = np.random.default_rng(5).normal(size=200), [f"image-{i}" for i in range(200)]
    copied = bootstrap(np.tile(values, 4), [f"{image}-{copy}" for copy in range(4) for image in images])
    once = bootstrap(values, images)
    width, copied_width = once.high - once.low, copied.high - copied.low
    assert copied_width / width == pytest.approx(0.5, rel=0.06)  # widths of 10,000 replicates scatter by 1 to 2 %


@pytest.mark.medium
@settings(deadline=None)
@given(items=ITEMS, shuffle=st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(items, shuffle):
    images, values = zip(*items, strict=True)
    images_shuffled, values_shuffled = zip(*shuffle.sample(items, len(items)), strict=True)
    first = bootstrap(values, images, replicates=200)
    second = bootstrap(values_shuffled, images_shuffled, replicates=200)
    np.testing.assert_allclose(ends(first), ends(second), atol=1e-11)


@pytest.mark.medium
@settings(deadline=None)
@given(items=ITEMS, shift=st.floats(-100, 100), scale=st.floats(0.1, 10))
def test_the_interval_moves_and_stretches_with_the_values(items, shift, scale):
    images, values = zip(*items, strict=True)
    moved = bootstrap(np.array(values) * scale + shift, images, replicates=200)
    expected = np.array(ends(bootstrap(values, images, replicates=200))) * scale + shift
    np.testing.assert_allclose(ends(moved), expected, rtol=1e-10, atol=1e-10)


def test_equal_generators_give_equal_intervals_however_the_draws_are_split(monkeypatch):
    values, images = np.random.default_rng(6).normal(size=30), [f"image-{i % 11}" for i in range(30)]
    whole = bootstrap(values, images, replicates=501)
    for at_once in (1, 11, 100, 5000):
        monkeypatch.setattr(statistics, "DRAWS_AT_ONCE", at_once)
        assert bootstrap(values, images, replicates=501) == whole
    assert bootstrap(values, images, seed=1, replicates=501) != whole


@pytest.mark.medium
def test_memory_does_not_grow_with_replicates_times_images():
    values, images = np.random.default_rng(7).normal(size=20_000), [f"image-{i}" for i in range(20_000)]
    tracemalloc.start()
    try:
        bootstrap(values, images, replicates=1000)  # 160 MB of indices, were they drawn at once
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("values", "clusters", "options", "fault"),
    [
        ([], [], {}, r"values is \[0\]: there is nothing"),
        ([[1.0, 0.0]], ["a", "b"], {}, r"values is \[1, 2\]: expected \[N\]"),
        ([1.0, math.nan, math.inf], ["a", "b", "c"], {}, "values has 2 of 3 entries that are not finite"),
        ([1.0, 0.0, 1.0], ["a", "b"], {}, "3 items but 2 clusters"),
        ([1.0, 0.0], ["a", "a"], {}, "all items are of cluster 'a'"),
        ([1.0, 0.0], ["a", "b"], {"replicates": 0}, "replicates is 0"),
        ([1.0, 0.0], ["a", "b"], {"confidence": 1.0}, "confidence is 1.0"),
    ],
)
def test_the_bootstrap_refuses_what_has_no_interval(values, clusters, options, fault):
    with pytest.raises(ValueError, match=fault):
        bootstrap(values, clusters, **options)


def of_shares(values, clusters):
    return share_interval(np.array(values, float), clusters, random=np.random.default_rng(0), replicates=500)


def test_a_share_of_items_with_an_image_each_has_wilsons_interval_and_others_the_bootstrap_of_images():
    assert of_shares([1, 0, 1], "abc") == wilson(2, 3)
    assert of_shares([1], "a") == wilson(1, 1)
    assert of_shares([1, 0, 1, 1], "aabb") == bootstrap([1, 0, 1, 1], "aabb", replicates=500)
    assert of_shares([0.5, 0, 1], "abc") == bootstrap([0.5, 0, 1], "abc", replicates=500)


def test_shares_that_are_all_0_or_all_1_have_an_interval_with_a_width_by_the_number_of_images():
    """The bootstrap, which is caught here: its interval has the width zero."""
    assert of_shares([0, 0, 0, 0], "aabb") == wilson(0, 2)
    assert of_shares([1, 1, 1, 1, 1], "aabbb") == wilson(2, 2)
    assert bootstrap([0, 0, 0, 0], "aabb", replicates=500) == Interval(0.0, 0.0)


def test_shares_of_one_image_say_nothing():
    assert of_shares([1, 1, 0], "aaa") == Interval(0.0, 1.0)


def test_an_interval_cannot_be_changed():
    with pytest.raises(AttributeError):
        Interval(0.1, 0.2).low = 0.0
