"""An independent witness: GRPO token by token in plain Python floats, and the random batches that it is asked about."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from hypothesis.strategies import builds, integers
from torch import Tensor

SETTINGS = {"epsilon_low": 0.2, "epsilon_high": 0.28, "beta": 0.04}
MAX_COMPLETION_TOKENS = 9


class Size(NamedTuple):
    """What an average may divide by, at one row."""

    rows: int
    tokens: int  # of all rows
    length: int  # of this row


class Batch(NamedTuple):
    """The five tensors of an objective, in the order of its parameters."""

    log_probs: Tensor
    old_log_probs: Tensor
    reference_log_probs: Tensor
    advantages: Tensor
    mask: Tensor

    def learning(self) -> "Batch":
        """The same numbers with fresh log-probs that collect a gradient."""
        return self._replace(log_probs=self.log_probs.detach().clone().requires_grad_())

    def only(self, rows: Tensor) -> "Batch":
        """Some rows, without the columns of padding that only the others need."""
        width = int((self.mask[rows].any(dim=0) * torch.arange(1, self.mask.shape[1] + 1)).max())
        cut = {name: getattr(self, name)[rows, :width] for name in self._fields if name != "advantages"}
        return Batch(advantages=self.advantages[rows], **cut)


def random_batch(seed: int, rows: int, tokens: int) -> Batch:
    """Ratios on both sides of both bounds, holes in the mask, and now and then a row in which nothing counts."""
    generator = torch.Generator().manual_seed(seed)
    log_probs, drift, distance = torch.randn(3, rows, tokens, generator=generator, dtype=torch.float64)
    row_is_kept = torch.rand(rows, 1, generator=generator) < 0.8
    mask = (torch.rand(rows, tokens, generator=generator) < 0.7) & row_is_kept
    advantages = torch.randn(rows, generator=generator, dtype=torch.float64)
    return Batch(log_probs - 3, log_probs - 3 + 0.3 * drift, log_probs - 3 + distance, advantages, mask)


batches = builds(random_batch, seed=integers(0, 2**32 - 1), rows=integers(1, 6), tokens=integers(1, 7))


def loss_and_gradient(batch: Batch, weight: Callable[[Size], float]) -> tuple[float, list[list[float]]]:
    """The weighted sum of token losses and its derivative by each log-prob, with SETTINGS."""
    log_probs, old, reference, advantages, mask = (tensor.tolist() for tensor in batch)
    lengths = [sum(row) for row in mask]
    loss, gradient = 0.0, [[0.0] * len(row) for row in mask]
    for n, row in enumerate(mask):
        token_weight = weight(Size(rows=len(mask), tokens=sum(lengths), length=lengths[n]))
        for t, counts in enumerate(row):
            if counts:
                value, slope = token_loss(log_probs[n][t], old[n][t], reference[n][t], advantages[n])
                loss += token_weight * value
                gradient[n][t] = token_weight * slope
    return loss, gradient


def token_loss(log_prob: float, old: float, reference: float, advantage: float) -> tuple[float, float]:
    """The loss of one token and its derivative, inside the bounds of the exponents."""
    ratio, ratio_to_reference = math.exp(log_prob - old), math.exp(reference - log_prob)
    clipped = min(max(ratio, 1 - SETTINGS["epsilon_low"]), 1 + SETTINGS["epsilon_high"])
    surrogate = min(ratio * advantage, clipped * advantage)
    surrogate_slope = ratio * advantage if ratio * advantage <= clipped * advantage else 0.0
    divergence = ratio_to_reference - (reference - log_prob) - 1
    return -surrogate + SETTINGS["beta"] * divergence, -surrogate_slope + SETTINGS["beta"] * (1 - ratio_to_reference)
