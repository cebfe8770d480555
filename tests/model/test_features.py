"""Vision features on disk: found again by another run, and by nothing that has other features."""

import pytest
import torch
from tiny import Noise, prompts, tiny_encoder, tiny_policy

from pathvlm_r1.model.features import FeatureFolder
from pathvlm_r1.tracking import write_atomically

SIZES = [(56, 56), [(140, 84), (57, 113)]]


def with_folder(folder, policy=None):
    policy = tiny_policy() if policy is None else policy
    policy.feature_folder = FeatureFolder(folder, policy.core.model.visual, write_atomically)
    return policy


def pictures(sizes=SIZES):
    return [picture for prompt in prompts(sizes) for picture in prompt.pictures]


def encodes_nothing(policy, monkeypatch):
    monkeypatch.setattr(policy, "encode_pictures", None)
    return policy


def test_another_run_reads_what_one_has_encoded_and_encodes_the_rest(tmp_path, monkeypatch):
    first = with_folder(tmp_path).image_features(pictures())
    second = encodes_nothing(with_folder(tmp_path), monkeypatch).image_features(pictures())
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 3
    policy, counts = with_folder(tmp_path), []
    encode = policy.encode_pictures
    monkeypatch.setattr(
        policy, "encode_pictures", lambda pixels, grids: counts.append(len(grids)) or encode(pixels, grids)
    )
    more = policy.image_features(pictures([*SIZES, (84, 84)]))
    assert counts == [1]
    assert [tuple(features.shape) for features in more[:3]] == [tuple(features.shape) for features in first]


@pytest.mark.parametrize("change", ["picture", "size", "weights", "precision"])
def test_what_has_other_features_finds_none_of_them(tmp_path, change):
    key = ["the same name"]
    tiny_picture = {"picture": Noise(56, 56, seed=1), "size": Noise(84, 56)}.get(change, Noise(56, 56))
    with_folder(tmp_path).image_features(tiny_encoder().prompt("Which?", [Noise(56, 56)], image_keys=key).pictures)
    policy = tiny_policy(dtype=torch.float32) if change == "precision" else tiny_policy()
    if change == "weights":
        with torch.no_grad():
            next(policy.core.model.visual.parameters()).add_(1e-3)
    expected = policy.image_features(tiny_encoder().prompt("Which?", [tiny_picture]).pictures)
    found = with_folder(tmp_path, policy).image_features(tiny_encoder().prompt("Which?", [tiny_picture]).pictures)
    assert torch.equal(found[0], expected[0])
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_a_tower_that_trains_leaves_the_folder_alone(tmp_path):
    (features, *_) = with_folder(tmp_path, tiny_policy("vision")).image_features(pictures())
    assert features.requires_grad
    assert list(tmp_path.rglob("*")) == []
