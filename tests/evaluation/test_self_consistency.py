"""The majority vote, against all ways to break its ties."""

from collections import Counter
from itertools import permutations
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathvlm_r1.evaluation import self_consistency

ANSWERS = st.lists(st.sampled_from(["A", "B", "C", None]), min_size=1, max_size=6)


def voted(answers):
    """The winner where the first of equals wins."""
    counts = Counter(answer for answer in answers if answer is not None)
    return counts.most_common(1)[0][0] if counts else None


@given(answers=ANSWERS)
def test_it_is_the_share_of_all_orders_in_which_the_first_of_the_leaders_is_right(answers):
    orders = [voted(order) for order in permutations(answers)]
    assert self_consistency(answers, "A") == pytest.approx(mean(winner == "A" for winner in orders), abs=1e-12)


@given(answers=ANSWERS)
def test_over_all_references_the_vote_is_won_once_or_by_nobody(answers):
    won = sum(self_consistency(answers, reference) for reference in "ABC")
    assert won == pytest.approx(float(any(answer is not None for answer in answers)), abs=1e-12)


def test_an_unread_answer_does_not_vote():
    assert self_consistency([None, None, None, "A"], "A") == 1.0
    assert self_consistency([None, None], "A") == 0.0


def test_one_completion_votes_for_itself():
    assert self_consistency(["A"], "A") == 1.0
    assert self_consistency(["B"], "A") == 0.0


def test_an_election_without_voters_is_refused():
    with pytest.raises(ValueError, match="at least one completion"):
        self_consistency([], "A")
