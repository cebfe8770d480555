"""The mathematics of Group Relative Policy Optimization: pure tensor functions, without model, config or state."""

from pathvlm_r1.grpo.advantages import (
    batch_relative_advantages,
    centred_advantages,
    decoupled_total,
    group_relative_advantages,
    leave_one_out_advantages,
    rank_advantages,
)
from pathvlm_r1.grpo.averages import constant_length, micro_batch_token_mean, row_mean, token_mean
from pathvlm_r1.grpo.entropy import entropy_floor
from pathvlm_r1.grpo.kl import k1, k2, k3
from pathvlm_r1.grpo.mismatch import mismatch_weights
from pathvlm_r1.grpo.objective import Objective, ObjectiveResult, Weights, whole_step
from pathvlm_r1.grpo.ratios import response_ratio, sequence_ratio, sequence_token_ratio, token_ratio
from pathvlm_r1.grpo.surrogates import cispo, clipped, sapo
from pathvlm_r1.grpo.tokens import Tokens, Totals

__all__ = [
    "Objective",
    "ObjectiveResult",
    "Tokens",
    "Totals",
    "Weights",
    "batch_relative_advantages",
    "centred_advantages",
    "cispo",
    "clipped",
    "constant_length",
    "decoupled_total",
    "entropy_floor",
    "group_relative_advantages",
    "k1",
    "k2",
    "k3",
    "leave_one_out_advantages",
    "micro_batch_token_mean",
    "mismatch_weights",
    "rank_advantages",
    "response_ratio",
    "row_mean",
    "sapo",
    "sequence_ratio",
    "sequence_token_ratio",
    "token_mean",
    "token_ratio",
    "whole_step",
]
