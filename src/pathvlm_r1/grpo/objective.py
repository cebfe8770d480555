"""The objective of GRPO and its relatives: one formula, of which each published objective names the parts.

    policy[n, t] = w[n, t] top[n, t] surrogate(ratio(log_probs, old_log_probs), A)[n, t]
    loss = average(policy + beta kl(log_probs, reference_log_probs)) - entropy_bonus mean entropy

w corrects for an engine with other log-probs (grpo.mismatch), top keeps the undecided tokens (grpo.entropy); both are 1
where they are not asked for. `conf/objective/` has the parts of each objective with its source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

import torch
from torch import Tensor

from pathvlm_r1.grpo.kl import k3
from pathvlm_r1.grpo.surrogates import PolicyTerm
from pathvlm_r1.grpo.tokens import Tokens, Totals

Ratio = Callable[[Tensor, Tensor, Tensor], Tensor]
Surrogate = Callable[[Tensor, Tensor, Tensor], PolicyTerm]
Average = Callable[[Tensor, Tensor, Totals], Tensor]
Divergence = Callable[[Tensor, Tensor], Tensor]
Weights = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class ObjectiveResult:
    """What a micro-batch adds to its optimiser step: scalars, of which only the loss carries a gradient."""

    loss: Tensor
    means: Mapping[str, Tensor] = field(default_factory=dict)  # divided by the step's tokens: shares add up to the mean
    largest: Mapping[str, Tensor] = field(default_factory=dict)  # over the tokens that count; -inf where there is none
    smallest: Mapping[str, Tensor] = field(default_factory=dict)  # likewise; inf

    def detached(self) -> ObjectiveResult:
        """The same numbers, without the graph behind the loss."""
        return replace(self, loss=self.loss.detach())


def whole_step(shares: Sequence[ObjectiveResult]) -> ObjectiveResult:
    """The result of an optimiser step from those of its micro-batches, at least one."""
    return ObjectiveResult(
        loss=torch.stack([share.loss for share in shares]).sum(),
        means=_merged([share.means for share in shares], torch.sum),
        largest=_merged([share.largest for share in shares], torch.amax),
        smallest=_merged([share.smallest for share in shares], torch.amin),
    )


@dataclass(frozen=True)
class Objective:
    """An objective by its parts, each a function of this package with its settings bound.

    Args:
        ratio: the importance ratio's level.
        surrogate: the policy term of every token.
        average: over tokens and rows.
        kl: estimator of the divergence from the reference.
        entropy_bonus: 0 or more, per nat.
        mismatch: weights where another engine has sampled; None leaves them at 1.

    Raises:
        ValueError: `entropy_bonus` is negative or not finite.
    """

    ratio: Ratio
    surrogate: Surrogate
    average: Average
    kl: Divergence = k3
    entropy_bonus: float = 0.0
    mismatch: Weights | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.entropy_bonus < inf:
            raise ValueError(f"entropy_bonus is {self.entropy_bonus}: it must be 0 or more and finite")

    def __call__(self, tokens: Tokens, totals: Totals, *, beta: float) -> ObjectiveResult:
        """A micro-batch's share of the loss of the optimiser step whose totals are given.

        Raises:
            ValueError: beta is out of range, what a part needs is missing, or there are more rows than the step has.
        """
        self._require_complete(tokens, totals, beta)
        tokens = tokens.zeroed()
        log_ratio = self.ratio(tokens.log_probs, tokens.old_log_probs, tokens.mask)
        term = self.surrogate(log_ratio, tokens.log_probs, tokens.advantages[:, None])
        is_top, correction = _is_top(tokens, totals), self._correction(tokens)
        losses = term.loss if is_top is None else term.loss * is_top  # nan stays nan
        losses = losses if correction is None else losses * correction
        divergence = None
        if tokens.reference_log_probs is not None:
            divergence = self.kl(tokens.log_probs, tokens.reference_log_probs)
            losses = losses + beta * divergence
        loss = self.average(tokens.where_counted(losses), tokens.mask, totals) - self._bonus(tokens, totals, is_top)
        return _described(
            loss, tokens, totals, log_ratio=log_ratio.detach(), term=term, divergence=divergence,
            correction=correction,
        )  # fmt: skip

    def _require_complete(self, tokens: Tokens, totals: Totals, beta: float) -> None:
        if not 0 <= beta < inf:
            raise ValueError(f"beta is {beta}: it must be 0 or more and finite, it weighs the KL penalty")
        if tokens.reference_log_probs is None and beta > 0:
            raise ValueError(
                f"reference_log_probs is None and beta is {beta}: only beta 0 can do without the reference"
            )
        if tokens.entropy is None and (self.entropy_bonus > 0 or totals.entropy_floor is not None):
            raise ValueError("entropy is None: an entropy bonus and a top-entropy mask need it at every token")
        if len(tokens.mask) > totals.rows:
            raise ValueError(
                f"log_probs has {len(tokens.mask)} rows and the whole optimiser step {totals.rows}: count all its rows"
            )

    def _correction(self, tokens: Tokens) -> Tensor | None:
        if self.mismatch is None or tokens.sampler_log_probs is None:
            return None
        return self.mismatch(tokens.old_log_probs, tokens.sampler_log_probs, tokens.mask)

    def _bonus(self, tokens: Tokens, totals: Totals, is_top: Tensor | None) -> Tensor | float:
        """The bonus times the mean entropy of the tokens that the policy term acts on."""
        if self.entropy_bonus == 0 or tokens.entropy is None:
            return 0.0
        entropy, count = tokens.entropy, totals.tokens
        if is_top is not None and totals.top_tokens is not None:
            entropy, count = torch.where(is_top, entropy, 0.0), totals.top_tokens
        return self.entropy_bonus * tokens.where_counted(entropy).sum() / max(count, 1)


def _is_top(tokens: Tokens, totals: Totals) -> Tensor | None:
    """[N, C] bool, the tokens whose policy term counts; None where all do."""
    if totals.entropy_floor is None or tokens.entropy is None:
        return None
    return tokens.entropy.detach() >= totals.entropy_floor


def _described(
    loss: Tensor, tokens: Tokens, totals: Totals, *, log_ratio: Tensor, term: PolicyTerm, divergence: Tensor | None,
    correction: Tensor | None,
) -> ObjectiveResult:  # fmt: skip
    """The loss with its diagnostics, as published with the objectives."""
    mask, ratio = tokens.mask, log_ratio.exp()

    def share(values: Tensor) -> Tensor:
        return torch.where(mask, values, 0.0).sum(dtype=loss.dtype) / max(totals.tokens, 1)

    means = {
        "ratio": share(ratio),
        "ratio_square": share(ratio.square()),
        "clip_fraction_low": share(term.is_clipped_low.to(loss.dtype)),
        "clip_fraction_high": share(term.is_clipped_high.to(loss.dtype)),
    }
    if divergence is not None:
        means["kl"] = share(divergence.detach())
    if correction is not None:
        means["mismatch/weight"] = share(correction)
        means["mismatch/dropped"] = share((correction == 0).to(loss.dtype))
    return ObjectiveResult(
        loss=loss,
        means=means,
        largest={"ratio_max": _extreme(ratio, mask, -inf)},
        smallest={"ratio_min": _extreme(ratio, mask, inf)},
    )


def _extreme(values: Tensor, mask: Tensor, none: float) -> Tensor:
    """The largest counted value (`none` is -inf), or the smallest (inf); `none` where there is no token at all."""
    counted = torch.cat([torch.where(mask, values, none).flatten(), values.new_tensor([none])])
    return counted.amax() if none < 0 else counted.amin()


def _merged(shares: Sequence[Mapping[str, Tensor]], combine: Callable[..., Tensor]) -> dict[str, Tensor]:
    return {name: combine(torch.stack([share[name] for share in shares]), dim=0) for name in shares[0]}
