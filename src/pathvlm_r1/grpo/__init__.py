"""The mathematics of Group Relative Policy Optimization: pure tensor functions, without model, config or state."""

from pathvlm_r1.grpo.advantages import centred_advantages, group_relative_advantages
from pathvlm_r1.grpo.kl import k3
from pathvlm_r1.grpo.objectives import Normaliser, ObjectiveResult, dr_grpo, grpo, token_mean_grpo, whole_step

__all__ = [
    "Normaliser",
    "ObjectiveResult",
    "centred_advantages",
    "dr_grpo",
    "group_relative_advantages",
    "grpo",
    "k3",
    "token_mean_grpo",
    "whole_step",
]
