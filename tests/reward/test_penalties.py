"""The penalties, in closed form and by counting in the plainest way."""

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from
from written_completions import phantom_samples

from pathvlm_r1.contract import MAX_SCORED_CHARACTERS
from pathvlm_r1.reward import Completion, FinishReason, LengthBand, Repetition, SoftOverlong, repeated_share

SAMPLE = phantom_samples("ct", 2)[1]
LENGTH = LengthBand(min_tokens=20, max_tokens=60, falloff_tokens=10)
OVERLONG = SoftOverlong(max_tokens=100, buffer_tokens=20)


def of_length(tokens, text=""):
    return Completion(SAMPLE, text, FinishReason.STOP, tokens)


@pytest.mark.parametrize(
    ("tokens", "value"),
    [(0, -1.0), (10, -1.0), (15, -0.5), (19, -0.1), (20, 0.0), (60, 0.0), (61, -0.1), (70, -1.0), (500, -1.0)],
)
def test_a_length_costs_its_distance_from_the_band_up_to_one(tokens, value):
    score = LENGTH(of_length(tokens))
    assert score.value == pytest.approx(value)
    assert score.reason == f"{tokens} tokens, the band is 20 to 60"


@pytest.mark.parametrize(("tokens", "value"), [(0, 0.0), (80, 0.0), (85, -0.25), (100, -1.0), (500, -1.0)])
def test_a_length_near_the_limit_costs_its_share_of_the_buffer(tokens, value):
    assert OVERLONG(of_length(tokens)).value == pytest.approx(value)


@given(tokens=integers(0, 200))
def test_length_and_overlong_lie_between_minus_one_and_zero_and_never_rise_beyond_the_band(tokens):
    for term in (LENGTH, OVERLONG):
        assert -1 <= term(of_length(tokens)).value <= 0
        assert term(of_length(max(60, tokens) + 1)).value <= term(of_length(max(60, tokens))).value
    assert LENGTH(of_length(min(tokens, 19))).value <= LENGTH(of_length(min(tokens, 19) + 1)).value


def counted_repeats(words, size):
    """How many runs of words stand earlier, found by looking at every earlier one."""
    runs = [words[start : start + size] for start in range(len(words) - size + 1)]
    return sum(run in runs[:place] for place, run in enumerate(runs)) / len(runs) if runs else 0.0


@given(words=lists(sampled_from(["glands", "and", "nuclei"]), max_size=20), size=integers(1, 5))
def test_the_repeated_share_is_that_of_runs_that_stood_before(words, size):
    assert repeated_share(" ".join(words).upper(), size) == pytest.approx(counted_repeats(words, size))


@given(words=lists(sampled_from(["glands", "and", "nuclei", "a", "b"]), max_size=30), size=integers(1, 5))
def test_repetition_lies_above_minus_one_and_at_most_at_zero(words, size):
    value = Repetition(size)(of_length(1, " ".join(words))).value
    assert -1 < value <= 0


def test_no_repetition_costs_nothing_and_a_loop_nearly_all():
    term = Repetition(ngram_size=4)
    assert term(of_length(1, "one two three")).value == 0.0
    assert term(of_length(1, "one two three four five six")).value == 0.0
    assert term(of_length(1, "so it goes on " * 100)).value == pytest.approx(-(1 - 4 / 397))
    assert term(of_length(1, "x" * (MAX_SCORED_CHARACTERS + 1))).value == -1.0, "what is not scored is no way out"
