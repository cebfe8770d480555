"""The clipped surrogate with a KL penalty: the loss of every token, before any average over tokens and rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from pathvlm_r1.grpo.kl import bounded, k3


@dataclass(frozen=True, eq=False)
class CountedTokens:
    """The tensors of a micro-batch, [N, C], with 0 wherever the mask is False; only `log_probs` carries a gradient."""

    log_probs: Tensor
    old_log_probs: Tensor
    reference_log_probs: Tensor | None
    advantages: Tensor  # of the token's row
    mask: Tensor  # bool

    @classmethod
    def of(
        cls,
        log_probs: Tensor,
        old_log_probs: Tensor,
        reference_log_probs: Tensor | None,
        advantages: Tensor,
        mask: Tensor,
    ) -> CountedTokens:
        """Zero what does not count, before any arithmetic: not even nan gets through, to the loss or to the gradient.

        `log_probs` [N, C] is float32 or float64, `mask` [N, C] bool, `advantages` [N]; the others are [N, C].

        Raises:
            ValueError: other shapes or types; every fault is listed.
        """
        _require_aligned(log_probs, old_log_probs, reference_log_probs, advantages, mask)

        def counted(values: Tensor) -> Tensor:
            return torch.where(mask, values, 0.0)  # [N, C]

        return cls(
            log_probs=counted(log_probs),
            old_log_probs=counted(old_log_probs.detach()),
            reference_log_probs=None if reference_log_probs is None else counted(reference_log_probs.detach()),
            advantages=counted(advantages.detach()[:, None]),
            mask=mask,
        )


@dataclass(frozen=True, eq=False)
class TokenTerms:
    """The loss of every token and what it is made of: [N, C], 0 or False where the mask is False."""

    loss: Tensor  # the only one with a gradient
    ratio: Tensor
    is_clipped_low: Tensor  # r < 1 - epsilon_low and A < 0
    is_clipped_high: Tensor  # r > 1 + epsilon_high and A > 0
    kl: Tensor | None


def clipped_surrogate(tokens: CountedTokens, *, epsilon_low: float, epsilon_high: float, beta: float) -> TokenTerms:
    """Bound what a token gains from leaving the sampling policy, and charge what it costs to leave the reference.

        r = exp(log_probs - old_log_probs),        exponent clamped to +-20 with zero gradient outside
        l = -min(r A, clip(r, 1 - epsilon_low, 1 + epsilon_high) A) + beta k3(log_probs, reference_log_probs)

    Raises:
        ValueError: epsilon_low outside [0, 1], epsilon_high or beta below 0, or beta above 0 without a reference.

    Source: Shao et al. 2024, arXiv:2402.03300, equation 3; two bounds: Yu et al. 2025, arXiv:2503.14476, section 3.1.
    """
    _require_ranges(epsilon_low, epsilon_high, beta)
    if tokens.reference_log_probs is None and beta > 0:
        raise ValueError(f"reference_log_probs is None and beta is {beta}: only beta 0 can do without the reference")
    ratio = bounded(tokens.log_probs - tokens.old_log_probs).exp()
    clipped = ratio.clamp(1 - epsilon_low, 1 + epsilon_high)
    loss = -torch.minimum(ratio * tokens.advantages, clipped * tokens.advantages)
    kl = None if tokens.reference_log_probs is None else k3(tokens.log_probs, tokens.reference_log_probs)
    return TokenTerms(
        loss=loss if kl is None else loss + beta * kl,
        ratio=torch.where(tokens.mask, ratio.detach(), 0.0),
        is_clipped_low=(ratio < 1 - epsilon_low) & (tokens.advantages < 0),
        is_clipped_high=(ratio > 1 + epsilon_high) & (tokens.advantages > 0),
        kl=None if kl is None else kl.detach(),
    )


def _require_ranges(epsilon_low: float, epsilon_high: float, beta: float) -> None:
    faults = []
    if not 0 <= epsilon_low <= 1:
        faults.append(f"epsilon_low is {epsilon_low}: the ratio's lower bound 1 - epsilon_low lies in [0, 1]")
    if not epsilon_high >= 0:
        faults.append(f"epsilon_high is {epsilon_high}: it must be at least 0, the clip range contains 1")
    if not 0 <= beta < inf:
        faults.append(f"beta is {beta}: it must be 0 or more and finite, it weighs the KL penalty")
    if faults:
        raise ValueError("; ".join(faults))


def _require_aligned(
    log_probs: Tensor, old_log_probs: Tensor, reference_log_probs: Tensor | None, advantages: Tensor, mask: Tensor
) -> None:
    if log_probs.dim() != 2:
        raise ValueError(f"log_probs is {list(log_probs.shape)}: pass [N, C], rows x completion tokens")
    expected = {"old_log_probs": (old_log_probs, log_probs.shape), "mask": (mask, log_probs.shape)}
    expected["advantages"] = (advantages, log_probs.shape[:1])
    if reference_log_probs is not None:
        expected["reference_log_probs"] = (reference_log_probs, log_probs.shape)
    faults = [
        f"{name} is {list(tensor.shape)}, beside log_probs of {list(log_probs.shape)} it must be {list(shape)}"
        for name, (tensor, shape) in expected.items()
        if tensor.shape != shape
    ]
    if log_probs.dtype not in (torch.float32, torch.float64):
        faults.append(f"log_probs is {log_probs.dtype}: take log-probabilities and their sums in float32 or float64")
    if mask.dtype != torch.bool:
        faults.append(f"mask is {mask.dtype}: it must be bool, True at the tokens that count")
    if faults:
        raise ValueError("; ".join(faults))
