"""What every engine that runs the policy itself holds to: tokens, log-probs, ends, draws, and nothing left behind."""

import pytest
import torch
from sampling_engines import CAP, EACH_ENGINE, ENGINES, SHIPPED, SIZES, biased, generated, sampled, token_ids
from tiny import PEFT_WARNING, perturbed, prompts, tiny_encoder, tiny_policy
from torch.testing import assert_close
from transformers import GenerationConfig

from pathvlm_r1.config import CAPABILITIES
from pathvlm_r1.model import PromptGroup, token_log_probs
from pathvlm_r1.rollout import Decoding

pytestmark = [PEFT_WARNING, EACH_ENGINE]


def packed(prompts_, groups):
    return [PromptGroup(p, tuple(c.token_ids for c in group)) for p, group in zip(prompts_, groups, strict=True)]


def test_an_engine_states_the_capabilities_that_the_configuration_is_checked_against(engine):
    assert ENGINES[engine](end_ids=[0], rows_per_batch=8).capabilities == CAPABILITIES[engine]


@pytest.mark.medium
@pytest.mark.parametrize("adapter", ["full", "lora"])
@pytest.mark.parametrize("rows_per_batch", [1, 4, 64])
def test_greedy_tokens_are_those_of_generate_for_unequal_prompts_and_pictures(engine, adapter, rows_per_batch):
    policy = perturbed(tiny_policy(adapter))
    made = prompts(SIZES)
    greedy = Decoding(CAP, temperature=0)
    without_end = sampled(engine, policy, made, greedy, end_ids=[-1], rows_per_batch=rows_per_batch)
    assert token_ids(without_end) == [[ids] for ids in generated(policy, made, end_ids=[-1])]
    end_ids = [without_end[0][0].token_ids[4], without_end[2][0].token_ids[7]]  # rows end at different steps
    with_end = sampled(engine, policy, made, greedy, end_ids=end_ids, rows_per_batch=rows_per_batch)
    assert token_ids(with_end) == [[ids] for ids in generated(policy, made, end_ids)]
    assert len({len(group[0].token_ids) for group in with_end}) > 1
    assert len({len(prompt.token_ids) for prompt in made}) == len(made)


@pytest.mark.medium
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("adapter", ["full", "lora"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_sampled_log_probs_are_those_that_training_computes(engine, adapter, dtype, tolerance, temperature):
    if engine == "hf":  # its logits are float32 whatever the model
        tolerance = max(tolerance, 1e-5)
    policy = perturbed(tiny_policy(adapter, dtype, temperature=temperature))
    made = prompts(SIZES)
    groups = sampled(engine, policy, made, Decoding(CAP, temperature), group_size=3)
    log_probs = token_log_probs(policy, packed(made, groups)).log_probs
    for row, completion in enumerate(completion for group in groups for completion in group):
        assert completion.log_probs.dtype == (dtype if engine == "native" else torch.float32)
        expected = log_probs[row, : len(completion.token_ids)].detach()
        assert_close(completion.log_probs.double(), expected.double(), rtol=0, atol=tolerance)


@pytest.mark.medium
@pytest.mark.parametrize("filters", [{"top_k": 5}, {"top_p": 0.5}, {"min_p": 0.2}])
def test_log_probs_are_those_of_the_whole_distribution_whatever_the_filter(engine, filters):
    policy, made = tiny_policy(temperature=0.7), prompts(SIZES)
    groups = sampled(engine, policy, made, Decoding(CAP, 0.7, **filters), group_size=2)
    expected = token_log_probs(policy, packed(made, groups))
    rows = torch.cat([completion.log_probs for group in groups for completion in group])
    assert_close(rows.double(), expected.log_probs[expected.mask].detach(), rtol=0, atol=1e-5)


def test_greedy_log_probs_are_those_at_temperature_1(engine):
    policy, made = tiny_policy(temperature=1.0), prompts(SIZES)
    groups = sampled(engine, policy, made, Decoding(CAP, 0.0))
    expected = token_log_probs(policy, packed(made, groups))
    rows = torch.cat([completion.log_probs for group in groups for completion in group])
    assert_close(rows.double(), expected.log_probs[expected.mask].detach(), rtol=0, atol=1e-5)


def test_log_probs_without_the_suppression_or_at_another_temperature_would_be_caught(engine):
    policy, made = tiny_policy(temperature=0.7), prompts(SIZES)
    groups = sampled(engine, policy, made, Decoding(CAP, 0.7))
    rows = torch.nn.utils.rnn.pad_sequence([c.log_probs for group in groups for c in group], batch_first=True)
    for wrong in (tiny_policy(temperature=1.0), tiny_policy(temperature=0.7, is_suppressing=False)):
        assert (token_log_probs(wrong, packed(made, groups)).log_probs - rows).abs().max() > 1e-4


@pytest.mark.medium
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_picture_tokens_are_never_sampled_from_a_model_that_prefers_them_by_far(engine, temperature):
    names = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>"]
    found = {}
    for is_suppressing in (True, False):
        policy, unwanted = biased(names, 100.0, is_suppressing=is_suppressing)
        groups = token_ids(sampled(engine, policy, prompts(SIZES), Decoding(CAP, temperature)))
        found[is_suppressing] = {token for group in groups for ids in group for token in ids} & unwanted
    assert not found[True]
    assert found[False]


@pytest.mark.parametrize("place", [0, 1])
def test_a_completion_stops_at_the_first_end_token_and_includes_it(engine, place):
    policy, _ = biased([["<|im_end|>", "<|endoftext|>"][place]], 4.0)
    end_id = tiny_encoder().end_ids[place]
    groups = sampled(engine, policy, prompts(SIZES), Decoding(CAP, 1.0), group_size=4)
    completions = [completion for group in groups for completion in group]
    for completion in completions:
        ended = [token in tiny_encoder().end_ids for token in completion.token_ids]
        assert completion.is_ended == ended[-1]
        assert not any(ended[:-1])
        assert completion.is_ended or len(completion.token_ids) == CAP
        assert len(completion.log_probs) == len(completion.token_ids)
    assert any(completion.token_ids[-1] == end_id for completion in completions)
    assert len({len(completion.token_ids) for completion in completions}) > 1


def test_the_cap_cuts_and_says_so(engine):
    for cap in (1, 5):
        for group in sampled(engine, tiny_policy(), prompts(SIZES), Decoding(cap, 1.0), group_size=2, end_ids=[-1]):
            assert [(len(c.token_ids), c.is_ended) for c in group] == [(cap, False)] * 2


def test_an_end_token_at_the_cap_is_an_end(engine):
    policy, _ = biased(["<|im_end|>"], 100.0)
    (group,) = sampled(engine, policy, prompts([None]), Decoding(1, 1.0))
    assert (group[0].token_ids, group[0].is_ended) == (tiny_encoder().end_ids[:1], True)


@pytest.mark.medium
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_generation_config_as_it_is_shipped_changes_nothing(engine, temperature):
    results = []
    for config in (GenerationConfig(), GenerationConfig(**SHIPPED)):
        policy = tiny_policy()
        policy.core.generation_config = config
        results.append(token_ids(sampled(engine, policy, prompts(SIZES), Decoding(CAP, temperature), group_size=3)))
        assert policy.core.generation_config is config
    assert results[0] == results[1]
    assert temperature == 0.0 or len({tuple(ids) for ids in results[0][0]}) > 1  # a top-k of 1 makes all equal


@pytest.mark.medium
def test_the_same_generator_gives_the_same_completions_and_the_global_one_is_left_alone(engine):
    policy, made, decoding = tiny_policy(), prompts(SIZES), Decoding(CAP, 1.0)
    before = torch.get_rng_state()
    first, again, other = (token_ids(sampled(engine, policy, made, decoding, group_size=3, seed=s)) for s in (7, 7, 8))
    assert first == again
    assert first != other
    assert torch.equal(before, torch.get_rng_state())


def test_a_generator_goes_on_where_it_was(engine):
    made, decoding, generator = prompts([None, None]), Decoding(CAP, 1.0), torch.Generator().manual_seed(0)
    sampler = ENGINES[engine](end_ids=[-1], rows_per_batch=2)
    first, second = (token_ids(sampler.sample(tiny_policy(), made, 2, decoding, generator)) for _ in range(2))
    assert first != second
    assert first[0] != first[1]


@pytest.mark.medium
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_in_training_mode_with_dropout_the_samples_are_those_of_evaluation_mode(engine, temperature):
    results = []
    for is_training in (False, True):
        policy = perturbed(tiny_policy("lora", is_dropout_on=True)).train(is_training)
        results.append(token_ids(sampled(engine, policy, prompts(SIZES), Decoding(CAP, temperature), group_size=2)))
        assert policy.training == is_training
    assert results[0] == results[1]


@pytest.mark.medium
def test_groups_keep_the_order_of_their_prompts_in_batches_of_any_size(engine):
    policy, made = tiny_policy(), prompts(SIZES)
    alone = [token_ids(sampled(engine, policy, [prompt], Decoding(CAP, 0.0), group_size=2))[0] for prompt in made]
    for rows_per_batch in (1, 4, 6, 64):
        greedy = sampled(engine, policy, made, Decoding(CAP, 0.0), group_size=2, rows_per_batch=rows_per_batch)
        assert token_ids(greedy) == alone


@pytest.mark.medium
def test_the_order_of_the_prompts_changes_the_draws_alone(engine):
    policy, made, order = tiny_policy(), prompts(SIZES), [3, 0, 5, 1, 4, 2]
    for rows_per_batch in (2, 64):
        given = sampled(engine, policy, made, Decoding(CAP, 0.0), rows_per_batch=rows_per_batch)
        other = sampled(engine, policy, [made[i] for i in order], Decoding(CAP, 0.0), rows_per_batch=rows_per_batch)
        assert token_ids(other) == [token_ids(given)[place] for place in order]
        for place, group in zip(order, other, strict=True):
            assert_close(group[0].log_probs, given[place][0].log_probs, rtol=0, atol=1e-6)
