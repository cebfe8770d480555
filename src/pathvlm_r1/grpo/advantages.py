"""Advantages: what a completion's reward says beside those of its group, the completions of the same prompt.

Every function of total rewards takes [B, G], finite floating point, and returns [B, G] of its dtype and device,
computed in float64; equal rewards within a group give exactly 0. All raise ValueError for anything else: a group of
one, integers, a reward that is not finite, a `std_floor` that is not above 0.
"""

from __future__ import annotations

import torch
from torch import Tensor


def group_relative_advantages(rewards: Tensor, *, std_floor: float = 1e-4, is_std_unbiased: bool = True) -> Tensor:
    """Standardise every reward within its group.

        A[b, g] = (r[b, g] - mean r[b, :]) / (std r[b, :] + std_floor)

    Args:
        rewards: [B, G].
        std_floor: in reward units; gives a group of equal rewards zeros instead of 0 / 0.
        is_std_unbiased: the standard deviation divides by G - 1 as the method has it; otherwise by G.

    Source: Shao et al. 2024, arXiv:2402.03300, section 4.1.2.
    """
    _require_floor(std_floor)
    centred = _centred(rewards)
    spread = centred.std(dim=-1, keepdim=True, correction=int(is_std_unbiased))
    return (centred / (spread + std_floor)).to(rewards.dtype)


def batch_relative_advantages(rewards: Tensor, *, std_floor: float = 1e-4) -> Tensor:
    """Centre within the group, and divide by one spread for the whole batch: easy groups are not blown up.

        A[b, g] = (r[b, g] - mean r[b, :]) / (std r + std_floor)        std over all B G rewards, divides by B G - 1

    Source: Hu et al. 2025 (REINFORCE++), arXiv:2501.03262, section 3, with a baseline by group.
    """
    _require_floor(std_floor)
    centred = _centred(rewards)
    shifted = rewards.double() - rewards.flatten()[0].double()
    return (centred / (shifted.std() + std_floor)).to(rewards.dtype)


def centred_advantages(rewards: Tensor) -> Tensor:
    """Subtract from every reward the mean of its group, and keep the scale of the rewards.

        A[b, g] = r[b, g] - mean r[b, :]

    Source: Liu et al. 2025 (Dr. GRPO), arXiv:2503.20783, section 3.2.
    """
    return _centred(rewards).to(rewards.dtype)


def leave_one_out_advantages(rewards: Tensor) -> Tensor:
    """Subtract from every reward the mean of the others in its group: an unbiased baseline.

        A[b, g] = r[b, g] - sum_{h != g} r[b, h] / (G - 1) = G / (G - 1) (r[b, g] - mean r[b, :])

    Source: Ahmadian et al. 2024 (RLOO), arXiv:2402.14740, section 3.2; Kool et al. 2019.
    """
    group_size = rewards.shape[-1]
    return (_centred(rewards) * group_size / max(group_size - 1, 1)).to(rewards.dtype)


def rank_advantages(rewards: Tensor) -> Tensor:
    """Keep the order within the group alone, spread evenly over [-1, 1]: no outlier outweighs its group.

        A[b, g] = (#{h: r[b, h] < r[b, g]} - #{h: r[b, h] > r[b, g]}) / (G - 1)

    Equal rewards share the mean of their places. Invariant to any increasing transformation of the rewards.

    Source: the rank-based fitness shaping of Wierstra et al. 2014, Natural Evolution Strategies, JMLR 15, section 3.1,
    with equally spaced utilities.
    """
    _require_rewards(rewards)
    above = rewards[:, :, None] - rewards[:, None, :]  # [B, G, G]
    return (above.sign().double().sum(dim=-1) / (rewards.shape[-1] - 1)).to(rewards.dtype)


def decoupled_total(terms: Tensor, weights: Tensor, *, std_floor: float = 1e-4) -> Tensor:
    """Standardise every reward term within its group before the weighted sum, so that none drowns for its small spread.

        z[k, b, g] = (r[k, b, g] - mean r[k, b, :]) / (std r[k, b, :] + std_floor),        0 where the term is missing
        total[b, g] = sum_k w[k] z[k, b, g]

    `batch_relative_advantages` of it are the published advantages.

    Args:
        terms: [K, B, G] unweighted, NaN where a completion has no verdict in a term.
        weights: [K].
        std_floor: in reward units.

    Returns:
        [B, G] float64.

    Raises:
        ValueError: shapes that do not fit, infinite rewards, or a `std_floor` that is not above 0.

    Source: Liu et al. 2026 (GDPO), arXiv:2601.05242, section 3.
    """
    _require_floor(std_floor)
    if terms.dim() != 3 or weights.shape != terms.shape[:1]:
        raise ValueError(f"terms is {list(terms.shape)} and weights {list(weights.shape)}: pass [K, B, G] and [K]")
    if terms.isinf().any():
        raise ValueError(f"{int(terms.isinf().sum())} reward terms are infinite")
    values = terms.double()
    is_known = ~values.isnan()
    count = is_known.sum(dim=-1, keepdim=True)
    anchor = values.nan_to_num(nan=-torch.inf).amax(dim=-1, keepdim=True)  # exact zeros for equal rewards, as elsewhere
    shifted = torch.where(is_known, values - anchor, 0.0)
    centred = torch.where(is_known, shifted - shifted.sum(dim=-1, keepdim=True) / count.clamp(min=1), 0.0)
    spread = (centred.square().sum(dim=-1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    return (weights.double()[:, None, None] * centred / (spread + std_floor)).sum(dim=0)


def _centred(rewards: Tensor) -> Tensor:
    _require_rewards(rewards)
    shifted = rewards.double() - rewards[:, :1].double()  # equal rewards: exactly 0, which their float mean is not
    return shifted - shifted.mean(dim=-1, keepdim=True)


def _require_rewards(rewards: Tensor) -> None:
    if rewards.dim() != 2 or rewards.shape[-1] < 2:
        raise ValueError(f"rewards is {list(rewards.shape)}: [B, G] needs G >= 2, a group of one has no peers")
    if not rewards.is_floating_point():
        raise ValueError(f"rewards is {rewards.dtype}: pass floating point, advantages in integers would be cut")
    if not rewards.isfinite().all():
        raise ValueError(f"{int((~rewards.isfinite()).sum())} rewards are not finite: total only the terms that apply")


def _require_floor(std_floor: float) -> None:
    if not std_floor > 0:
        raise ValueError(f"std_floor is {std_floor}: it must be above 0, or a group of equal rewards gives 0 / 0")
