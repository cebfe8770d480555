"""Attention to the picture, against the library's own weights and the rollout in plain Python."""

import numpy as np
import pytest
import torch
from tiny import PEFT_WARNING, prompts, tiny_encoder, tiny_policy

from pathvlm_r1.model import attention_to_picture
from pathvlm_r1.model.attention import GROUP_ATTENTION

pytestmark = PEFT_WARNING
BEGUN = [5, 6, 7]


@torch.no_grad()
def library_weights(policy, prompt, begun):
    """[layers, S, S] of the stock model as it is called by itself, the mean over heads."""
    ids = torch.tensor([prompt.token_ids + begun])
    is_image = (ids == tiny_encoder().processor.image_token_id).long()
    policy.core.set_attn_implementation("eager")
    found = policy.core(
        input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=is_image,
        pixel_values=prompt.pictures[0].pixels.take(), image_grid_thw=prompt.pictures[0].grid_thw[None],
        output_attentions=True,
    ).attentions  # fmt: skip
    return np.stack([layer[0].double().mean(dim=0).numpy() for layer in found]), is_image[0].bool().numpy()


def test_maps_are_the_librarys_weights_of_the_last_place_and_their_rollout():
    (prompt,) = prompts([(84, 56)])
    policy = tiny_policy().eval()
    maps = attention_to_picture(policy, tiny_encoder(), prompt, BEGUN).numpy()
    assert maps.shape == (2 + 1, 2, 3), "two layers and the rollout; 84 x 56 pixels are 3 x 2 tokens of 28"
    weights, is_image = library_weights(tiny_policy().eval(), prompt, BEGUN)
    joined = np.eye(weights.shape[-1])
    for layer in weights:
        joined = (layer + np.eye(len(layer))) / 2 @ joined
    expected = [*(layer[-1, is_image] for layer in weights), joined[-1, is_image]]
    assert np.allclose(maps.reshape(3, -1), expected, atol=1e-6)  # float32
    assert maps.min() >= 0
    assert maps.sum(axis=(1, 2)).max() < 1, "the text has its share"


def test_the_model_is_left_as_it_was():
    (prompt,) = prompts([(56, 56)])
    policy = tiny_policy().train()
    attention_to_picture(policy, tiny_encoder(), prompt, [])
    assert policy.training
    assert policy.core.model.language_model.config._attn_implementation == GROUP_ATTENTION


@pytest.mark.parametrize("sizes", [None, [(56, 56), (28, 28)]])
def test_a_map_needs_exactly_one_picture(sizes):
    (prompt,) = prompts([sizes])
    with pytest.raises(ValueError, match=f"has {0 if sizes is None else 2} pictures"):
        attention_to_picture(tiny_policy(), tiny_encoder(), prompt, [])
