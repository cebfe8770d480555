"""One token more in every row: what the language model does thousands of times in a rollout, in plain operations.

On the CPU, calls to the modules of a small model cost more than the products that they make, and reading the keys of a
prompt again for each row of its group costs as much once more. Here the weights are copied: an adapter is added to its
layer, a norm's weight is part of the product behind it, and projections of one input are one product. And the rows of a
group read their prompt's keys and values together, which are kept once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import functional
from transformers.cache_utils import Cache

from pathvlm_r1.model.attention import flash
from pathvlm_r1.model.policy import Policy
from pathvlm_r1.model.products import FixedProduct


class PlainStep:
    """The language model as it is now, behind prompts; in full precision on the CPU.

    Args:
        policy: whose weights.
        prompts: keys and values of B prompts, which are read and not changed.
        mask: additive [B, 1, 1, P] over the prompts' places; None: all are seen.
        group_size: G rows behind each prompt, N = B * G at first.
        capacity: tokens that a row may get.
    """

    def __init__(
        self, policy: Policy, prompts: Cache, mask: Tensor | None, *, group_size: int, capacity: int
    ) -> None:  # fmt: skip
        model = policy.core.model.language_model
        self.embeddings = model.embed_tokens.weight.detach()
        rows = len(prompts.layers[0].keys) * group_size
        self.layers = [_Layer.of(layer, rows) for layer in model.layers]
        self.norm = _Norm.of(model.norm)
        self.frequencies, self.rotary_scale = model.rotary_emb.inv_freq.float(), model.rotary_emb.attention_scaling
        self.memories = [_Memory(cached.keys, cached.values, group_size, capacity) for cached in prompts.layers]
        self.groups = _Groups(torch.arange(len(self.memories[0].keys)).repeat_interleave(group_size), mask)
        self.length = 0  # tokens that every row has got

    @torch.no_grad()
    def __call__(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """The last layer's states [N, D] of one new token [N] a row, at rotary positions [N]."""
        states = self.embeddings[tokens]
        angles = positions[:, None].float() * self.frequencies
        angles = torch.cat((angles, angles), dim=-1)[:, None]  # [N, 1, E]
        rotation = [(function(angles) * self.rotary_scale).to(states.dtype) for function in (torch.cos, torch.sin)]
        self.length += 1
        for layer, memory in zip(self.layers, self.memories, strict=True):
            heads = layer.heads_of(states, rotation)
            states = layer.after(states, memory.attended(*heads, self.groups, self.length))
        return self.norm(states)

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone, in their order."""
        left = self.groups.keep(rows)
        for memory in self.memories:
            memory.keep(rows, left, self.length)


class _Groups:
    """Which rows stand behind which prompt, and how to lay them side by side."""

    def __init__(self, prompt_of_row: Tensor, mask: Tensor | None) -> None:
        self.mask = mask
        self._lay(prompt_of_row)

    def keep(self, rows: Tensor) -> Tensor:
        """Only these rows; returns the prompts that still have any."""
        left: Tensor
        left, prompt_of_row = torch.unique_consecutive(self.prompt_of_row[rows], return_inverse=True)
        self.mask = None if self.mask is None else self.mask[left]
        self._lay(prompt_of_row)
        return left

    def by_prompt(self, query: Tensor) -> Tensor:
        """[N, K, R, E] to [B, K, G * R, E]; where a group is smaller than the largest, a row stands for the missing."""
        _, key_heads, queries, width = query.shape
        if not self.is_even:
            query = query[self.row_at]
        grid = query.view(self.prompts, -1, key_heads, queries, width).transpose(1, 2)
        return grid.reshape(self.prompts, key_heads, -1, width)

    def by_row(self, output: Tensor, queries: int) -> Tensor:
        """[B, K, G * R, ...] to [N, K, R, ...]."""
        grid = output.unflatten(2, (-1, queries)).transpose(1, 2).flatten(0, 1)  # type: ignore[no-untyped-call]
        result: Tensor = grid if self.is_even else grid[self.place_of_row]
        return result

    def _lay(self, prompt_of_row: Tensor) -> None:
        self.prompt_of_row = prompt_of_row
        sizes = prompt_of_row.bincount()
        self.prompts, largest = len(sizes), int(sizes.max())
        first = sizes.cumsum(0) - sizes
        within = torch.arange(len(prompt_of_row)) - first[prompt_of_row]
        self.is_even = len(prompt_of_row) == self.prompts * largest
        self.place_of_row = prompt_of_row * largest + within
        self.row_at = first.repeat_interleave(largest).index_put((self.place_of_row,), torch.arange(len(prompt_of_row)))


class _Memory:
    """One layer's keys and values: of B prompts [B, K, P, E], and of the tokens behind them [N, K, capacity, E]."""

    def __init__(self, keys: Tensor, values: Tensor, group_size: int, capacity: int) -> None:
        self.keys, self.values = keys, values
        shape = (len(keys) * group_size, keys.shape[1], capacity, keys.shape[3])
        self.own_keys, self.own_values = keys.new_empty(shape), keys.new_empty(shape)

    def attended(self, query: Tensor, key: Tensor, value: Tensor, groups: _Groups, length: int) -> Tensor:
        """What each row's new token attends to, [N, H * E]; its key and value [N, K, E] are the last of `length`."""
        self.own_keys[:, :, length - 1], self.own_values[:, :, length - 1] = key, value
        rows, queries, width = query.shape[0], *query.shape[2:]
        prompt, prompt_sums = flash(groups.by_prompt(query), self.keys, self.values, mask=groups.mask)
        scores = (query @ self.own_keys[:, :, :length].mT).mul_(width**-0.5)
        # The prompt is one more key, whose score is the logarithm of its exponentials' sum: flash is slow for so few.
        shares = torch.cat((groups.by_row(prompt_sums, queries)[..., None], scores), dim=-1).softmax(dim=-1)
        own = shares[..., 1:] @ self.own_values[:, :, :length]
        return torch.addcmul(own, groups.by_row(prompt, queries), shares[..., :1]).reshape(rows, -1)

    def keep(self, rows: Tensor, prompts: Tensor, length: int) -> None:
        """Only these rows and prompts."""
        if len(prompts) < len(self.keys):
            self.keys, self.values = self.keys[prompts], self.values[prompts]
        for name in ("own_keys", "own_values"):
            kept = getattr(self, name)
            grown = kept.new_empty(len(rows), *kept.shape[1:])
            torch.index_select(kept[:, :, :length], 0, rows, out=grown[:, :, :length])
            setattr(self, name, grown)


@dataclass(frozen=True, eq=False)
class _Norm:
    """x / sqrt(mean(x^2) + epsilon) * weight of states [..., D], as x / hypot(|x|, floor) * weight: fewer calls."""

    weight: Tensor  # [D], times sqrt(D)
    floor: Tensor  # sqrt(D * epsilon)

    @classmethod
    def of(cls, norm: Any) -> _Norm:
        width = len(norm.weight)
        return cls(norm.weight.detach() * width**0.5, norm.weight.new_tensor((width * norm.variance_epsilon) ** 0.5))

    def unweighted(self, states: Tensor) -> Tensor:
        """Without its weight, which the product behind it may have in its own."""
        return states / torch.hypot(torch.linalg.vector_norm(states, dim=-1, keepdim=True), self.floor)

    def __call__(self, states: Tensor) -> Tensor:
        return self.unweighted(states) * self.weight


@dataclass(frozen=True, eq=False)
class _Layer:
    """The weights of a decoder layer with K key heads and R queries for each of them, all of width E."""

    input_norm: _Norm
    to_heads: FixedProduct  # from D to (K * R + 2K) * E: queries, keys, values
    from_heads: FixedProduct  # from K * R * E to D
    second_norm: _Norm
    to_gates: FixedProduct  # from D to 2F, the gate's columns first
    from_gates: FixedProduct  # from F to D
    key_heads: int

    @classmethod
    def of(cls, layer: Any, rows: int) -> _Layer:
        attention, mlp = layer.self_attn, layer.mlp
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        bias = torch.cat([projection.bias.detach() for projection in projections])
        first, second = _Norm.of(layer.input_layernorm), _Norm.of(layer.post_attention_layernorm)
        return cls(
            first, FixedProduct(_joined(projections) * first.weight, bias, rows=rows),
            FixedProduct(_joined([attention.o_proj]), rows=rows),
            second, FixedProduct(_joined([mlp.gate_proj, mlp.up_proj]) * second.weight, rows=rows),
            FixedProduct(_joined([mlp.down_proj]), rows=rows), attention.num_key_value_heads,
        )  # fmt: skip

    def heads_of(self, states: Tensor, rotation: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [N, K, R, E], keys and values [N, K, E], at their positions."""
        width = rotation[0].shape[-1]
        heads = self.to_heads(self.input_norm.unweighted(states)).view(len(states), -1, width)
        rotated = _rotated(heads[:, : -self.key_heads], *rotation)
        query = rotated[:, : -self.key_heads].reshape(len(states), self.key_heads, -1, width)
        return query, rotated[:, -self.key_heads :], heads[:, -self.key_heads :]

    def after(self, states: Tensor, attended: Tensor) -> Tensor:
        """The layer's states [N, D], given those before it and what its heads attended to."""
        states = self.from_heads(attended, plus=states)
        gate, up = self.to_gates(self.second_norm.unweighted(states)).chunk(2, dim=-1)
        return self.from_gates(functional.silu(gate) * up, plus=states)


def _rotated(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    first, second = heads.chunk(2, dim=-1)
    return torch.addcmul(heads * cosines, torch.cat((-second, first), dim=-1), sines)


def _joined(projections: Sequence[nn.Module]) -> Tensor:
    """The weights of projections of one input, one after another [out, in], adapters included."""
    return torch.cat([_weight(projection) for projection in projections])


def _weight(projection: Any) -> Tensor:
    is_adapted = isinstance(projection, LoraLayer)
    weight: Tensor = (projection.get_base_layer() if is_adapted else projection).weight.detach()
    if not is_adapted or projection.disable_adapters:
        return weight
    for name in projection.active_adapters:
        weight = weight + projection.get_delta_weight(name).detach()
    return weight
