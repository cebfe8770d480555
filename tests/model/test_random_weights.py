"""The 6 M parameter model that exists to be measured: of nano's kind, random, and it says so."""

import logging

import pytest
import torch
from running import LIGHTNING_WARNINGS, TINY_GRPO, composed, metrics, trained

from pathvlm_r1.assembly.policies import load_policy
from pathvlm_r1.config import TrainConfig
from pathvlm_r1.tracking import read_manifest

pytestmark = LIGHTNING_WARNINGS


def loaded(model):
    config = TrainConfig.checked(composed("train", f"model={model}", "adapter=full"))
    return load_policy(config.model, config.adapter, precision="32-true", temperature=1.0, is_dropout_on=False)


def parameters(model):
    return dict(loaded(model).policy.model.named_parameters())


def test_it_is_a_larger_model_of_the_embedded_ones_kind_and_tokens():
    nano, larger = loaded("nano"), loaded("nano_6m")
    assert type(larger.policy.model) is type(nano.policy.model)
    assert larger.encoder.tokenizer.get_vocab() == nano.encoder.tokenizer.get_vocab()
    assert larger.policy.model.config.image_token_id == nano.policy.model.config.image_token_id
    assert 5.5e6 < sum(p.numel() for p in larger.policy.model.parameters()) < 6.5e6


def test_its_weights_are_random_the_same_each_time_and_said_to_be_random(caplog):
    with torch.random.fork_rng(), caplog.at_level(logging.WARNING, logger="pathvlm_r1"):
        first = parameters("nano_6m")
        torch.manual_seed(1)
        second = parameters("nano_6m")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert "model.checkpoint=random_6m: the weights are random" in caplog.text


@pytest.mark.medium
def test_grpo_takes_a_step_from_it(tmp_path):
    run = trained(tmp_path, *TINY_GRPO, "model=nano_6m", "stage.init=base", "trainer.max_steps=1")
    assert len(metrics(run)) == 1
    assert read_manifest(run.path).parent.id == "random_6m"
