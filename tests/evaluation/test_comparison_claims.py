"""The words of a comparison follow from its numbers, and from nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathvlm_r1.evaluation.comparison_claims import Evidence, claim

LEVEL = Evidence(
    metric="accuracy", difference=0.004, low=-0.018, high=0.026, p=0.76, mcnemar_p=0.79, p_holm=0.79, family=1,
    detectable=0.031, is_not_worse=True, margin=0.02, confidence=0.95, power=0.8,
)  # fmt: skip
BETTER = replace(LEVEL, difference=0.072, low=0.042, high=0.102, p=0.0002, mcnemar_p=0.0001, p_holm=0.0002)
WORSE = replace(
    LEVEL, difference=-0.03, low=-0.05, high=-0.01, p=0.004, mcnemar_p=0.006, p_holm=0.006, is_not_worse=False
)


def test_no_difference_stands_beside_what_the_set_could_have_told():
    assert claim(LEVEL) == (
        "No detectable difference in accuracy: +0.4 points [-1.8, +2.6]; this set can detect 3.1 points (power 80 %). "
        "b is not worse than a by 2 points or more."
    )


def test_a_loss_that_is_not_excluded_is_said():
    text = claim(replace(LEVEL, low=-0.024, is_not_worse=False))
    assert text.endswith("A loss of 2 points is not excluded.")


def test_a_difference_is_claimed_with_its_interval_and_p():
    assert claim(BETTER) == "b is better than a in accuracy: +7.2 points [+4.2, +10.2], p 0.0002."
    assert claim(WORSE) == (
        "b is worse than a in accuracy: -3.0 points [-5.0, -1.0], p 0.006. A loss of 2 points is not excluded."
    )
    assert "p 0.02 by Holm over 4 differences" in claim(replace(BETTER, p_holm=0.02, family=4))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mcnemar_p": 0.07, "p_holm": 0.07}, "but the exact McNemar test does not agree (p 0.07)"),
        ({"p": 0.06, "mcnemar_p": None, "p_holm": 0.06}, "but its p is 0.06"),
        ({"p_holm": 0.09, "family": 10}, "but among 10 differences looked at it may be chance (p 0.09 by Holm)"),
    ],
)
def test_an_interval_alone_claims_nothing_where_another_test_disagrees(changes, reason):
    text = claim(replace(BETTER, **changes))
    assert text.startswith("No difference in accuracy may be claimed: +7.2 points [+4.2, +10.2] excludes 0, ")
    assert reason in text


def test_a_set_that_is_too_small_for_any_difference_says_so():
    assert "this set is too small to detect any" in claim(replace(LEVEL, detectable=None))


SHARES, P_VALUES = st.floats(-0.5, 0.5), st.floats(0, 0.2)


@settings(max_examples=50)
@given(ends=st.tuples(SHARES, SHARES).map(sorted), p=P_VALUES, mcnemar_p=P_VALUES, family=st.integers(1, 20))
def test_better_and_worse_are_said_only_where_every_test_excludes_0(ends, p, mcnemar_p, family):
    low, high = ends
    p_holm = min(1.0, family * max(p, mcnemar_p))
    found = replace(
        LEVEL, difference=(low + high) / 2, low=low, high=high, p=p, mcnemar_p=mcnemar_p, p_holm=p_holm, family=family
    )
    text = claim(found)
    assert ("is better" in text) == (low > 0 and p_holm <= 1 - 0.95)
    assert ("is worse than a in" in text) == (high < 0 and p_holm <= 1 - 0.95)
    assert ("this set can detect" in text) == ("is better" not in text and "is worse than a in" not in text)
