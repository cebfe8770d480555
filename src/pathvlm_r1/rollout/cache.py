"""A key-value cache that is allocated once and written in place, so that a decoding step copies nothing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer


class PreallocatedLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values with room for `capacity` positions."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self._length = 0
        self._buffers: list[Tensor] = []

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append positions [rows, heads, new, head size]; returns all keys and values so far, as views."""
        del args, kwargs
        rows, heads, new, size = key_states.shape
        if not self._buffers:
            self._buffers = [key_states.new_empty(rows, heads, self.capacity, size) for _ in range(2)]
            self.is_initialized = True
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, self._length : self._length + new] = states
        self._length += new
        self.keys, self.values = (buffer[:, :, : self._length] for buffer in self._buffers)
        return self.keys, self.values

    def get_seq_length(self) -> int:
        return self._length

    def select(self, rows: Tensor) -> None:
        """Keep, or repeat, these rows; only the positions in use are copied."""
        for index, buffer in enumerate(self._buffers):
            grown = buffer.new_empty(len(rows), *buffer.shape[1:])
            torch.index_select(buffer[:, :, : self._length], 0, rows, out=grown[:, :, : self._length])
            self._buffers[index] = grown
        self.keys, self.values = (buffer[:, :, : self._length] for buffer in self._buffers)


def preallocated_cache(layers: int, capacity: int) -> Cache:
    """An empty cache of so many layers."""
    return Cache(layers=[PreallocatedLayer(capacity) for _ in range(layers)])


def select_rows(cache: Cache, rows: Tensor) -> None:
    """Keep, or repeat, rows of every layer."""
    for layer in cache.layers:
        layer.select(rows)
