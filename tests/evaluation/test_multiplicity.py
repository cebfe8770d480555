"""Holm's correction against its definition as a closed test, and against what it must protect from."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from pathvlm_r1.evaluation import holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=6)


def closed(p_values):
    """Each hypothesis by the worst of all sets that hold it, every set tested by Bonferroni."""
    indices = range(len(p_values))
    sets = [chosen for size in range(1, len(p_values) + 1) for chosen in combinations(indices, size)]
    return [
        max(min(1.0, len(chosen) * min(p_values[one] for one in chosen)) for chosen in sets if index in chosen)
        for index in indices
    ]


@given(p_values=P_VALUES)
def test_holm_is_the_closed_test_of_all_sets_by_bonferroni(p_values):
    assert holm(p_values) == pytest.approx(closed(p_values), rel=1e-12)


def test_holm_gives_a_published_example():
    """Four p values of the textbook kind, adjusted by hand: 4 x 0.005, 3 x 0.01, 2 x 0.03 and no less after it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], rel=1e-12)


@given(p_values=P_VALUES, order=st.randoms(use_true_random=False))
def test_holm_follows_the_order_of_its_input(p_values, order):
    places = order.sample(range(len(p_values)), len(p_values))
    adjusted = holm(p_values)
    assert holm([p_values[place] for place in places]) == tuple(adjusted[place] for place in places)


@given(p_values=P_VALUES)
def test_holm_only_raises_p_values_and_less_than_bonferroni(p_values):
    for p, adjusted in zip(p_values, holm(p_values), strict=True):
        assert p <= adjusted * (1 + 1e-12) <= min(1.0, len(p_values) * p) * (1 + 1e-9)


@pytest.mark.medium
def test_holm_is_that_of_statsmodels():
    p_values = np.random.default_rng(1).random(30) ** 4
    assert holm(list(p_values)) == pytest.approx(multipletests(p_values, method="holm")[1], rel=1e-12)


def test_a_table_of_no_or_one_test_is_not_corrected():
    assert holm([]) == ()
    assert holm([0.04]) == (0.04,)


def test_false_discovery_rates_would_be_caught():
    p_values = [0.01, 0.02, 0.03, 0.04]
    assert max(multipletests(p_values, method="fdr_bh")[1]) < 0.05 < max(holm(p_values))


def test_tables_without_any_difference_hold_a_claim_in_5_percent_at_most():
    tables = np.random.default_rng(0).random((4000, 8))
    with_a_claim = sum(min(holm(list(table))) <= 0.05 for table in tables)
    assert with_a_claim / 4000 <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 4000)  # four standard errors
    assert np.mean(tables.min(axis=1) <= 0.05) > 0.3, "uncorrected, a third of the tables hold one"


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_holm_refuses_what_is_no_p_value(wrong):
    with pytest.raises(ValueError, match="a p value is from 0 to 1"):
        holm([0.5, wrong])
