"""Agreement of a judge with the truth: by hand, by statsmodels, and by resampling written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa as statsmodels_kappa

from pathvlm_r1.evaluation import cohens_kappa, event_agreement, kappa_interval, stability
from pathvlm_r1.evaluation.agreement import spearman

FAST = {"seed": 0, "replicates": 200}


def drawn(n, seed=0, error=0.2):
    """Truth, what a judge of that error says, and an image for each."""
    random = np.random.default_rng(seed)
    true = random.random(n) < 0.4
    return true ^ (random.random(n) < error), true, [f"image{index}" for index in range(n)]


@given(counts=st.lists(st.integers(0, 30), min_size=4, max_size=4).filter(lambda four: sum(four) > 0))
def test_kappa_is_that_of_statsmodels_and_undefined_where_both_say_one_thing(counts):
    kappa = float(cohens_kappa(np.array(counts, dtype=float)))
    both, only_first, only_second, neither = counts
    if sum(counts) in (both, neither):
        assert np.isnan(kappa)
    else:
        table = [[both, only_first], [only_second, neither]]
        assert kappa == pytest.approx(statsmodels_kappa(table, return_results=False), abs=1e-12)
        assert -1 <= kappa <= 1


def test_counts_precision_and_recall_are_those_counted_by_hand():
    judged = np.array([True, True, True, False, False, False])
    true = np.array([True, True, False, True, False, False])
    found = event_agreement("x", judged, true, list("abcdef"), **FAST)
    assert (found.both, found.only_judged, found.only_true, found.neither) == (2, 1, 1, 2)
    assert (found.precision.value, found.recall.value) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert found.kappa.value == pytest.approx(1 / 3)  # observed 4/6, expected 1/2


def test_what_is_never_said_has_no_precision_and_what_is_never_true_no_recall():
    never, once = np.zeros(4, dtype=bool), np.array([True, False, False, False])
    silent, invented = (event_agreement("x", a, b, list("abcd"), **FAST) for a, b in ((never, once), (once, never)))
    assert (silent.precision, silent.recall.value, silent.kappa.value) == (None, 0, 0)
    assert (invented.recall, invented.precision.value, invented.kappa.value) == (None, 0, 0)
    assert event_agreement("x", never, never, list("abcd"), **FAST).kappa is None
    empty = np.zeros(0, dtype=bool)
    assert event_agreement("x", empty, empty, [], **FAST).kappa is None


def test_the_interval_of_kappa_is_that_of_resampling_written_out():
    judged, true, _ = drawn(12)
    images = [f"image{index // 2}" for index in range(12)]
    interval = kappa_interval(judged, true, images, random=np.random.default_rng(3), replicates=500)
    draws, kappas = np.random.default_rng(3).integers(6, size=(500, 6)), []
    for chosen in draws:
        rows = [2 * image + place for image in chosen for place in (0, 1)]
        table = [[0, 0], [0, 0]]
        for row in rows:
            table[not judged[row]][not true[row]] += 1
        if sum(map(sum, table)) not in (table[0][0], table[1][1]):
            kappas.append(statsmodels_kappa(table, return_results=False))
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(kappas, [0.025, 0.975])), abs=1e-12)


def test_with_many_images_the_interval_is_statsmodels_asymptotic_one():
    judged, true, images = drawn(3000)
    interval = kappa_interval(judged, true, images, random=np.random.default_rng(0), replicates=1000)
    table = [[np.sum(judged & true), np.sum(judged & ~true)], [np.sum(~judged & true), np.sum(~judged & ~true)]]
    asymptotic = statsmodels_kappa(table)
    expected = (asymptotic.kappa_low, asymptotic.kappa_upp)
    assert (interval.low, interval.high) == pytest.approx(expected, abs=0.006)  # a tenth of its width


def test_saying_everything_twice_of_an_image_tells_no_more_and_resampling_completions_would_think_so():
    judged, true, images = drawn(60)
    twice = [np.repeat(judged, 2), np.repeat(true, 2)]
    ends = [
        kappa_interval(*values, clusters, random=np.random.default_rng(0), replicates=300)
        for values, clusters in (
            ((judged, true), images), (twice, np.repeat(images, 2).tolist()), (twice, [str(at) for at in range(120)]),
        )
    ]  # fmt: skip
    assert (ends[1].low, ends[1].high) == pytest.approx((ends[0].low, ends[0].high), abs=1e-12)
    assert ends[2].high - ends[2].low < 0.85 * (ends[0].high - ends[0].low), "the wrong one: completions for images"


def test_one_image_says_nothing_of_others():
    judged, true, _ = drawn(10)
    found = event_agreement("x", judged, true, ["same"] * 10, **FAST)
    assert (found.kappa.low, found.kappa.high) == (None, None)
    assert (found.precision.low, found.precision.high) == (0, 1)


@given(values=st.lists(st.floats(0, 1), min_size=3, max_size=8))
def test_spearman_is_pearson_of_the_ranks_and_ignores_a_growing_map(values):
    left = np.array(values)
    right = np.random.default_rng(len(values)).permutation(left) ** 2
    found = spearman(left, right)
    if len(set(left.tolist())) == 1 or len(set(right.tolist())) == 1:
        assert found is None
        return
    ranks = [[(x < of).sum() + ((x == of).sum() + 1) / 2 for of in x] for x in (left, right)]
    assert found == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-9)


def test_stability_is_of_what_was_judged_every_time():
    events = np.zeros((3, 4, 6), dtype=bool)
    events[2, 0, 5] = True  # the first is told otherwise the third time
    scores = np.array([[0.1, 0.2, 0.3, np.nan], [0.1, 0.2, 0.3, 0.4], [0.3, 0.2, 0.1, 0.4]])
    found = stability(events, scores)
    assert (found.compared, found.unchanged) == (3, pytest.approx(2 / 3))
    assert found.spearman == [pytest.approx(1), pytest.approx(-1), pytest.approx(0.2 * -1 + 0.4)]
    assert found.mean_spearman == pytest.approx(0.2 / 3)
    assert stability(events[:, :0], scores[:, :0]).unchanged is None
