"""What a stage is built of, where no run shows it."""

import pytest
from running import TINY, TINY_GRPO, composed

from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.assembly.training import build_training
from pathvlm_r1.config import TrainConfig
from pathvlm_r1.tracking import RunFolder


@pytest.mark.parametrize(("attention", "is_flex"), [("mask", False), ("flex", True)])
def test_packed_groups_attend_as_the_configuration_has_it(attention, is_flex, tmp_path):
    typed = ("stage.init=base", f"stage.packed_attention={attention}", "logger=none")
    config = TrainConfig.checked(composed("train", *TINY, *TINY_GRPO, *typed))
    samples = load_samples(config.dataset, "rl")
    training = build_training(config, RunFolder(tmp_path), samples, on_rollout=lambda *_: None)
    assert training.policy.is_flex is is_flex
    assert training.module.policy is training.policy
