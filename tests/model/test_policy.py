"""The features of pictures: as many as their tokens, each in its place, and no more of them kept than asked for."""

import pytest
import torch
from tiny import Noise, prompts, tiny_encoder, tiny_policy
from torch.testing import assert_close

from pathvlm_r1.model.features import FeatureCache

SIZES = [(56, 56), None, (140, 84), (57, 113), None, (201, 30), (700, 56)]


@pytest.mark.parametrize("size", [size for size in SIZES if size is not None])
def test_a_prompt_has_an_image_token_for_every_feature_of_its_picture(size):
    policy, (prompt,) = tiny_policy(), prompts([size])
    (features,) = policy.image_features(prompt.pictures)
    assert prompt.token_ids.count(tiny_encoder().processor.image_token_id) == len(features)


@pytest.mark.parametrize("adapter", ["full", "vision"])
def test_text_and_picture_prompts_in_one_batch_are_embedded_as_each_of_them_alone(adapter):
    policy, made = tiny_policy(adapter), prompts(SIZES)
    width = max(len(prompt.token_ids) for prompt in made)
    ids = torch.tensor([prompt.token_ids + [0] * (width - len(prompt.token_ids)) for prompt in made])
    together = policy.embed(ids, made)
    for row, prompt in enumerate(made):
        alone = policy.embed(torch.tensor([prompt.token_ids]), [prompt])[0]
        assert_close(together[row, : len(prompt.token_ids)], alone, rtol=1e-9, atol=1e-9)
    is_image = ids == tiny_encoder().processor.image_token_id
    assert (together != policy.core.get_input_embeddings()(ids)).any(dim=-1).equal(is_image)


def test_a_batch_without_any_picture_is_its_token_embeddings():
    policy, made = tiny_policy(), prompts([None])
    ids = torch.tensor([made[0].token_ids])
    assert torch.equal(policy.embed(ids, made), policy.core.get_input_embeddings()(ids))


def test_no_more_features_are_kept_than_asked_for_and_the_least_recently_used_go_first():
    cache = FeatureCache(2)
    for key in ("a", "b"):
        cache.put(key, torch.zeros(1))
    cache.get("a")
    cache.put("c", torch.zeros(1))
    assert [cache.get(key) is None for key in ("a", "b", "c")] == [False, True, False]
    cache.put(None, torch.zeros(1))
    assert cache.get(None) is None


def test_a_picture_is_decoded_when_its_features_are_first_asked_for_and_its_pixels_are_not_kept(monkeypatch):
    loads, load = [], Noise.load
    monkeypatch.setattr(Noise, "load", lambda picture: loads.append(picture) or load(picture))
    prompt = tiny_encoder().prompt("Which?", [Noise(56, 56)], image_keys=["decoded once"])
    assert len(loads) == 1, "its size is needed for the prompt"
    (picture,) = prompt.pictures
    first, again = picture.pixels.take(), picture.pixels.take()
    assert len(loads) == 2, "they were forgotten when they had been given out"
    assert torch.equal(first, again)
    tiny_encoder().prompt("Which other?", [Noise(56, 56)], image_keys=["decoded once"])
    assert len(loads) == 2, "a second question about the picture needs no decoding"
