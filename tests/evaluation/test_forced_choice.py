"""Margins against scipy, and biases of choosers whose bias is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, lists
from scipy.special import log_softmax, logsumexp

from pathvlm_r1.evaluation.forced_choice import (
    Choice,
    forced_choice_row,
    margin,
    position_bias,
    read_choices,
    write_choices,
)


def choice(scores_of, index=0, n=4, **changes):
    """A question whose right option is `index % n`, chosen by `scores_of(option, place)`."""
    orders = tuple(tuple(scores_of((place + by) % n, place) for place in range(n)) for by in range(n))
    made = Choice(
        sample_id=f"q{index}", image_id=f"i{index}", dataset="d", reference=index % n, orders=orders, blank=(0.0,) * n,
        shuffled=(0.0,) * n, prefix="",
    )  # fmt: skip
    return replace(made, **changes)


def row(choices):
    return forced_choice_row(choices, arm="sft", split="test", seed=0, random=np.random.default_rng(0), replicates=100)


@given(lists(floats(-100, 100), min_size=2, max_size=9), integers(0, 8), floats(-50, 50))
def test_a_margin_is_the_log_odds_of_the_right_option_and_ignores_a_common_shift(log_probs, place, shift):
    reference = place % len(log_probs)
    others = [value for index, value in enumerate(log_probs) if index != reference]
    found = margin(log_probs, reference)
    assert found == pytest.approx(log_probs[reference] - logsumexp(others), abs=1e-9)
    assert margin([value + shift for value in log_probs], reference) == pytest.approx(found, abs=1e-9)
    share = np.exp(log_softmax(log_probs))[reference]
    assert (found > 1e-9) <= (share >= 0.5), "above 0 it has more than half of the probability"


@pytest.mark.parametrize("n", [2, 4, 7])
def test_who_follows_the_options_has_no_bias_and_who_follows_a_place_all_of_it(n):
    follower = [choice(lambda option, _, right=index % n: float(option == right), index, n) for index in range(12)]
    assert position_bias(follower) == pytest.approx(0, abs=1e-12)
    placed = [choice(lambda _, place: float(place == n - 1), index, n) for index in range(12)]
    assert position_bias(placed) == pytest.approx(1 - 1 / n)


def test_questions_of_several_numbers_of_options_are_each_compared_with_their_own_chance():
    first = [choice(lambda _, place: -float(place), index, 2) for index in range(3)]
    fair = [choice(lambda option, _: float(option == 1), index, 5) for index in range(9)]
    assert position_bias(first + fair) == pytest.approx((3 * 0.5 + 9 * 0.0) / 12)


def test_a_row_of_a_chooser_that_follows_the_right_option():
    choices = [choice(lambda option, _, right=i % 4: 2.0 * (option == right), i) for i in range(8)]
    found = row(choices)
    assert (found.n, found.accuracy, found.accuracy_orders, found.same_option) == (8, 1.0, 1.0, 1.0)
    assert found.position_bias == pytest.approx(0, abs=1e-12)
    assert found.margin == pytest.approx(2 - np.log(3))
    assert found.margin_blank == found.margin_shuffled == pytest.approx(-np.log(3))
    assert found.picture_dependence == pytest.approx(2.0)
    assert found.picture_low == pytest.approx(2.0)
    assert found.accuracy_blank == 0.25, "of equal letters the first"


def test_a_row_of_a_chooser_that_always_takes_the_first_place():
    found = row([choice(lambda _, place: -float(place), index) for index in range(8)])
    assert (found.accuracy, found.accuracy_orders, found.same_option) == (0.25, 0.25, 0.0)
    assert found.position_bias == pytest.approx(0.75)


def test_one_picture_has_no_interval_of_dependence():
    found = row([choice(lambda option, _: float(option), index, image_id="i") for index in range(4)])
    assert (found.picture_low, found.picture_high) == (None, None)


def test_no_choices_make_no_row():
    with pytest.raises(ValueError, match="sft has no choices on test"):
        row([])


def test_choices_are_read_as_they_were_written_and_another_line_is_named(tmp_path):
    choices = [choice(lambda option, place: option / 7 + place, index) for index in range(3)]
    path = tmp_path / "choices.jsonl"
    write_choices(path, choices)
    assert read_choices(path) == choices
    path.write_text(path.read_text() + json.dumps({"sample_id": "q"}) + "\n")
    with pytest.raises(ValueError, match=r"choices.jsonl:4: not a choice"):
        read_choices(path)
