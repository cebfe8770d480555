"""Attention of packed groups in parts, against the library's own under a mask of all pairs."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import PEFT_WARNING, prompts, tiny_policy
from torch.nn.attention import flex_attention as flex_module
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.functional import scaled_dot_product_attention
from torch.testing import assert_close
from transformers.integrations import flex_attention as library

from pathvlm_r1.model import PromptGroup, attention, token_log_probs
from pathvlm_r1.model.attention import GROUP_ATTENTION, Visibility, attend

HEADS, KEY_HEADS, WIDTH, SCALE = 4, 2, 8, 0.3

pytestmark = PEFT_WARNING
UNCOMPILED = pytest.mark.filterwarnings("ignore:flex_attention called without:UserWarning")
lengths = st.integers(1, 7)
rows = st.lists(st.tuples(lengths, st.lists(lengths, min_size=1, max_size=4)), min_size=1, max_size=4)


def visibility_of(groups):
    """Of rows given as the length of a prompt and those of its completions."""
    width = max(prompt + sum(completions) for prompt, completions in groups)
    longest = max(length for _, completions in groups for length in completions)
    segments = torch.full((len(groups), width), -1)
    places, mask = [], []
    for row, (prompt, completions) in enumerate(groups):
        segments[row, :prompt] = 0
        start = prompt
        for number, length in enumerate(completions, start=1):
            segments[row, start : start + length] = number
            places.append([row * width + start + place if place < length else 0 for place in range(longest)])
            mask.append([place < length for place in range(longest)])
            start += length
    totals = [(prompt, sum(completions)) for prompt, completions in groups]
    return Visibility(segments, torch.tensor(places), torch.tensor(mask), totals)


def inputs_of(seen, seed=0, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(len(seen.lengths), heads, seen.segments.shape[1], WIDTH) for heads in (HEADS, KEY_HEADS, KEY_HEADS)]
    return [
        (spread * torch.randn(shape, generator=generator, dtype=torch.float64)).requires_grad_() for shape in shapes
    ]


def masked(seen, query, key, value):
    key, value = (tensor.repeat_interleave(HEADS // KEY_HEADS, dim=1) for tensor in (key, value))
    mask = seen.dense(torch.float64)
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=SCALE).transpose(1, 2)


def split(seen, query, key, value):
    return attend(torch.nn.Module(), query, key, value, seen, scaling=SCALE)[0]


def compared(attended, seen, tensors):
    """Outputs at tokens, and the gradients of a loss on them that weighs every number differently."""
    is_token = seen.segments >= 0
    output = attended(seen, *tensors)[is_token]
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(9), dtype=output.dtype)
    return [output.detach(), *torch.autograd.grad((output * weights).sum(), tensors)]


@given(groups=rows, seed=st.integers(0, 9), spread=st.sampled_from([0.0, 1.0, 30.0]))
def test_parts_give_the_outputs_and_gradients_of_one_attention_under_a_mask(groups, seed, spread):
    seen = visibility_of(groups)
    tensors = inputs_of(seen, seed, spread)
    for ours, theirs in zip(compared(split, seen, tensors), compared(masked, seen, tensors), strict=True):
        assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_padding_attends_to_nothing_and_is_attended_by_nothing():
    seen = visibility_of([(3, [2, 1]), (5, [4, 4])])
    tensors = inputs_of(seen)
    output = split(seen, *tensors)
    assert not output[0, 6:].any()
    for gradient in torch.autograd.grad(output.sum(), tensors):
        assert not gradient[0, :, 6:].any()


def test_a_part_that_is_given_its_own_sum_in_the_gradient_would_be_caught(monkeypatch):
    """The wrong version: every part's softmax stands alone, as if the other part of its scores were not there."""
    right = attention._flash_backward

    def own_sum(gradient, query, key, value, *_, **settings):
        return right(gradient, query, key, value, *attention._flash(query, key, value, **settings), **settings)

    monkeypatch.setattr(attention, "_flash_backward", own_sum)
    seen = visibility_of([(4, [3, 3])])
    tensors = inputs_of(seen)
    wrong, mask = compared(split, seen, tensors), compared(masked, seen, tensors)
    assert (wrong[1] - mask[1]).abs().max() > 1e-2


def test_reduced_precision_takes_a_mask():
    seen = visibility_of([(4, [3, 3])])
    assert seen.for_attention(torch.float32) is seen
    assert seen.for_attention(torch.bfloat16).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert seen.for_attention(torch.float32).shape == (1, 1, 10, 10)


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_a_policys_language_model_attends_so_and_its_vision_tower_does_not(adapter):
    core = tiny_policy(adapter).core
    assert core.model.language_model.config._attn_implementation == GROUP_ATTENTION
    assert core.model.visual.config._attn_implementation == "sdpa"


@pytest.fixture
def not_compiled(monkeypatch):
    """FlexAttention as plain operations: compiled it trains on a GPU alone, which no test here has."""

    def plain(*tensors, training, **settings):
        del training
        return flex_attention(*tensors, **settings)

    monkeypatch.setattr(library, "compile_friendly_flex_attention", plain)
    monkeypatch.setattr(flex_module, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)


@UNCOMPILED
@pytest.mark.usefixtures("not_compiled")
@pytest.mark.parametrize("groups", [[(3, [2, 1]), (5, [4, 4])], [(150, [130, 1, 140]), (20, [300])]], ids=str)
def test_flex_attention_gives_the_outputs_of_one_attention_under_a_mask(groups):
    seen = visibility_of(groups)
    tensors = [tensor.detach().float() for tensor in inputs_of(seen)]
    output = attend(torch.nn.Module(), *tensors, seen.blocks(), scaling=SCALE)[0]
    is_token = seen.segments >= 0
    expected = masked(seen, *(tensor.double() for tensor in tensors))
    assert_close(output[is_token].double(), expected[is_token], rtol=1e-5, atol=1e-5)


def test_flex_attention_leaves_out_blocks_of_completions_that_do_not_see_each_other():
    blocks = visibility_of([(128, [128, 128, 128])]).blocks().to_dense()
    assert blocks[0, 0].tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]]


@UNCOMPILED
@pytest.mark.usefixtures("not_compiled")
def test_a_policy_that_attends_by_flex_attention_gives_the_same_log_probs():
    policy = tiny_policy(dtype=torch.float32)
    groups = [PromptGroup(prompt, ([5, 6, 7], [8], [9, 10])) for prompt in prompts([(56, 56), None])]
    with torch.no_grad():
        expected = token_log_probs(policy, groups).log_probs
        policy.is_flex = True
        assert_close(token_log_probs(policy, groups).log_probs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("groups", [[(3, [2, 1]), (5, [4, 4])], [(150, [130, 1, 140]), (20, [300])]], ids=str)
def test_compiled_flex_attention_gives_outputs_and_gradients_on_a_cuda_device(groups):
    seen = visibility_of(groups)
    tensors = [tensor.detach().repeat(1, 1, 1, 2).requires_grad_() for tensor in inputs_of(seen)]  # 16 wide, its least
    on_device = [tensor.detach().float().cuda().requires_grad_() for tensor in tensors]
    moved = Visibility(seen.segments.cuda(), seen.places.cuda(), seen.mask.cuda(), seen.lengths)
    is_token = seen.segments >= 0
    output = attend(torch.nn.Module(), *on_device, moved.blocks(), scaling=SCALE)[0][moved.segments >= 0]
    expected = masked(seen, *tensors)[is_token]
    assert_close(output.double().cpu(), expected, rtol=1e-3, atol=1e-3)
    gradients = torch.autograd.grad(output.square().sum(), on_device)
    for our, their in zip(gradients, torch.autograd.grad(expected.square().sum(), tensors), strict=True):
        assert_close(our.double().cpu(), their, rtol=1e-2, atol=1e-2)
