"""The vision phase: its loss against plain Python, and what it trains."""

import math

import pytest
import torch
from tiny import tiny_encoder, tiny_policy
from torch.testing import assert_close

from pathvlm_r1.data.pretraining import PictureSource
from pathvlm_r1.stages import FindingProbe, PictureBatch, train_vision

ATTRIBUTES = {"stroma": ("loose", "fibrous"), "architecture": ("glands", "nests", "sheets")}
FINDINGS = [{"stroma": "fibrous", "architecture": "nests"}, {"architecture": "sheets"}]  # of two modalities


def cross_entropy(values, target):
    return math.log(sum(math.exp(value) for value in values)) - values[target]


def test_the_loss_is_that_of_the_pooled_votes_and_of_every_token_alone():
    probe = FindingProbe(ATTRIBUTES, width=4).double()
    tokens = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    loss, right = probe.loss(tokens, FINDINGS)
    phrases = [phrase for values in ATTRIBUTES.values() for phrase in values]
    expected, hits = [], []
    for votes, shown in zip(probe.vote(tokens).tolist(), FINDINGS, strict=True):
        for attribute, phrase in shown.items():
            columns = [phrases.index(value) for value in ATTRIBUTES[attribute]]
            target = ATTRIBUTES[attribute].index(phrase)
            pooled = [math.log(sum(math.exp(vote[column]) for vote in votes) / 3) for column in columns]
            alone = [cross_entropy([vote[column] for column in columns], target) for vote in votes]
            expected.append((cross_entropy(pooled, target) + sum(alone) / 3) / 2)
            hits.append(max(range(len(columns)), key=lambda i: pooled[i]) == target)
    assert_close(loss.item(), sum(expected) / 3, rtol=1e-12, atol=1e-12)
    assert right == pytest.approx(sum(hits) / 3)


def test_the_tower_with_its_merger_trains_and_the_language_model_stays():
    policy, encoder = tiny_policy("vision"), tiny_encoder()
    source = PictureSource(seed=0, image_size=56, pictures=8)
    pictures = [source(index) for index in range(4)]
    phrases = sorted({phrase for picture in pictures for phrase in picture.findings.values()})
    attributes = {name: phrases for picture in pictures for name in picture.findings}
    probe = FindingProbe(attributes, policy.core.config.text_config.hidden_size).to(policy.core.dtype)
    batch = PictureBatch(*encoder.pictures(pictures), tuple(picture.findings for picture in pictures))
    before = {name: weight.clone() for name, weight in policy.core.named_parameters()}
    shares = list(
        train_vision(
            policy, probe, [batch] * 3, steps=3, learning_rate=1e-3, weight_decay=0.0, warmup_share=0.0,
            gradient_clip=1.0,
        )
    )  # fmt: skip
    assert len(shares) == 3
    changed = {name for name, weight in policy.core.named_parameters() if not torch.equal(weight, before[name])}
    assert changed
    assert all(".visual." in name for name in changed)
    assert any("merger" in name for name in changed)
