"""From the configuration of an objective to what the GRPO stage computes with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from hydra.utils import instantiate
from torch import Tensor

from pathvlm_r1.config import ObjectiveConfig, RolloutConfig, TrainConfig, VLLMRolloutConfig
from pathvlm_r1.grpo import Objective, Weights, decoupled_total, mismatch_weights
from pathvlm_r1.reward import RewardTable


def objective_of(
    config: ObjectiveConfig, *, entropy_bonus: float = 0.0, rollout: RolloutConfig | None = None
) -> Objective:
    """The loss by its parts, corrected where the engine's log-probs are not the trainer's."""
    return Objective(
        ratio=instantiate(config.ratio), surrogate=instantiate(config.surrogate), average=instantiate(config.average),
        kl=instantiate(config.kl), entropy_bonus=entropy_bonus, mismatch=_correction(rollout),
    )  # fmt: skip


def _correction(rollout: RolloutConfig | None) -> Weights | None:
    if not isinstance(rollout, VLLMRolloutConfig) or rollout.correction is None:
        return None
    chosen = rollout.correction
    return partial(mismatch_weights, level=chosen.level, beyond=chosen.beyond, low=chosen.low, high=chosen.high)


def total_of(config: TrainConfig) -> Callable[[RewardTable], Tensor]:
    """How the terms of a reward become one number: summed, or each standardised within its group before."""
    return summed if config.objective.total == "summed" else decoupled


def decoupled(rewards: RewardTable) -> Tensor:
    """Each term as it counts, standardised within its group before the weighted sum."""
    terms = torch.stack(list(rewards.effective.values()))  # [K, B, G]
    return decoupled_total(terms, terms.new_tensor(list(rewards.weights.values())))


def summed(rewards: RewardTable) -> Tensor:
    """The weighted sum, as the reward has it."""
    return rewards.total
