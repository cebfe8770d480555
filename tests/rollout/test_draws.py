"""The completions of an engine against the exact distribution of whole sequences, at a stated significance.

Four tokens, one of which ends a completion, and a cap of three make 40 sequences whose probabilities can be listed.
"""

from collections import Counter
from functools import cache

import pytest
import torch
from exact_distributions import CAUGHT, SIGNIFICANCE, p_value, sequence_probabilities
from sampling_engines import EACH_ENGINE, sampled
from tiny import tiny_policy
from wrong_samplers import (
    min_p_as_an_absolute_bound,
    min_p_before_temperature,
    one_token_less_in_top_p,
    one_token_more_in_top_k,
    one_token_more_in_top_p,
    temperature_twice,
    without_filters,
    without_temperature,
)

from pathvlm_r1.model import EncodedPrompt, PlainStep, PromptGroup, token_log_probs
from pathvlm_r1.rollout import Decoding, native

TEMPERATURE = 0.8
DRAWS = 2000
PROMPT = EncodedPrompt([5, 6, 7])  # short: `generate` repeats it for every row
FILTERS = [{}, {"top_k": 2}, {"top_p": 0.7}, {"min_p": 0.3}, {"top_k": 3, "top_p": 0.9, "min_p": 0.2}]


@cache
def four_token_policy():
    """A policy that can say four tokens only, those that it finds likeliest at first, and their ids."""
    policy = tiny_policy(dtype=torch.float32, temperature=TEMPERATURE)
    candidates = sorted(set(range(832)) - set(policy.suppressed_ids.tolist()))
    with torch.no_grad():
        rows = PromptGroup(PROMPT, tuple([token] for token in candidates))
        first = token_log_probs(policy, [rows]).log_probs[:, 0]
    allowed = sorted(candidates[place] for place in first.topk(4).indices.tolist())
    policy.suppressed_ids = torch.tensor([token for token in range(832) if token not in allowed])
    return policy, allowed


def drawn(engine, decoding):
    policy, allowed = four_token_policy()
    groups = sampled(engine, policy, [PROMPT], decoding, group_size=DRAWS, end_ids=[allowed[2]])
    return Counter(tuple(completion.token_ids) for completion in groups[0])


def expected(decoding):
    policy, allowed = four_token_policy()
    return sequence_probabilities(policy, PROMPT, decoding, allowed, end_id=allowed[2])


def test_the_listed_sequences_are_all_that_there_are():
    probabilities = expected(Decoding(3, TEMPERATURE))
    assert len(probabilities) == 1 + 3 + 9 * 4
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert max(probabilities.values()) < 0.6, "not so peaked that most of them are never seen"


@pytest.mark.medium
@EACH_ENGINE
@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("cap", [1, 3])
def test_whole_completions_follow_the_exact_distribution(engine, filters, cap):
    decoding = Decoding(cap, TEMPERATURE, **filters)
    assert p_value(drawn(engine, decoding), expected(decoding)) > SIGNIFICANCE


@pytest.mark.medium
@pytest.mark.parametrize(
    ("wrong", "filters"),
    [
        (without_temperature, {}),
        (temperature_twice, {}),
        (without_filters, {"top_p": 0.7}),
        (one_token_more_in_top_k, {"top_k": 2}),
        (one_token_less_in_top_p, {"top_p": 0.7}),
        (one_token_more_in_top_p, {"top_p": 0.7}),
        (min_p_before_temperature, {"min_p": 0.3}),
        (min_p_as_an_absolute_bound, {"min_p": 0.3}),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_an_engine_with_a_wrong_sampler_is_caught(wrong, filters, monkeypatch):
    decoding = Decoding(3, TEMPERATURE, **filters)
    monkeypatch.setattr(native, "draw", wrong)
    assert p_value(drawn("native", decoding), expected(decoding)) < CAUGHT


def test_a_cache_whose_rows_are_exchanged_when_others_end_is_caught_in_whole_completions_only(monkeypatch):
    keep = PlainStep.keep
    monkeypatch.setattr(PlainStep, "keep", lambda step, rows: keep(step, rows.roll(1)))
    first, whole = (Decoding(cap, TEMPERATURE) for cap in (1, 3))
    assert p_value(drawn("native", first), expected(first)) > SIGNIFICANCE
    assert p_value(drawn("native", whole), expected(whole)) < CAUGHT
