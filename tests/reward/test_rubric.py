import itertools
import json

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, builds, floats, lists

from pathvlm_r1.reward import RubricEvents, process_score

NAMES = (
    "image_feature_analysis",
    "option_elimination",
    "medical_knowledge_support",
    "definition_error",
    "logical_contradiction",
    "incorrect_criterion",
)
any_events = builds(RubricEvents, **dict.fromkeys(NAMES, booleans()))


def test_the_score_of_every_pattern_of_events_is_the_papers():
    levels = {0: 1.0, 1: 0.6, 2: 0.2, 3: 0.0}  # at c = 0.4
    for pattern in itertools.product([True, False], repeat=6):
        expected = (levels[pattern[:3].count(False)] + levels[pattern[3:].count(True)]) / 2
        events = RubricEvents(**dict(zip(NAMES, pattern, strict=True)))
        assert process_score(events, 0.4) == pytest.approx(expected, abs=1e-12)


@given(events=any_events, coefficient=floats(0, 1))
def test_the_score_lies_in_the_unit_interval_and_falls_with_the_coefficient(events, coefficient):
    assert 0 <= process_score(events, coefficient) <= process_score(events, coefficient / 2) <= 1


@given(events=any_events, coefficient=floats(0, 1))
def test_the_score_for_another_coefficient_follows_from_the_stored_events(events, coefficient):
    stored = json.dumps(events.to_dict())
    assert RubricEvents.from_dict(json.loads(stored)) == events
    assert process_score(RubricEvents.from_dict(json.loads(stored)), coefficient) == process_score(events, coefficient)


@pytest.mark.parametrize("coefficient", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_coefficient_outside_the_unit_interval_is_refused(coefficient):
    with pytest.raises(ValueError, match="coefficient"):
        process_score(RubricEvents(**dict.fromkeys(NAMES, True)), coefficient)


@pytest.mark.parametrize(
    "stored",
    [{}, dict.fromkeys(NAMES[:5], True), dict.fromkeys([*NAMES, "score"], True), dict.fromkeys(NAMES, 1)],
    ids=["nothing", "one missing", "one unknown", "numbers"],
)
def test_stored_events_must_be_exactly_the_six_as_true_or_false(stored):
    with pytest.raises(ValueError, match="must be"):
        RubricEvents.from_dict(stored)


@given(events=any_events, coefficient=floats(0, 1))
def test_six_events_of_weight_one_are_the_papers_formula_exactly(events, coefficient):
    integrity, knowledge = max(0.0, 1 - coefficient * events.missing), max(0.0, 1 - coefficient * events.errors)
    assert process_score(events, coefficient) == (integrity + knowledge) / 2
    assert process_score(events, coefficient, dict.fromkeys(NAMES, 1.0)) == (integrity + knowledge) / 2


@given(events=any_events, coefficient=floats(0, 1), weights=lists(floats(0, 3), min_size=6, max_size=6))
def test_weights_multiply_what_each_event_costs(events, coefficient, weights):
    weighed = dict(zip(NAMES, weights, strict=True))
    found = [getattr(events, name) for name in NAMES]
    cost = [w * (not f if place < 3 else f) for place, (w, f) in enumerate(zip(weights, found, strict=True))]
    halves = [max(0.0, 1 - coefficient * sum(part)) for part in (cost[:3], cost[3:])]
    assert process_score(events, coefficient, weighed) == pytest.approx(sum(halves) / 2, abs=1e-12)


def test_an_event_of_weight_zero_does_not_count():
    without = dict.fromkeys(NAMES, 1.0) | {"option_elimination": 0.0}
    worst = RubricEvents(**dict.fromkeys(NAMES[:3], False), **dict.fromkeys(NAMES[3:], False))
    assert process_score(worst, 0.4, without) == pytest.approx((0.2 + 1) / 2)


@pytest.mark.parametrize(
    "weights",
    [{}, dict.fromkeys(NAMES[:5], 1.0), dict.fromkeys(NAMES, -1.0), dict.fromkeys(NAMES, float("nan"))],
    ids=["none", "five", "negative", "nan"],
)
def test_weights_must_be_those_of_the_six_events(weights):
    with pytest.raises(ValueError, match="a finite one of 0 or more for each of image_feature_analysis"):
        process_score(RubricEvents(**dict.fromkeys(NAMES, True)), 0.4, weights)
