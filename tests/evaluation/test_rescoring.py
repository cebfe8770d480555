"""What changed under another reward, by hand; the curves of two judges, bin by bin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import floats, integers

from pathvlm_r1.evaluation import difference, difference_table, judged_bins, judged_table

NAN = np.nan
LOGGED = np.array([[0.0, 1.0, 1.0], [0.5, 0.5, NAN], [0.2, 0.4, 0.6]])
ANEW = np.array([[0.0, 1.0, 0.5], [0.5, 0.5, NAN], [0.6, 0.4, 0.2]])


def test_means_changes_and_best_completions_are_those_that_are_counted_by_hand():
    found = difference("process", LOGGED, ANEW)
    assert found.logged == pytest.approx((0 + 1 + 1 + 0.5 + 0.5 + 0.2 + 0.4 + 0.6) / 8)
    assert found.recomputed == pytest.approx((0 + 1 + 0.5 + 0.5 + 0.5 + 0.6 + 0.4 + 0.2) / 8)
    assert found.changed == pytest.approx(3 / 9)  # a missing score that stays missing has not changed
    assert found.best_changed == pytest.approx(2 / 3)  # a tie that is broken is a change
    known = ~np.isnan(LOGGED)
    assert found.correlation == pytest.approx(float(np.corrcoef(LOGGED[known], ANEW[known])[0, 1]))


@given(values=arrays(float, (4, 3), elements=floats(-5, 5)))
def test_the_same_numbers_are_no_change(values):
    found = difference("total", values, values.copy())
    assert (found.changed, found.best_changed) == (0, 0)
    assert found.logged == found.recomputed
    assert found.correlation is None or found.correlation == pytest.approx(1)


@given(values=arrays(float, (4, 3), elements=integers(-5, 5)))
def test_a_shift_changes_all_completions_and_no_best_one(values):
    found = difference("total", values, values + 1.0)
    assert (found.changed, found.best_changed) == (1, 0)


def test_a_term_that_one_side_lacks_has_no_mean_there():
    found = difference("format", None, ANEW)
    assert (found.logged, found.correlation) == (None, None)
    assert difference("format", ANEW, None).recomputed is None
    with pytest.raises(ValueError, match="format: neither logged nor computed again"):
        difference("format", None, None)


def test_of_advantages_there_is_no_best_completion_and_a_constant_has_no_correlation():
    assert difference("advantage", LOGGED, ANEW).best_changed is None
    assert difference("total", np.ones((2, 2)), np.zeros((2, 2))).correlation is None


def test_bins_hold_equally_many_steps_and_every_completion_once():
    steps = [step for step in (2, 4, 6, 8, 10) for _ in range(4)]
    logged, asked = np.arange(20.0), np.arange(20.0) / 2
    asked[19] = NAN
    bins = judged_bins(steps, np.array([1.0, 0.0] * 10), logged, asked, bins=2)
    assert [(one.first_step, one.last_step, one.completions) for one in bins] == [(2, 6, 12), (8, 10, 8)]
    assert [one.accuracy for one in bins] == [0.5, 0.5]
    assert bins[0].process_logged == pytest.approx(np.mean(range(12)))
    assert bins[0].process_asked == pytest.approx(np.mean(range(12)) / 2)
    assert bins[1].gap == pytest.approx(np.mean(range(12, 19)) / 2)  # over completions that have both
    assert [one.missing for one in bins] == [0, 1]


def test_there_are_no_more_bins_than_steps_and_none_is_empty():
    bins = judged_bins([1, 1, 2], np.ones(3), np.full(3, NAN), np.ones(3), bins=10)
    assert [(one.first_step, one.last_step, one.completions) for one in bins] == [(1, 1, 2), (2, 2, 1)]
    assert (bins[0].process_logged, bins[0].gap) == (None, None)


def test_tables_have_a_row_for_each():
    assert difference_table([difference("total", LOGGED, ANEW), difference("format", None, ANEW)]).row_count == 2
    assert judged_table(judged_bins([1, 2], np.ones(2), np.ones(2), np.ones(2), bins=2)).row_count == 2
