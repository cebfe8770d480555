"""Correction for an engine whose log-probs differ from the trainer's: other kernels, another precision, older weights.

The completions follow the sampler's distribution while the gradient is taken under the trainer's; weighing each token
by the ratio of both makes the policy term unbiased, and bounding that ratio keeps its variance finite.
Source: Yao et al. 2025, "Your Efficient RL Framework Secretly Brings You Off-Policy RL Training" (truncated importance
sampling); masking: Ling Team 2025 (IcePop), arXiv:2510.18855, section 3.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from pathvlm_r1.grpo.kl import bounded

Level = Literal["token", "sequence", "geometric"]
Beyond = Literal["truncate", "mask"]


def mismatch_weights(
    old_log_probs: Tensor, sampler_log_probs: Tensor, mask: Tensor, *, level: Level, beyond: Beyond, high: float,
    low: float = 0.0,
) -> Tensor:  # fmt: skip
    """The weight of every token's policy term.

        q = old_log_probs - sampler_log_probs
        w = exp(q) by token, exp(sum_t q) by sequence, exp(mean_t q) geometric

    Args:
        old_log_probs: [N, C] of the sampled tokens by the trainer's model, before any update.
        sampler_log_probs: [N, C] as the engine reported them.
        mask: [N, C] bool.
        level: the plain product over a sequence grows with its length and then leaves every bound: 100 tokens that are
            off by 0.012 each have a ratio of 3.3. The geometric mean does not.
        beyond: what becomes of a weight outside [low, high]: it is set to the bound, or to 0.
        high: at least 1.
        low: from 0 to 1.

    Returns:
        [N, C] without gradient, 0 where the mask is False.

    Raises:
        ValueError: bounds that do not contain 1.
    """
    if not 0 <= low <= 1 <= high:
        raise ValueError(f"low is {low} and high {high}: 0 <= low <= 1 <= high, as equal log-probs have weight 1")
    q = torch.where(mask, (old_log_probs - sampler_log_probs).detach(), 0.0)
    if level != "token":
        q = q.sum(dim=-1, keepdim=True).expand_as(mask)
    if level == "geometric":
        q = q / mask.sum(dim=-1, keepdim=True).clamp(min=1)
    weights = bounded(q).exp()
    if beyond == "truncate":
        weights = weights.clamp(low, high)
    else:
        weights = torch.where((weights >= low) & (weights <= high), weights, 0.0)
    return torch.where(mask, weights, 0.0)
