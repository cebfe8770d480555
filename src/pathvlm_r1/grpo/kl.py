"""Estimators of the divergence KL(policy || reference) from log-probabilities of the tokens that the policy sampled.

With d = reference - log_probs, clamped to +-20 with zero gradient outside. Every function takes log-probs of any shape
under the policy and the same under the reference, which receives no gradient, and returns that shape; they raise
ValueError where the shapes differ.
Source: Schulman 2020, http://joschu.net/blog/kl-approx.html.
"""

from __future__ import annotations

import torch
from torch import Tensor

LOG_RATIO_BOUND = 20.0  # of every exponent in this package: exp(20) = 4.9e8, while exp overflows float32 above 88


def k1(log_probs: Tensor, reference: Tensor) -> Tensor:
    """-d: unbiased, of either sign and large variance. Its gradient is on average 0: of use in the reward alone."""
    return -_distance(log_probs, reference)


def k2(log_probs: Tensor, reference: Tensor) -> Tensor:
    """d^2 / 2: biased, yet the gradient of its mean is that of the divergence."""
    return _distance(log_probs, reference).square() / 2


def k3(log_probs: Tensor, reference: Tensor) -> Tensor:
    """exp(d) - d - 1: unbiased and never negative.

    Source: also Shao et al. 2024, arXiv:2402.03300, equation 4.
    """
    d = _distance(log_probs, reference)
    return torch.expm1(d) - d  # exp(d) - 1 would cancel to noise for small d


def bounded(log_ratio: Tensor) -> Tensor:
    """Clamp a log-ratio to a range whose exponential is finite; the gradient outside is zero."""
    return log_ratio.clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)


def _distance(log_probs: Tensor, reference: Tensor) -> Tensor:
    if log_probs.shape != reference.shape:
        raise ValueError(
            f"log_probs is {list(log_probs.shape)} and reference {list(reference.shape)}: shapes must agree"
        )
    return bounded(reference.detach() - log_probs)
