"""A token more in every row: plain tensor operations against the model's own modules."""

import pytest
import torch
from tiny import PEFT_WARNING, perturbed, tiny_policy
from torch.testing import assert_close

from pathvlm_r1.model import token_step
from pathvlm_r1.model.token_step import ModuleStep, PlainStep
from pathvlm_r1.rollout.cache import preallocated_cache

ROWS, BEFORE, STEPS = 5, 7, 3

pytestmark = PEFT_WARNING


def cache_of(policy):
    """The keys and values of random tokens before."""
    cache = preallocated_cache(policy.core.config.text_config.num_hidden_layers, BEFORE + STEPS)
    ids = torch.randint(0, 200, (ROWS, BEFORE), generator=torch.Generator().manual_seed(1))
    policy.core.model.language_model(input_ids=ids, past_key_values=cache, use_cache=True)
    return cache


@torch.no_grad()
def taken(policy, step, mask):
    """The states of some steps, and what the cache then holds."""
    cache = cache_of(policy)
    tokens = torch.randint(0, 200, (STEPS, ROWS), generator=torch.Generator().manual_seed(2))
    positions = torch.arange(ROWS) + BEFORE  # rows need not stand at one position
    states = [
        step(tokens[index], positions + index, cache, None if mask is None else mask[..., : BEFORE + index + 1])
        for index in range(STEPS)
    ]
    return torch.stack(states), [(layer.keys, layer.values) for layer in cache.layers]


def mask_of_padding(dtype=torch.float64):
    mask = torch.zeros(ROWS, 1, 1, BEFORE + STEPS, dtype=dtype)
    mask[1, ..., :4] = torch.finfo(dtype).min
    return mask


@pytest.mark.parametrize("adapter", ["full", "lora"])
@pytest.mark.parametrize("mask", [None, mask_of_padding()], ids=["all seen", "padding"])
def test_plain_operations_give_the_states_and_the_cache_of_the_modules(adapter, mask):
    policy = perturbed(tiny_policy(adapter))
    ours, our_cache = taken(policy, PlainStep(policy), mask)
    theirs, their_cache = taken(policy, ModuleStep(policy), mask)
    assert_close(ours, theirs, rtol=0, atol=1e-10)
    for pair in zip(our_cache, their_cache, strict=True):
        assert_close(*pair, rtol=0, atol=1e-10)


def test_an_adapter_that_is_off_is_not_added_and_one_left_out_would_be_caught():
    policy = perturbed(tiny_policy("lora"))
    with policy.model.disable_adapter():
        without = PlainStep(policy)
        found, _ = taken(policy, without, None)
        assert_close(found, taken(policy, ModuleStep(policy), None)[0], rtol=0, atol=1e-10)
    on = taken(policy, ModuleStep(policy), None)[0]
    assert (taken(policy, without, None)[0] - on).abs().max() > 1e-2


def test_rotary_positions_of_the_step_before_would_be_caught():
    policy = tiny_policy()
    step = PlainStep(policy)
    right, _ = taken(policy, step, None)
    wrong, _ = taken(policy, lambda tokens, positions, *rest: step(tokens, positions - 1, *rest), None)
    assert (wrong - right).abs().max() > 1e-3


def test_the_weights_are_copied_only_where_that_is_exact():
    assert isinstance(token_step(tiny_policy(dtype=torch.float32)), PlainStep)
    assert isinstance(token_step(tiny_policy("lora")), PlainStep)
    assert isinstance(token_step(tiny_policy(dtype=torch.bfloat16)), ModuleStep)
    with torch.autocast("cpu", torch.bfloat16):
        assert isinstance(token_step(tiny_policy(dtype=torch.float32)), ModuleStep)
