"""A token more in every row: plain tensor operations against the model's own modules."""

from itertools import pairwise

import pytest
import torch
from tiny import PEFT_WARNING, perturbed, tiny_policy
from torch.testing import assert_close

from pathvlm_r1.model import PlainStep, products
from pathvlm_r1.rollout.cache import preallocated_cache
from pathvlm_r1.rollout.steps import ModuleStep, token_step

PROMPTS, PLACES, GROUP_SIZE, CAPACITY = 3, 7, 2, 6
ROWS = PROMPTS * GROUP_SIZE
# Rows that go on after each step, by their place among those before: groups become unequal, then a prompt has none.
KEPT = [[0, 1, 2, 3, 4, 5], [0, 1, 2, 4, 5], [0, 1, 2, 3], [0, 1, 3], [2]]

pytestmark = PEFT_WARNING


def padding():
    """The first places of the second prompt are none of its tokens."""
    mask = torch.zeros(PROMPTS, 1, 1, PLACES, dtype=torch.float64)
    mask[1, ..., :4] = torch.finfo(torch.float64).min
    return mask


def made(kind, policy, mask=None):
    """Such a step behind random prompts."""
    cache = preallocated_cache(policy.core.config.text_config.num_hidden_layers, PLACES + CAPACITY)
    ids = torch.randint(0, 200, (PROMPTS, PLACES), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        policy.core.model.language_model(input_ids=ids, past_key_values=cache, use_cache=True)
    return kind(policy, cache, mask, group_size=GROUP_SIZE, capacity=CAPACITY)


@torch.no_grad()
def taken(step, later=0):
    """The states after each token; rows leave on the way."""
    generator = torch.Generator().manual_seed(2)
    states, active = [], torch.arange(ROWS)
    for index, (before, kept) in enumerate(pairwise([list(range(ROWS)), *KEPT])):
        tokens = torch.randint(0, 200, (ROWS,), generator=generator)
        states.append(step(tokens[active], PLACES + active + index + later))  # rows need not stand at one position
        if kept != list(range(len(before))):
            step.keep(torch.tensor(kept))
            active = active[kept]
    return torch.cat(states)


@pytest.mark.parametrize("adapter", ["full", "lora"])
@pytest.mark.parametrize("mask", [None, padding()], ids=["all seen", "padding"])
def test_plain_operations_give_the_states_of_the_modules_while_rows_leave(adapter, mask):
    policy = perturbed(tiny_policy(adapter))
    assert_close(taken(made(PlainStep, policy, mask)), taken(made(ModuleStep, policy, mask)), rtol=0, atol=1e-10)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_packed_weights_of_onednn_give_the_states_of_the_modules_but_for_rounding(monkeypatch, adapter):
    policy = perturbed(tiny_policy(adapter, dtype=torch.float32))
    expected = taken(made(ModuleStep, policy))
    monkeypatch.setattr(products, "IS_MKL_SLOW", True)
    monkeypatch.setattr(products, "LEAST_SIDE", 1)
    monkeypatch.setattr(products, "LEAST_WORK", 1)
    step = made(PlainStep, policy)
    assert all(layer.to_heads.is_packed for layer in step.layers)
    assert_close(taken(step), expected, rtol=1e-4, atol=1e-4)


def test_an_adapter_that_is_off_is_not_added_and_one_left_out_would_be_caught():
    policy = perturbed(tiny_policy("lora"))
    with policy.model.disable_adapter():
        off = made(PlainStep, policy)
        assert_close(taken(made(PlainStep, policy)), taken(made(ModuleStep, policy)), rtol=0, atol=1e-10)
    assert (taken(off) - taken(made(ModuleStep, policy))).abs().max() > 1e-2


def test_positions_of_the_token_before_and_rows_behind_the_wrong_prompt_would_be_caught():
    policy = tiny_policy()
    right = taken(made(ModuleStep, policy))
    assert (taken(made(PlainStep, policy), later=-1) - right).abs().max() > 1e-3
    wrong = made(PlainStep, policy)
    for memory in wrong.memories:
        memory.keys, memory.values = memory.keys.flip(0), memory.values.flip(0)
    assert (taken(wrong) - right).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("kind", "settings"),
    [(PlainStep, {}), (PlainStep, {"adapter": "lora"}), (ModuleStep, {"dtype": torch.bfloat16})],
)
def test_weights_are_copied_only_where_the_copies_are_exact(kind, settings):
    assert isinstance(made(token_step, tiny_policy(**settings)), kind)


def test_under_reduced_precision_of_the_operations_the_modules_are_called():
    with torch.autocast("cpu", torch.bfloat16):
        assert isinstance(made(token_step, tiny_policy(dtype=torch.float32)), ModuleStep)
