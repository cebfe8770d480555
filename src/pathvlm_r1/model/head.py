"""Log-probs of chosen tokens, and entropies, from hidden states and the head's weight: no logits beyond a tile.

The vocabulary is walked in tiles of [tokens, columns], once forward and once more backward. With z the logits of one,

    l_k = logsumexp z                   w_k = exp(l_k - l)        l = logsumexp of all l_k
    H_k = -sum q log q, q = softmax z   log p = z - l             H = sum of all w_k (H_k - log w_k)

and with g and h the gradients of a token's log-prob and entropy, d/dz = g (1[target] - p) - h p (log p + H).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pathvlm_r1.model.products import is_for_onednn, onednn_product

# Logits of a tile: 16 MiB in float32. A handful of such tensors live at once, little beside the gradient of a head that
# trains (1.2 GB for 151,936 x 2,048), and matrix products are as fast as with larger tiles.
TILE = 2**22
# A narrower tile would read all states for few columns, and wait for memory; rather, tokens are split as well.
LEAST_COLUMNS = 1024
MOST_BESIDE = 2 * TILE  # of a product that oneDNN makes before it is added
# In place of -inf: so far below any logit that the probability is exactly 0, and finite, as 0 times -inf is nan.
SUPPRESSED = -1e30
HALVES = (torch.float16, torch.bfloat16)


@dataclass(frozen=True, eq=False)
class HeadScores:
    """What the head says of T chosen tokens, in at least float32."""

    log_probs: Tensor  # [T] in nats, -inf of a suppressed token
    entropy: Tensor  # [T] in nats, of the distribution that the token is from
    is_likeliest: Tensor  # [T], True where no token is likelier


def head_log_probs(
    states: Tensor, weight: Tensor, targets: Tensor, *,
    temperature: float = 1.0, suppressed_ids: Tensor | None = None, tile: int = TILE,
) -> HeadScores:  # fmt: skip
    """Score tokens under softmax(states @ weight.T / temperature) with the suppressed ids at -inf.

    Products are of numbers in the states' type, or autocast's; they are summed, and all else is done, in at least
    float32. Log-probs and entropy are differentiable once in states and weight; what is not asked for is not computed.

    Args:
        states: [T, D].
        weight: [V, D] of a head without bias.
        targets: [T] ids.
        temperature: above 0.
        suppressed_ids: ids without probability.
        tile: the most logits that exist at a time.

    Raises:
        ValueError: a target that is no row of the head.
    """
    if targets.numel() and not 0 <= int(targets.min()) <= int(targets.max()) < len(weight):
        raise ValueError(f"targets are {int(targets.min())} to {int(targets.max())}: the head has {len(weight)} rows")
    device = states.device.type
    if torch.is_autocast_enabled(device):
        states = states.to(torch.get_autocast_dtype(device))
    floor = states.new_zeros(len(weight), dtype=torch.promote_types(states.dtype, torch.float32))
    if suppressed_ids is not None:
        floor.index_fill_(0, suppressed_ids.to(floor.device), SUPPRESSED)
    results = _Head.apply(states, weight, targets, _Tiles(floor, 1 / temperature, len(states), tile))  # type: ignore[no-untyped-call]
    return HeadScores(*results)


@dataclass(frozen=True, eq=False)
class _Tiles:
    """The logits states @ weight.T * scale + floor [T, V], by tiles of [rows, columns]."""

    floor: Tensor
    scale: float
    tokens: int
    tile: int

    @property
    def columns(self) -> list[slice]:
        return _slices(len(self.floor), self._width)

    @property
    def rows(self) -> list[slice]:
        return _slices(self.tokens, self.tile // self._width)

    @property
    def _width(self) -> int:
        beside_all_tokens = self.tile // max(1, self.tokens)
        return min(len(self.floor), self.tile, max(LEAST_COLUMNS, beside_all_tokens))

    @property
    def is_one(self) -> bool:
        return len(self.columns) == len(self.rows) == 1

    def logits(self, states: Tensor, head: Tensor, columns: slice) -> Tensor:
        """A tile, from its rows of the states and of the weight."""
        floor = self.floor[columns]
        if is_for_onednn(head):
            logits = onednn_product(states, head)
            return torch.add(floor, logits, alpha=self.scale, out=logits)
        return _add_product(floor.repeat(len(states), 1), states, head.T, scale=self.scale)


class _Head(torch.autograd.Function):
    """The three tensors of `HeadScores`."""

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, targets: Tensor, tiles: _Tiles
    ) -> tuple[Tensor, Tensor, Tensor]:
        floor = tiles.floor
        chosen = floor.new_zeros(len(states))  # logits of the targets
        of_tiles = floor.new_zeros(3, len(tiles.columns), len(states))  # [statistics, tiles, T]
        only = None  # the logits, if one tile holds all: backward then needs no second product
        with torch.autocast(states.device.type, enabled=False):
            for place, columns in enumerate(tiles.columns):
                head = weight[columns].to(states.dtype)
                for rows in tiles.rows:
                    logits = tiles.logits(states[rows], head, columns)
                    column, is_inside = _within(targets[rows], columns)
                    chosen[rows] += logits.gather(-1, column)[:, 0] * is_inside
                    of_tiles[:, place, rows] = _statistics(logits)
                    only = logits if tiles.is_one else None
        normalisers, entropies, largest = of_tiles
        normaliser = normalisers.logsumexp(dim=0)
        log_weights = normalisers - normaliser
        entropy = (log_weights.exp() * (entropies - log_weights)).sum(dim=0)
        log_probs = (chosen - normaliser).masked_fill(floor[targets] == SUPPRESSED, -torch.inf)
        is_likeliest = chosen == largest.amax(dim=0)
        ctx.save_for_backward(states, weight, targets, normaliser, entropy, only)
        ctx.tiles = tiles
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(is_likeliest)
        return log_probs, entropy, is_likeliest

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_log_probs: Tensor | None, of_entropy: Tensor | None, _: None
    ) -> tuple[Tensor | None, Tensor | None, None, None]:
        states, weight, targets, normaliser, entropy, only = ctx.saved_tensors
        tiles, floor = ctx.tiles, ctx.tiles.floor
        given = torch.zeros_like(normaliser) if of_log_probs is None else of_log_probs
        of_target = given * (floor[targets] != SUPPRESSED)  # a suppressed token's logit is a constant
        constant = given if of_entropy is None else given + of_entropy * entropy
        has_states, has_weight, *_ = ctx.needs_input_grad
        of_states = floor.new_zeros(states.shape if has_states else 0)
        of_weight = weight.new_zeros(weight.shape if has_weight else 0)
        with torch.autocast(states.device.type, enabled=False):
            for columns in tiles.columns:
                head = weight[columns].to(states.dtype)
                of_head = of_weight[columns].to(floor.dtype)  # a view, unless the weight is narrower
                for rows in tiles.rows:
                    log_p = tiles.logits(states[rows], head, columns) if only is None else only
                    log_p = log_p - normaliser[rows, None]
                    of_logits = _of_logits(log_p, constant[rows], None if of_entropy is None else of_entropy[rows])
                    column, is_inside = _within(targets[rows], columns)
                    of_logits.scatter_add_(-1, column, (of_target[rows] * is_inside)[:, None])
                    if has_states:
                        _add_product(of_states[rows], of_logits, head, scale=tiles.scale)
                    if has_weight:
                        _add_product(of_head, of_logits.T, states[rows], scale=tiles.scale)
                if has_weight and weight.dtype != floor.dtype:
                    of_weight[columns] = of_head
        return of_states.to(states.dtype) if has_states else None, of_weight if has_weight else None, None, None


def _slices(length: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def _within(targets: Tensor, columns: slice) -> tuple[Tensor, Tensor]:
    """The targets' columns in a tile [T, 1], and whether they have one [T]."""
    is_inside = (targets >= columns.start) & (targets < columns.stop)
    return (targets - columns.start).clamp(0, columns.stop - columns.start - 1)[:, None], is_inside


def _statistics(logits: Tensor) -> Tensor:
    """Normaliser and entropy of a tile's softmax, and its largest logit [3, T]."""
    largest = logits.amax(dim=-1)
    shifted = logits - largest[:, None]
    powers = shifted.exp()
    total = powers.sum(dim=-1)
    mean = powers.mul_(shifted).sum(dim=-1) / total
    return torch.stack([largest + total.log(), total.log() - mean, largest])


def _of_logits(log_p: Tensor, constant: Tensor, of_entropy: Tensor | None) -> Tensor:
    """The gradient of a tile, but for the targets' own part: -p (g + h H + h log p), where constant is g + h H."""
    if of_entropy is None:
        return log_p.exp().mul_(-constant[:, None])
    return log_p.exp().mul_((log_p * of_entropy[:, None]).add_(constant[:, None])).neg_()


def _add_product(total: Tensor, left: Tensor, right: Tensor, *, scale: float) -> Tensor:
    """Add left @ right * scale to `total`, summed in its precision whatever that of the factors."""
    if total.is_cuda and right.dtype in HALVES:  # tensor cores multiply halves and sum in float32
        return torch.addmm(total, left.to(right.dtype), right, alpha=scale, out_dtype=total.dtype, out=total)
    left, right = left.to(total.dtype), right.to(total.dtype)
    if is_for_onednn(right) and total.numel() <= MOST_BESIDE:  # it cannot add to what is there
        return total.add_(onednn_product(left, right.T), alpha=scale)
    return total.addmm_(left, right, alpha=scale)
