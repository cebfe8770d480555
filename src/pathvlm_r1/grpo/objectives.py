"""Objectives of GRPO: from the log-probabilities of a micro-batch to its share of the optimiser step's loss.

Every objective takes the same five tensors, for N rows of C completion tokens:

    log_probs            [N, C]  float32 or float64, of the policy that learns; nothing else receives a gradient
    old_log_probs        [N, C]  of the policy that sampled the completions
    reference_log_probs  [N, C]  of the reference policy; None only where beta is 0
    advantages           [N]     one per row
    mask                 [N, C]  bool, True at the tokens that count; elsewhere anything may stand, nan included

and averages the same token loss l, that of `clipped_surrogate`. They differ in the denominators, which are those of the
whole optimiser step: so the losses and gradients of its micro-batches add up, however it is split.
All raise ValueError for arguments that do not fit together or are out of range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from pathvlm_r1.grpo.surrogate import CountedTokens, TokenTerms, clipped_surrogate


@dataclass(frozen=True)
class Normaliser:
    """How much one optimiser step averages over, all its micro-batches together."""

    rows: int  # completions, those without a counted token included
    tokens: int  # at which the mask is True

    def __post_init__(self) -> None:
        if self.rows < 1 or self.tokens < 0:
            raise ValueError(f"{self}: an optimiser step has at least one row and no negative number of tokens")

    @classmethod
    def of(cls, mask: Tensor) -> Normaliser:
        """That of an optimiser step whose whole mask is `mask` [N, C]."""
        return cls(rows=mask.shape[0], tokens=int(mask.sum()))


@dataclass(frozen=True, eq=False)
class ObjectiveResult:
    """What a micro-batch adds to its optimiser step: scalars, of which only the loss carries a gradient.

    All but `ratio_max` are shares, divided by the rows or tokens of the whole step: their sum is the step's value.
    """

    loss: Tensor
    ratio_mean: Tensor  # r over the tokens that count, like all below
    ratio_max: Tensor  # 0 where no token counts
    clip_fraction_low: Tensor  # tokens with r < 1 - epsilon_low and A < 0, whose surrogate has no gradient
    clip_fraction_high: Tensor  # tokens with r > 1 + epsilon_high and A > 0, likewise
    kl_mean: Tensor | None  # k3; None where no reference was given

    def detached(self) -> ObjectiveResult:
        """The same numbers, without the graph behind the loss."""
        return replace(self, loss=self.loss.detach())


def whole_step(shares: Sequence[ObjectiveResult]) -> ObjectiveResult:
    """The result of an optimiser step from those of its micro-batches, at least one."""
    divergences = [share.kl_mean for share in shares if share.kl_mean is not None]
    return ObjectiveResult(
        loss=torch.stack([share.loss for share in shares]).sum(),
        ratio_mean=torch.stack([share.ratio_mean for share in shares]).sum(),
        ratio_max=torch.stack([share.ratio_max for share in shares]).amax(),
        clip_fraction_low=torch.stack([share.clip_fraction_low for share in shares]).sum(),
        clip_fraction_high=torch.stack([share.clip_fraction_high for share in shares]).sum(),
        kl_mean=torch.stack(divergences).sum() if divergences else None,
    )


def grpo(
    log_probs: Tensor,
    old_log_probs: Tensor,
    reference_log_probs: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    epsilon_low: float,
    epsilon_high: float,
    beta: float,
    normaliser: Normaliser,
) -> ObjectiveResult:
    """Average the tokens of each row, then the rows; a row without a counted token adds 0 and still is a row.

        loss = sum_n (sum_t l[n, t] / max(length[n], 1)) / rows

    Source: Shao et al. 2024, arXiv:2402.03300, equation 3.
    """
    tokens = CountedTokens.of(log_probs, old_log_probs, reference_log_probs, advantages, mask)
    terms = clipped_surrogate(tokens, epsilon_low=epsilon_low, epsilon_high=epsilon_high, beta=beta)
    row_means = terms.loss.sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)  # [N]
    return _share(row_means.sum() / normaliser.rows, terms, normaliser)


def dr_grpo(
    log_probs: Tensor,
    old_log_probs: Tensor,
    reference_log_probs: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    epsilon_low: float,
    epsilon_high: float,
    beta: float,
    max_completion_tokens: int,
    normaliser: Normaliser,
) -> ObjectiveResult:
    """Divide every row by one constant, so that no token weighs less for standing in a long completion.

        loss = sum_n sum_t l[n, t] / (rows max_completion_tokens)

    The paper's method has it together with `centred_advantages`.

    Source: Liu et al. 2025, arXiv:2503.20783, section 3.2.
    """
    if max_completion_tokens < 1:
        raise ValueError(
            f"max_completion_tokens is {max_completion_tokens}: it must be at least 1, it divides the loss"
        )
    tokens = CountedTokens.of(log_probs, old_log_probs, reference_log_probs, advantages, mask)
    terms = clipped_surrogate(tokens, epsilon_low=epsilon_low, epsilon_high=epsilon_high, beta=beta)
    return _share(terms.loss.sum() / (normaliser.rows * max_completion_tokens), terms, normaliser)


def token_mean_grpo(
    log_probs: Tensor,
    old_log_probs: Tensor,
    reference_log_probs: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    epsilon_low: float,
    epsilon_high: float,
    beta: float,
    normaliser: Normaliser,
) -> ObjectiveResult:
    """Average over all tokens of the optimiser step, so that a row weighs as much as it is long.

        loss = sum_n sum_t l[n, t] / max(tokens, 1)

    This is DAPO's average. Normalised by each micro-batch's own mask it would be bnpo, which depends on the split.

    Source: Yu et al. 2025, arXiv:2503.14476, section 3.3.
    """
    tokens = CountedTokens.of(log_probs, old_log_probs, reference_log_probs, advantages, mask)
    terms = clipped_surrogate(tokens, epsilon_low=epsilon_low, epsilon_high=epsilon_high, beta=beta)
    return _share(terms.loss.sum() / max(normaliser.tokens, 1), terms, normaliser)


def _share(loss: Tensor, terms: TokenTerms, normaliser: Normaliser) -> ObjectiveResult:
    rows = terms.loss.shape[0]
    if rows > normaliser.rows:
        raise ValueError(
            f"log_probs has {rows} rows and the whole optimiser step {normaliser.rows}: count all of its rows"
        )
    token_count = max(normaliser.tokens, 1)
    return ObjectiveResult(
        loss=loss,
        ratio_mean=terms.ratio.sum() / token_count,
        ratio_max=pad(terms.ratio.flatten(), (0, 1)).amax(),  # one more 0, as there may be no token at all
        clip_fraction_low=terms.is_clipped_low.sum(dtype=loss.dtype) / token_count,
        clip_fraction_high=terms.is_clipped_high.sum(dtype=loss.dtype) / token_count,
        kl_mean=None if terms.kl is None else terms.kl.sum() / token_count,
    )
