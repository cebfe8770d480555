"""From the configuration of an objective to what the GRPO stage computes with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from hydra.utils import instantiate
from torch import Tensor

from pathvlm_r1.config import ObjectiveConfig, TrainConfig
from pathvlm_r1.grpo import Objective, decoupled_total
from pathvlm_r1.reward import RewardTable


def objective_of(config: ObjectiveConfig, *, entropy_bonus: float = 0.0) -> Objective:
    """The loss by its parts."""
    return Objective(
        ratio=instantiate(config.ratio), surrogate=instantiate(config.surrogate), average=instantiate(config.average),
        kl=instantiate(config.kl), entropy_bonus=entropy_bonus,
    )  # fmt: skip


def total_of(config: TrainConfig) -> Callable[[RewardTable], Tensor]:
    """How the terms of a reward become one number: summed, or each standardised within its group before."""
    if config.objective.total == "summed":
        return summed
    weights = config.reward.weights

    def decoupled(rewards: RewardTable) -> Tensor:
        terms = torch.stack(list(rewards.terms.values()))  # [K, B, G]
        return decoupled_total(terms, terms.new_tensor([weights[name] for name in rewards.terms]))

    return decoupled


def summed(rewards: RewardTable) -> Tensor:
    """The weighted sum, as the reward has it."""
    return rewards.total
