"""Estimators of the divergence KL(policy || reference) from log-probabilities of the tokens that the policy sampled."""

from __future__ import annotations

import torch
from torch import Tensor

LOG_RATIO_BOUND = 20.0  # of every exponent in this package: exp(20) = 4.9e8, while exp overflows float32 above 88


def k3(log_probs: Tensor, reference: Tensor) -> Tensor:
    """Estimate the divergence from the reference at every token: never negative, unbiased under the policy.

        k3 = exp(d) - d - 1,        d = reference - log_probs, clamped to +-20 with zero gradient outside

    Args:
        log_probs: any shape, log-probabilities of the sampled tokens under the policy.
        reference: same shape, those under the reference policy; receives no gradient.

    Returns:
        Shape of `log_probs`.

    Raises:
        ValueError: the shapes differ.

    Source: Schulman 2020, http://joschu.net/blog/kl-approx.html; Shao et al. 2024, arXiv:2402.03300, equation 4.
    """
    if log_probs.shape != reference.shape:
        raise ValueError(
            f"log_probs is {list(log_probs.shape)} and reference {list(reference.shape)}: shapes must agree"
        )
    d = bounded(reference.detach() - log_probs)
    return torch.expm1(d) - d  # exp(d) - 1 would cancel to noise for small d


def bounded(log_ratio: Tensor) -> Tensor:
    """Clamp a log-ratio to a range whose exponential is finite; the gradient outside is zero."""
    return log_ratio.clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
