"""Importance ratios: how much likelier the policy has made what was sampled, by token, sequence or response.

Every function takes the policy's log-probs, the old ones (both [N, C], 0 where nothing counts) and the mask [N, C], and
returns log-ratios [N, C], clamped to +-20 with zero gradient outside, 0 where the mask is False.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pathvlm_r1.grpo.kl import bounded


def token_ratio(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> Tensor:
    """Each token by itself.

        log r[n, t] = log_probs[n, t] - old_log_probs[n, t]

    Source: Shao et al. 2024, arXiv:2402.03300, equation 3.
    """
    return torch.where(mask, bounded(log_probs - old_log_probs), 0.0)


def sequence_ratio(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> Tensor:
    """The geometric mean over a completion, at each of its tokens.

        log s[n] = sum_t (log_probs - old_log_probs)[n, t] / max(length[n], 1)

    Source: Zheng et al. 2025 (GSPO), arXiv:2507.18071, section 4.1.
    """
    return torch.where(mask, bounded(_sums(log_probs, old_log_probs, mask) / _lengths(mask)), 0.0)


def sequence_token_ratio(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> Tensor:
    """The value of the sequence's ratio with the gradient of each token: advantages may differ within a completion.

        log s[n, t] = sg(log s[n]) + log_probs[n, t] - sg(log_probs[n, t])

    Source: Zheng et al. 2025 (GSPO-token), arXiv:2507.18071, section 4.3.
    """
    of_sequence = _sums(log_probs, old_log_probs, mask).detach() / _lengths(mask)
    inside = of_sequence.abs() <= bounded(of_sequence).abs()  # beyond the bound there is no gradient either
    own = torch.where(inside, log_probs - log_probs.detach(), 0.0)
    return torch.where(mask, bounded(of_sequence) + own, 0.0)


def response_ratio(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> Tensor:
    """The probability of the whole response under both policies, as the paper's equation 2 has it.

        log rho[n] = sum_t (log_probs - old_log_probs)[n, t]

    It leaves the clip range after a drift of epsilon over the whole response, some hundred times sooner than a token's.
    """
    return torch.where(mask, bounded(_sums(log_probs, old_log_probs, mask)), 0.0)


def _sums(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, log_probs - old_log_probs, 0.0).sum(dim=-1, keepdim=True)  # [N, 1]


def _lengths(mask: Tensor) -> Tensor:
    return mask.sum(dim=-1, keepdim=True).clamp(min=1)  # [N, 1]
