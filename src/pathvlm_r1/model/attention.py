"""Attention of packed groups: a completion sees its prompt and itself, and most pairs of a row not each other.

On the CPU the scores of those pairs are never computed: a prompt attends to itself, its completions to the prompt, and
each completion to itself, all by the library's flash kernel. That also gives the logarithm of the sum of a query's
exponentials, by which the two parts of a completion's attention are joined; and its gradient, given the sum over both
parts, is right for each. Elsewhere, and in reduced precision, there is a mask of all pairs, or on a GPU FlexAttention,
compiled, which leaves out the blocks of pairs that do not see each other.

Source: Dao 2023, FlashAttention-2, arXiv:2307.08691, section 3.1; Liu et al. 2023, Ring Attention, arXiv:2310.01889.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.flex_attention import flex_attention_forward
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

GROUP_ATTENTION = "group_attention"  # its name among the library's implementations of attention
_FULL_TYPES = (torch.float32, torch.float64)

Block = tuple[slice, slice]  # neighbouring rows, and a stretch of their places


@dataclass(frozen=True, eq=False)
class Visibility:
    """Who sees whom in B packed rows of S places, with N completions of at most C tokens."""

    segments: Tensor  # [B, S]: 0 prompt, g completion g, -1 padding
    places: Tensor  # [N, C]: flat index into [B * S] of each completion's tokens, 0 beyond them
    mask: Tensor  # [N, C], True at tokens
    lengths: Sequence[tuple[int, int]]  # of each row's prompt, and of its completions together

    def for_attention(self, dtype: torch.dtype, *, is_flex: bool = False) -> Visibility | Tensor | BlockMask:
        """What a model's layers are given as a mask: for FlexAttention blocks, on the CPU this itself, else a mask."""
        if is_flex:
            return self.blocks()
        is_reduced = dtype not in _FULL_TYPES or torch.is_autocast_enabled("cpu")
        return self if self.mask.device.type == "cpu" and not is_reduced else self.dense(dtype)

    def sees(self, row: Tensor, query: Tensor, key: Tensor) -> Tensor:
        """Whether the query at a place of a row sees the key at another, as indices that broadcast."""
        of_query, of_key = self.segments[row, query], self.segments[row, key]
        return (key <= query) & ((of_key == of_query) | ((of_key == 0) & (of_query > 0)))

    def blocks(self) -> BlockMask:
        """FlexAttention's mask."""
        rows, places = self.segments.shape
        return create_block_mask(
            lambda row, _head, query, key: self.sees(row, query, key), rows, None, places, places, self.segments.device
        )

    def dense(self, dtype: torch.dtype) -> Tensor:
        """Additive mask [B, 1, S, S]; padding sees itself, so that no row is empty."""
        row, place = (torch.arange(size, device=self.segments.device) for size in self.segments.shape)
        is_visible = self.sees(row[:, None, None], place[:, None], place)
        return torch.zeros(is_visible.shape, dtype=dtype, device=place.device).masked_fill_(
            ~is_visible, torch.finfo(dtype).min
        )[:, None]

    def prompt_blocks(self) -> Iterator[tuple[Block, Block, bool]]:
        """Queries and keys of all attention to prompts, and whether it is causal; like rows together."""
        start = 0
        for (prompt, completions), alike in groupby(self.lengths):
            rows = slice(start, start + len(list(alike)))
            keys = (rows, slice(0, prompt))
            yield keys, keys, True
            yield (rows, slice(prompt, prompt + completions)), keys, False
            start = rows.stop

    def completions(self, tensor: Tensor) -> Tensor:
        """[B, S, ...] to [N, C, ...]; what stands beyond a completion has no meaning."""
        return tensor.flatten(0, 1)[self.places]

    def put(self, tensor: Tensor, of_completions: Tensor) -> None:
        """Write [N, C, ...] to its places in [B, S, ...]."""
        tensor.flatten(0, 1)[self.places[self.mask]] = of_completions[self.mask]


def attend(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor,
    attention_mask: Tensor | BlockMask | Visibility | None, **settings: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """The library's attention, which also takes a `Visibility` or blocks for a mask; [B, S, H, E], and no weights."""
    if isinstance(attention_mask, BlockMask):
        return flex_attention_forward(module, query, key, value, attention_mask, **settings)[0], None
    if not isinstance(attention_mask, Visibility):
        result: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
        return result
    queries_per_key = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, queries_per_key), repeat_kv(value, queries_per_key)
    tokens_first = (tensor.transpose(1, 2) for tensor in (query, key, value))
    output: Tensor = _SplitAttention.apply(*tokens_first, (attention_mask, settings["scaling"]))  # type: ignore[no-untyped-call]
    return output, None


AttentionInterface.register(GROUP_ATTENTION, attend)
AttentionMaskInterface.register(GROUP_ATTENTION, sdpa_mask)  # of rows that are not packed


class _SplitAttention(torch.autograd.Function):
    """Attention of queries, keys and values [B, S, H, E], block by block."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, given: tuple[Visibility, float]) -> Tensor:
        seen, scale = given
        output = torch.zeros_like(query, memory_format=torch.contiguous_format)
        logsums = query.new_zeros(query.shape[:3])  # [B, S, H], of the exponentials of a query's scores
        for at, keys, is_causal in seen.prompt_blocks():
            output[at], logsums[at] = _flash(query[at], key[keys], value[keys], is_causal=is_causal, scale=scale)
        alone = (seen.completions(tensor) for tensor in (query, key, value))
        own, own_logsums = _flash(*alone, is_causal=True, scale=scale)
        prompts, prompt_logsums = seen.completions(output), seen.completions(logsums)
        both = torch.logaddexp(own_logsums, prompt_logsums)
        own_share, prompt_share = (torch.exp(part - both)[..., None] for part in (own_logsums, prompt_logsums))
        seen.put(output, own * own_share + prompts * prompt_share)
        seen.put(logsums, both)
        ctx.save_for_backward(query, key, value, output, logsums)
        ctx.given = given
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, output, logsums = ctx.saved_tensors
        seen, scale = ctx.given
        gradient = gradient.contiguous()
        totals = tuple(torch.zeros_like(t, memory_format=torch.contiguous_format) for t in (query, key, value))
        for at, keys, is_causal in seen.prompt_blocks():
            parts = _flash_backward(
                gradient[at], query[at], key[keys], value[keys], output[at], logsums[at],
                is_causal=is_causal, scale=scale,
            )  # fmt: skip
            for total, block, part in zip(totals, (at, keys, keys), parts, strict=True):
                total[block] += part
        beyond = ~seen.mask[..., None]  # [N, C, 1]: these queries weigh nothing
        alone = [seen.completions(tensor) for tensor in (gradient, query, key, value, output, logsums)]
        alone[0] = alone[0].masked_fill(beyond[..., None], 0)
        alone[-1] = alone[-1].masked_fill(beyond, torch.inf)
        for total, part in zip(totals, _flash_backward(*alone, is_causal=True, scale=scale), strict=True):
            seen.put(total, seen.completions(total) + part)
        return *totals, None


def flash(
    query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The CPU's flash attention of [B, H, S, E]: outputs, and the logarithms [B, H, S] of the sums of exponentials."""
    outputs: tuple[Tensor, Tensor] = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, is_causal, attn_mask=mask, scale=scale
    )
    return outputs


def _flash(*tensors: Tensor, is_causal: bool, scale: float) -> tuple[Tensor, Tensor]:
    """Of query, key and value, tokens first: outputs [B, S, H, E] and the logarithms of sums [B, S, H]."""
    query, key, value = (tensor.transpose(1, 2) for tensor in tensors)
    output, logsums = flash(query, key, value, is_causal=is_causal, scale=scale)
    return output.transpose(1, 2), logsums.transpose(1, 2)


def _flash_backward(*tensors: Tensor, is_causal: bool, scale: float) -> list[Tensor]:
    """Of gradient, query, key, value, output and logarithms of sums: the gradients of query, key and value."""
    gradients = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
        *(tensor.transpose(1, 2) for tensor in tensors), 0.0, is_causal, scale=scale
    )
    return [gradient.transpose(1, 2) for gradient in gradients]
