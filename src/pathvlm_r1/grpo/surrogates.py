"""Surrogates: the policy term of every token's loss, before any average over tokens and rows.

Every function takes log-ratios [N, C] from `grpo.ratios`, the policy's log-probs [N, C] and advantages [N, 1], and
returns a loss [N, C] of which the gradient is the policy gradient, with the tokens that were clipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PolicyTerm:
    """The surrogate of every token: [N, C]."""

    loss: Tensor  # the only one with a gradient
    is_clipped_low: Tensor  # the ratio fell below its range while the advantage was negative
    is_clipped_high: Tensor  # it rose above while the advantage was positive


def clipped(
    log_ratio: Tensor, log_probs: Tensor, advantages: Tensor, *, epsilon_low: float, epsilon_high: float,
    ratio_cap: float | None = None,
) -> PolicyTerm:  # fmt: skip
    """Bound what a token gains from leaving the sampling policy.

        l = -min(min(r, ratio_cap) A, clip(r, 1 - epsilon_low, 1 + epsilon_high) A)

    Args:
        log_ratio: [N, C].
        log_probs: not used: all of the gradient goes through the ratio.
        advantages: [N, 1].
        epsilon_low: in [0, 1].
        epsilon_high: 0 or more.
        ratio_cap: bounds what a token costs whose advantage is negative and whose ratio has risen; above
            1 + epsilon_high; None: no bound.

    Raises:
        ValueError: a setting out of its range.

    Source: Shao et al. 2024, arXiv:2402.03300, equation 3; two bounds: Yu et al. 2025 (DAPO), arXiv:2503.14476, section
    3.1; the cap: Ye et al. 2020, arXiv:1912.09729 (dual clip).
    """
    del log_probs
    _require_clip_range(epsilon_low, epsilon_high, ratio_cap)
    ratio = log_ratio.exp()
    within = ratio.clamp(1 - epsilon_low, 1 + epsilon_high)
    free = ratio if ratio_cap is None else ratio.clamp(max=ratio_cap)
    return PolicyTerm(
        loss=-torch.minimum(free * advantages, within * advantages),
        is_clipped_low=(ratio < 1 - epsilon_low) & (advantages < 0),
        is_clipped_high=(ratio > 1 + epsilon_high) & (advantages > 0),
    )


def cispo(log_ratio: Tensor, log_probs: Tensor, advantages: Tensor, *, ratio_cap: float) -> PolicyTerm:
    """Weigh every token's policy gradient by its bounded ratio, so that no token loses its gradient.

        l = -sg(min(r, ratio_cap)) A log_probs

    Args:
        log_ratio: [N, C].
        log_probs: [N, C].
        advantages: [N, 1].
        ratio_cap: at least 1, so that it does nothing on policy. An absolute bound: 5, not 0.2.

    Raises:
        ValueError: `ratio_cap` is below 1.

    Source: MiniMax 2025 (CISPO), arXiv:2506.13585, section 3.1, without the lower bound, as in its own runs.
    """
    if not ratio_cap >= 1:
        raise ValueError(f"ratio_cap is {ratio_cap}: it bounds the ratio itself and must be at least 1")
    ratio = log_ratio.detach().exp()
    never = torch.zeros_like(ratio, dtype=torch.bool)
    return PolicyTerm(
        loss=-ratio.clamp(max=ratio_cap) * advantages * log_probs,
        is_clipped_low=never,
        is_clipped_high=(ratio > ratio_cap) & (advantages > 0),
    )


def sapo(
    log_ratio: Tensor, log_probs: Tensor, advantages: Tensor, *, tau_positive: float, tau_negative: float
) -> PolicyTerm:
    """Fade a token's gradient out smoothly as its ratio leaves 1, sooner where the advantage is negative.

        l = -(4 / tau) sigmoid(tau (r - 1)) A,        tau = tau_positive where A > 0, tau_negative elsewhere

    Args:
        log_ratio: [N, C].
        log_probs: not used.
        advantages: [N, 1].
        tau_positive: above 0.
        tau_negative: above 0.

    Raises:
        ValueError: a temperature that is not above 0.

    Source: Gao et al. 2025 (SAPO), arXiv:2511.20347, section 3.
    """
    del log_probs
    if not (tau_positive > 0 and tau_negative > 0):
        raise ValueError(f"tau_positive is {tau_positive} and tau_negative {tau_negative}: both must be above 0")
    ratio = log_ratio.exp()
    tau = torch.where(advantages > 0, ratio.new_tensor(tau_positive), ratio.new_tensor(tau_negative))
    never = torch.zeros_like(ratio, dtype=torch.bool)
    return PolicyTerm(-(4 / tau) * torch.sigmoid(tau * (ratio - 1)) * advantages, never, never)


def _require_clip_range(epsilon_low: float, epsilon_high: float, ratio_cap: float | None) -> None:
    faults = []
    if not 0 <= epsilon_low <= 1:
        faults.append(f"epsilon_low is {epsilon_low}: the ratio's lower bound 1 - epsilon_low lies in [0, 1]")
    if not epsilon_high >= 0:
        faults.append(f"epsilon_high is {epsilon_high}: it must be at least 0, the clip range contains 1")
    if ratio_cap is not None and not ratio_cap > 1 + epsilon_high:
        faults.append(f"ratio_cap is {ratio_cap}: it must be above 1 + epsilon_high = {1 + epsilon_high}")
    if faults:
        raise ValueError("; ".join(faults))
