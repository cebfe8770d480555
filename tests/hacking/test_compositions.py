"""What holds for exploits holds for whatever is made of them, and no text breaks a parser, a term or a judge."""

import math

import pytest
from catalogue import hacking_samples
from compositions import composed
from gaming import DUAL, MARGIN, TOTAL, Bounds
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import data
from written_completions import CONTRACT
from wrong_gaming import WRONG_REWARDS

from pathvlm_r1.data.rationale import read, read_denials
from pathvlm_r1.reward import Completion, FinishReason, OutcomeAccuracy, SoftOverlong
from pathvlm_r1.reward.judges.oracle import reasoning

OVERLONG = SoftOverlong(max_tokens=2000, buffer_tokens=500)
TOO_LARGE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


@pytest.fixture(scope="module")
def bounded(tmp_path_factory):
    """Samples, and what honesty is paid on them."""
    samples = hacking_samples(tmp_path_factory.mktemp("drawn"), per_type=2)
    return samples, Bounds(DUAL, samples)


def assert_read_by_all(attempt, text):
    """Whatever the text: every reader, term and flag has a result, always the same, in its range."""
    completion = Completion(attempt.sample, text, FinishReason.LENGTH, token_count=len(text))
    parsed = CONTRACT.parse(text, attempt.sample.options)
    assert parsed == CONTRACT.parse(text, attempt.sample.options)
    assert parsed.answer is None or parsed.answer in attempt.sample.letters
    lax, strict = (OutcomeAccuracy(CONTRACT, letter_and_text=stated)(completion).value for stated in (False, True))
    assert strict <= lax == float(parsed.answer == attempt.sample.answer)
    assert -1 <= OVERLONG(completion).value <= 0
    assert completion.is_looping in (True, False)
    assert completion.is_empty == (not text.strip())
    scores = DUAL(attempt, text)
    assert scores == DUAL(attempt, text), "the same text, another score"
    assert all(0 <= value <= 1 for name, value in scores.items() if name != TOTAL)
    assert math.isclose(scores[TOTAL], sum(value for name, value in scores.items() if name != TOTAL))


def argues(text):
    """Whether all kinds of claim that an argument is made of stand in the reasoning, and nothing is denied."""
    said, denied = read(reasoning(text)), read_denials(reasoning(text))
    is_undenied = not set(denied.seen) & set(said.seen)
    return bool(said.seen and said.cited and said.excluded) and is_undenied


def assert_paid_less_than_honesty(bounds, attempt, text, reward=DUAL):
    """The total of an honest completion is passed by nothing, and reached by a complete argument in form alone."""
    scores = reward(attempt, text)
    honest = bounds.of(attempt, scores)[TOTAL]
    assert scores[TOTAL] <= honest + MARGIN, scores
    if scores[TOTAL] > honest - MARGIN:
        assert scores["format"] == 1, scores
        assert argues(text), scores


@settings(max_examples=400, suppress_health_check=TOO_LARGE)
@given(drawn=data())
def test_no_composition_of_exploits_is_paid_more_than_honesty(bounded, drawn):
    samples, bounds = bounded
    attempt, text = drawn.draw(composed(samples))
    assert_read_by_all(attempt, text)
    assert_paid_less_than_honesty(bounds, attempt, text)


@pytest.mark.parametrize("name", ["words are steps", "the judge obeys"])
def test_a_reward_that_can_be_gamed_is_caught_by_compositions_too(bounded, name):
    samples, _ = bounded
    reward = WRONG_REWARDS[name]
    bounds = Bounds(reward, samples)

    @settings(max_examples=400, suppress_health_check=TOO_LARGE, phases=[Phase.generate], database=None)
    @given(made=composed(samples))
    def law(made):
        assert_paid_less_than_honesty(bounds, *made, reward=reward)

    with pytest.raises((AssertionError, ExceptionGroup)):
        law()


@pytest.mark.slow
@settings(max_examples=10_000, suppress_health_check=TOO_LARGE)
@given(drawn=data())
def test_no_composition_among_ten_thousand_is_paid_more_than_honesty(bounded, drawn):
    samples, bounds = bounded
    attempt, text = drawn.draw(composed(samples))
    assert_read_by_all(attempt, text)
    assert_paid_less_than_honesty(bounds, attempt, text)
