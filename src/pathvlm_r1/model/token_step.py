"""One token more in every row: what the language model does thousands of times in a rollout.

On the CPU, calls to the modules of a small model cost more than the products that they make. There the same arithmetic
is done in plain tensor operations on copies of the weights: an adapter is added to its layer, projections of one input
are one product, and a residual is added in the product that it follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import functional
from transformers.cache_utils import Cache

from pathvlm_r1.model.policy import Policy

_FULL_TYPES = (torch.float32, torch.float64)


class TokenStep(Protocol):
    """The language model as it was when this was made."""

    def __call__(self, tokens: Tensor, positions: Tensor, cache: Cache, mask: Tensor | None) -> Tensor:
        """The last layer's states [N, D] of one new token a row; its keys and values are added to the cache.

        Args:
            tokens: [N] ids.
            positions: [N] rotary positions; text has the same in all three dimensions.
            cache: of the tokens before.
            mask: additive [N, 1, 1, length], the new token included; None: all are seen.
        """
        ...


def token_step(policy: Policy) -> TokenStep:
    """The fastest way to take such steps with this policy."""
    is_full = policy.core.dtype in _FULL_TYPES and not torch.is_autocast_enabled("cpu")
    return PlainStep(policy) if policy.device.type == "cpu" and is_full else ModuleStep(policy)


class ModuleStep:
    """Through the model's own modules."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def __call__(self, tokens: Tensor, positions: Tensor, cache: Cache, mask: Tensor | None) -> Tensor:
        """As the protocol has it."""
        states: Tensor = self.policy.core.model.language_model(
            inputs_embeds=self.policy.core.get_input_embeddings()(tokens[:, None]),
            attention_mask={"full_attention": mask},
            position_ids=positions[None, :, None].expand(3, -1, -1),
            past_key_values=cache, use_cache=True,
        ).last_hidden_state[:, 0]  # fmt: skip
        return states


class PlainStep:
    """In tensor operations."""

    def __init__(self, policy: Policy) -> None:
        model = policy.core.model.language_model
        self.embeddings = model.embed_tokens.weight.detach()
        self.layers = [_Layer.of(layer) for layer in model.layers]
        self.norm = _Norm.of(model.norm)
        self.frequencies, self.rotary_scale = model.rotary_emb.inv_freq, model.rotary_emb.attention_scaling

    @torch.no_grad()
    def __call__(self, tokens: Tensor, positions: Tensor, cache: Cache, mask: Tensor | None) -> Tensor:
        """As the protocol has it."""
        states = self.embeddings[tokens]  # [N, D]
        angles = positions[:, None].float() * self.frequencies.float()
        angles = torch.cat((angles, angles), dim=-1)[:, None]  # [N, 1, E]
        rotation = [(function(angles) * self.rotary_scale).to(states.dtype) for function in (torch.cos, torch.sin)]
        for index, layer in enumerate(self.layers):
            states = layer(states, rotation, cache.layers[index], mask)
        return self.norm(states)


@dataclass(frozen=True, eq=False)
class _Norm:
    weight: Tensor
    epsilon: float

    @classmethod
    def of(cls, norm: Any) -> _Norm:
        return cls(norm.weight.detach(), norm.variance_epsilon)

    def __call__(self, states: Tensor) -> Tensor:
        return functional.rms_norm(states, self.weight.shape, self.weight, self.epsilon)


@dataclass(frozen=True, eq=False)
class _Layer:
    """The weights of a decoder layer, H query heads and K key heads of width E."""

    input_norm: _Norm
    to_heads: Tensor  # [D, (H + 2K) * E]
    bias: Tensor
    from_heads: Tensor  # [H * E, D]
    second_norm: _Norm
    to_gates: Tensor  # [D, 2F], the gate's columns first
    from_gates: Tensor  # [F, D]
    heads: int
    key_heads: int

    @classmethod
    def of(cls, layer: Any) -> _Layer:
        attention, mlp = layer.self_attn, layer.mlp
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        return cls(
            _Norm.of(layer.input_layernorm), _joined(projections), torch.cat([p.bias.detach() for p in projections]),
            _joined([attention.o_proj]), _Norm.of(layer.post_attention_layernorm),
            _joined([mlp.gate_proj, mlp.up_proj]), _joined([mlp.down_proj]),
            attention.num_heads, attention.num_key_value_heads,
        )  # fmt: skip

    def __call__(self, states: Tensor, rotation: Sequence[Tensor], cache: Any, mask: Tensor | None) -> Tensor:
        states = torch.addmm(states, self._attended(self.input_norm(states), rotation, cache, mask), self.from_heads)
        gate, up = (self.second_norm(states) @ self.to_gates).chunk(2, dim=-1)
        return torch.addmm(states, functional.silu(gate) * up, self.from_gates)

    def _attended(self, states: Tensor, rotation: Sequence[Tensor], cache: Any, mask: Tensor | None) -> Tensor:
        rows, all_heads = len(states), self.heads + 2 * self.key_heads
        projected = torch.addmm(self.bias, states, self.to_heads).view(rows, all_heads, -1)
        rotated = _rotated(projected[:, : -self.key_heads], *rotation)
        keys, values = cache.update(rotated[:, self.heads :, None], projected[:, -self.key_heads :, None])
        query = rotated[:, : self.heads].reshape(rows, self.key_heads, -1, keys.shape[-1])  # beside their key head
        return functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask).reshape(rows, -1)


def _rotated(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    first, second = heads.chunk(2, dim=-1)
    return torch.addcmul(heads * cosines, torch.cat((-second, first), dim=-1), sines)


def _joined(projections: Sequence[nn.Module]) -> Tensor:
    """The weights of projections of one input, beside each other [in, out], adapters included."""
    return torch.cat([_weight(projection) for projection in projections]).t().contiguous()


def _weight(projection: Any) -> Tensor:
    is_adapted = isinstance(projection, LoraLayer)
    weight: Tensor = (projection.get_base_layer() if is_adapted else projection).weight.detach()
    if not is_adapted or projection.disable_adapters:
        return weight
    for name in projection.active_adapters:
        weight = weight + projection.get_delta_weight(name).detach()
    return weight
